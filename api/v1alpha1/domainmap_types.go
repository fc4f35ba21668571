// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DomainMap says which Environment serves which shared domain. Swapping two environments is exchanging two lines of
// one object; undoing it is the reverted commit. An Environment's own address, status.url, never moves.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bdom,categories=beanpod
// +kubebuilder:printcolumn:name="HOST",type=string,JSONPath=`.status.domains[0].host`
// +kubebuilder:printcolumn:name="ENVIRONMENT",type=string,JSONPath=`.status.domains[0].environment`
// +kubebuilder:printcolumn:name="STATUS",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="READY",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="LAST SWAP",type=date,JSONPath=`.status.lastSwap.at`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="MESSAGE",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a DomainMap has at most 63 characters"
type DomainMap struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the user wants.
	// +required
	Spec DomainMapSpec `json:"spec"`

	// status is what Beanpod found and did.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status DomainMapStatus `json:"status,omitempty"`
}

// DomainMapList is a list of DomainMaps.
//
// +kubebuilder:object:root=true
type DomainMapList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DomainMap `json:"items"`
}

// DomainMapSpec says which environment serves which domain.
type DomainMapSpec struct {
	// routing says what carries the domains: one Ingress, or an HTTPRoute for each environment. Unset: the operator's default
	// Gateway if it has one, else an Ingress of the cluster's default class.
	// +optional
	Routing *DomainRouting `json:"routing,omitempty"`

	// domains are the shared names, each with the environment that serves it. A name belongs to one DomainMap in the cluster:
	// the first to claim it keeps it, and a later claim is reported in status.domains and changes nothing.
	// +required
	// +listType=map
	// +listMapKey=host
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	Domains []Domain `json:"domains"`

	// gate is what an environment must pass before a domain moves to it. While it does not, the domain stays where it is.
	// +optional
	// +kubebuilder:default={}
	Gate DomainGate `json:"gate,omitzero"`

	// holdSeconds is how long an environment that lost a domain keeps its size and refuses to be deleted, in seconds, so that a
	// swap can be undone at once. 0 holds nothing. Defaults to 900.
	// +optional
	// +kubebuilder:default=900
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=604800
	HoldSeconds *int32 `json:"holdSeconds,omitempty"`
}

// DomainRouting says what carries domains.
//
// +kubebuilder:validation:XValidation:rule="!has(self.gatewayRef) || self.type in ['Auto', 'Gateway']",message="gatewayRef is allowed only with routing.type Gateway or Auto"
// +kubebuilder:validation:XValidation:rule="!has(self.ingressClassName) || self.type in ['Auto', 'Ingress']",message="ingressClassName is allowed only with routing.type Ingress or Auto"
// +kubebuilder:validation:XValidation:rule="!(has(self.gatewayRef) && has(self.ingressClassName))",message="set gatewayRef or ingressClassName, not both"
type DomainRouting struct {
	// type is Auto (the default), Ingress or Gateway. Auto takes gatewayRef, else ingressClassName, else the operator's default
	// Gateway if it has one, else an Ingress. With Ingress all domains live in one object, so a swap is one write and no request
	// ever sees half of it; with Gateway it is one write for each environment, in quick succession.
	// +optional
	// +kubebuilder:default=Auto
	Type DomainRoutingType `json:"type,omitempty"`

	// ingressClassName of the Ingress. Unset: the operator's, else the cluster's default class.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	IngressClassName string `json:"ingressClassName,omitempty"`

	// gatewayRef names the Gateway that the HTTPRoutes attach to. Unset: the operator's default one.
	// +optional
	GatewayRef *GatewayReference `json:"gatewayRef,omitempty"`
}

// DomainRoutingType is what carries domains.
// +kubebuilder:validation:Enum=Auto;Gateway;Ingress
type DomainRoutingType string

// The routing types of domains.
const (
	// DomainRoutingAuto picks Gateway or Ingress.
	DomainRoutingAuto DomainRoutingType = "Auto"
	// DomainRoutingGateway makes HTTPRoutes.
	DomainRoutingGateway DomainRoutingType = "Gateway"
	// DomainRoutingIngress makes one Ingress.
	DomainRoutingIngress DomainRoutingType = "Ingress"
)

// Domain is one shared name.
type Domain struct {
	// host is a full DNS name in lower case, without wildcard and without port: www.shop.example.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$`
	Host string `json:"host"`

	// environmentRef names the WebServer environment that serves the host. Unset: the host is kept, and answers 503, so that a
	// name without an environment never shows another one's pages.
	// +optional
	EnvironmentRef *LocalReference `json:"environmentRef,omitempty"`

	// tls serves the host by HTTPS. Unset: HTTP only. On a Gateway the listener owns the certificate, and tls is not needed.
	// +optional
	TLS *TLS `json:"tls,omitempty"`
}

