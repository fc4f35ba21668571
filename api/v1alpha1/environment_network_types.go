// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Process is something that runs in each instance, and the port it listens on.
type Process struct {
	// name of the process: the Procfile's, or web. No two hyphens in a row, because it also names a port.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[a-z](-?[a-z0-9])*$`
	Name string `json:"name"`

	// port that it listens on; also given to it as PORT. At least 1024, because it does not run as root. Unset: 8080 for the
	// first process of a WebServer, none otherwise.
	// +optional
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`

	// healthCheck says when an instance is healthy. Unset: when the port accepts a connection.
	// +optional
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`

	// drainSeconds is how long an instance that goes away still answers, so that every router has forgotten it. Defaults to 20.
	// The process gets SIGTERM after that, and 30 seconds more to end.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	DrainSeconds *int32 `json:"drainSeconds,omitempty"`
}

// HealthCheck says when an instance is healthy.
type HealthCheck struct {
	// path that must answer with a status from 200 to 399: /healthz. Unset: an accepted connection is enough.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/[^\s]*$`
	Path string `json:"path,omitempty"`

	// intervalSeconds between two checks. Defaults to 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=300
	IntervalSeconds *int32 `json:"intervalSeconds,omitempty"`

	// timeoutSeconds for one check. Defaults to 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// healthyThreshold is how many passes in a row make an instance healthy. Defaults to 3.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	HealthyThreshold *int32 `json:"healthyThreshold,omitempty"`

	// unhealthyThreshold is how many failures in a row make it unhealthy. Defaults to 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	UnhealthyThreshold *int32 `json:"unhealthyThreshold,omitempty"`
}

// Routing says how requests from outside reach the environment.
//
// +kubebuilder:validation:XValidation:rule="!has(self.gatewayRef) || !has(self.type) || self.type in ['Auto', 'Gateway']",message="gatewayRef is allowed only with routing.type Gateway or Auto"
// +kubebuilder:validation:XValidation:rule="!has(self.ingressClassName) || !has(self.type) || self.type in ['Auto', 'Ingress']",message="ingressClassName is allowed only with routing.type Ingress or Auto"
// +kubebuilder:validation:XValidation:rule="!(has(self.gatewayRef) && has(self.ingressClassName))",message="set gatewayRef or ingressClassName, not both"
type Routing struct {
	// type is Auto (the default), Gateway, Ingress or None. Auto takes gatewayRef, else ingressClassName, else the operator's
	// default Gateway if it has one, else an Ingress.
	// +optional
	Type RoutingType `json:"type,omitempty"`

	// ingressClassName of the Ingress. Unset: the operator's, else the cluster's default class.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	IngressClassName string `json:"ingressClassName,omitempty"`

	// gatewayRef names the Gateway that the HTTPRoute attaches to. Unset: the operator's default one.
	// +optional
	GatewayRef *GatewayReference `json:"gatewayRef,omitempty"`

	// scheme is Public (the default) or Internal: reachable only inside the cluster, by its Service.
	// +optional
	Scheme RoutingScheme `json:"scheme,omitempty"`

	// tls serves HTTPS. Unset: HTTP. On a Gateway the listener owns the certificate, and tls here only makes the URL https.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// rules send paths to processes; the longest path wins. Unset, or for other paths: the first process.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Rules []RoutingRule `json:"rules,omitempty"`
}

// RoutingType is how requests from outside arrive.
// +kubebuilder:validation:Enum=Auto;Gateway;Ingress;None
type RoutingType string

// The routing types.
const (
	// RoutingAuto picks Gateway or Ingress.
	RoutingAuto RoutingType = "Auto"
	// RoutingGateway makes an HTTPRoute.
	RoutingGateway RoutingType = "Gateway"
	// RoutingIngress makes an Ingress.
	RoutingIngress RoutingType = "Ingress"
	// RoutingNone makes neither.
	RoutingNone RoutingType = "None"
)

// RoutingScheme is who may reach the environment.
// +kubebuilder:validation:Enum=Public;Internal
type RoutingScheme string

// The routing schemes.
const (
	// SchemePublic is reachable from outside.
	SchemePublic RoutingScheme = "Public"
	// SchemeInternal is reachable only inside the cluster.
	SchemeInternal RoutingScheme = "Internal"
)

// GatewayReference names a Gateway. It is the one reference that may cross namespaces: the Gateway's listener says who may attach.
type GatewayReference struct {
	// name of the Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`

	// namespace of the Gateway. Unset: that of the object that names it.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`

	// sectionName is the listener. Unset: all that accept the host.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	SectionName string `json:"sectionName,omitempty"`
}

// TLS serves HTTPS.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretName) != has(self.issuerRef)",message="set exactly one of tls.secretName and tls.issuerRef"
type TLS struct {
	// secretName is a Secret of type kubernetes.io/tls.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	SecretName string `json:"secretName,omitempty"`

	// issuerRef names a cert-manager issuer, which keeps a certificate for the environment's name.
	// +optional
	IssuerRef *IssuerReference `json:"issuerRef,omitempty"`
}

// IssuerReference names a cert-manager issuer.
type IssuerReference struct {
	// name of the issuer.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`

	// kind is Issuer or ClusterIssuer (the default).
	// +optional
	// +kubebuilder:validation:Enum=Issuer;ClusterIssuer
	Kind string `json:"kind,omitempty"`
}

// RoutingRule sends a path to a process.
type RoutingRule struct {
	// path that requests begin with, or are equal to: /api.
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^/[^\s]*$`
	Path string `json:"path"`

	// pathType is Prefix (the default; whole path elements) or Exact.
	// +optional
	// +kubebuilder:validation:Enum=Prefix;Exact
	PathType string `json:"pathType,omitempty"`

	// process that answers.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	Process string `json:"process"`
}

// Isolation says who inside the cluster may call the instances.
type Isolation struct {
	// ingress is SameGroup (the default): no other environment's instances may call, except those of the same group and
	// those in allowFrom; or Open: everybody may. What is not an environment of Beanpod, such as an ingress controller, may always call.
	// +optional
	Ingress IsolationPolicy `json:"ingress,omitempty"`

	// group of environments in this namespace that may call each other. Defaults to the name of the Application.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Group string `json:"group,omitempty"`

	// allowFrom are further environments of this namespace that may call. Unset: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	AllowFrom []AllowedCaller `json:"allowFrom,omitempty"`
}

// AllowedCaller is an environment that may call another.
type AllowedCaller struct {
	// environmentRef names the environment.
	// +required
	EnvironmentRef LocalReference `json:"environmentRef"`
}

// IsolationPolicy is who may call.
// +kubebuilder:validation:Enum=SameGroup;Open
type IsolationPolicy string

// The isolation policies.
const (
	// IsolationSameGroup lets environments of the same group call.
	IsolationSameGroup IsolationPolicy = "SameGroup"
	// IsolationOpen lets everybody call.
	IsolationOpen IsolationPolicy = "Open"
)