// DomainGate is what an environment must pass before a domain moves to it.
type DomainGate struct {
	// minHealth is the worst health that passes: Ok (the default), Info, Warning, Degraded or Severe; or Any, which does not
	// look at health and is meant for emergencies. An environment of unknown health passes only Any.
	// +optional
	// +kubebuilder:default=Ok
	MinHealth DomainGateHealth `json:"minHealth,omitempty"`

	// seconds is how long it must have that health without a break. 0 takes one look. Defaults to 120.
	// +optional
	// +kubebuilder:default=120
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	Seconds *int32 `json:"seconds,omitempty"`

	// requireDeployed also asks that all its instances run the version that its spec names, so that no domain moves in the
	// middle of a deployment. Defaults to true.
	// +optional
	// +kubebuilder:default=true
	RequireDeployed *bool `json:"requireDeployed,omitempty"`
}

// DomainGateHealth is the worst health that passes a gate.
// +kubebuilder:validation:Enum=Ok;Info;Warning;Degraded;Severe;Any
type DomainGateHealth string

// The healths of a gate.
const (
	// GateOk passes only Ok.
	GateOk DomainGateHealth = "Ok"
	// GateInfo passes Info too.
	GateInfo DomainGateHealth = "Info"
	// GateWarning passes Warning too.
	GateWarning DomainGateHealth = "Warning"
	// GateDegraded passes Degraded too.
	GateDegraded DomainGateHealth = "Degraded"
	// GateSevere passes every health that is known.
	GateSevere DomainGateHealth = "Severe"
	// GateAny does not look at health.
	GateAny DomainGateHealth = "Any"
)

// DomainMapStatus is what Beanpod found and did about domains.
type DomainMapStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first pass.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready (every domain is where the spec wants it); Swapping and Holding, and Reconciling, Stalled and
	// Terminating, only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// domains says who serves each domain now, in the order of the spec.
	// +optional
	// +listType=map
	// +listMapKey=host
	// +kubebuilder:validation:MaxItems=50
	Domains []DomainStatus `json:"domains,omitempty"`

	// holds are environments that lost a domain and wait for a possible undo, at most 50.
	// +optional
	// +listType=map
	// +listMapKey=environment
	// +kubebuilder:validation:MaxItems=50
	Holds []DomainHold `json:"holds,omitempty"`

	// lastSwap is the newest change of who serves what. Unset before the first.
	// +optional
	LastSwap *DomainSwap `json:"lastSwap,omitempty"`
}

// DomainStatus says who serves a domain now.
type DomainStatus struct {
	// host of the domain.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host"`

	// environment that serves it. Empty: it answers 503.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Environment string `json:"environment,omitempty"`

	// since is when that environment began to serve it.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// state is Serving, Waiting (it stays where it is until the environment that is wanted passes the gate), Unassigned (no
	// environment is wanted) or Refused (another DomainMap has the host).
	// +optional
	State DomainState `json:"state,omitempty"`

	// message says what a domain waits for, or who has it.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}

// DomainState says how far a domain is.
// +kubebuilder:validation:Enum=Serving;Waiting;Unassigned;Refused
type DomainState string

// The states of a domain.
const (
	// DomainServing is where the spec wants it.
	DomainServing DomainState = "Serving"
	// DomainWaiting waits for the gate.
	DomainWaiting DomainState = "Waiting"
	// DomainUnassigned answers 503, as the spec wants it.
	DomainUnassigned DomainState = "Unassigned"
	// DomainRefused belongs to another DomainMap.
	DomainRefused DomainState = "Refused"
)

// DomainHold keeps an environment that lost a domain.
type DomainHold struct {
	// environment that is kept.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Environment string `json:"environment"`

	// until is when it is let go.
	// +required
	Until metav1.Time `json:"until"`
}

// DomainSwap is a change of who serves what.
type DomainSwap struct {
	// at is when it was done.
	// +required
	At metav1.Time `json:"at"`

	// moved are the domains that changed hands.
	// +optional
	// +listType=map
	// +listMapKey=host
	// +kubebuilder:validation:MaxItems=50
	Moved []DomainMove `json:"moved,omitempty"`
}

// DomainMove is one domain that changed hands.
type DomainMove struct {
	// host of the domain.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host"`

	// from is the environment that served it before. Empty: nobody.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	From string `json:"from,omitempty"`

	// to is the environment that serves it since. Empty: nobody.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	To string `json:"to,omitempty"`
}
