// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package settings merges the layers of an Environment (operator defaults, platform, saved configuration, the
// Environment's own spec) into effective Settings and hashes what must restart instances. Pure; internal/inputs fills Layers,
// the environment controller calls Resolve, and every later stage reads Settings.
package settings

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Operator is what the installation decides for every Environment.
type Operator struct {
	// BaseDomain is the domain under which every environment gets its permanent name; empty: no names outside the cluster.
	BaseDomain string
	// IngressClassName is used where an Environment names none; empty: the cluster's default class.
	IngressClassName string
	// Gateway is used where an Environment names none; nil: Ingress is used.
	Gateway *v1alpha1.GatewayReference
	// GatewayAPI is true when the cluster serves HTTPRoute.
	GatewayAPI bool
	// KEDA is true when the cluster serves ScaledObject.
	KEDA bool
	// TrustedCIDRs may always reach instances: the addresses of ingress controllers on the host's network.
	TrustedCIDRs []string
	// BundleImage is the operator's own: it holds /bundle, which fetches, builds and installs source bundles, and /workerd; StoreURL is where pods reach the store. When one
	// is empty, source bundles are not deployed.
	BundleImage, StoreURL string
	// Registry is where artifacts become images; the zero value: nowhere, instances install them.
	Registry Registry
	// BuildDeniedCIDRs are addresses that builds cannot reach, besides the store; nil: private and link-local ones. FetchAllowedCIDRs
	// may be fetched from although they are in the cluster.
	BuildDeniedCIDRs, FetchAllowedCIDRs []string
	// Queue is the URL of the NATS servers, or of the SQS endpoint, on which queues are generated; empty: none is.
	Queue string
	// QueueMonitoring is the URL of the HTTP monitoring endpoint of those servers, which KEDA asks; empty: not known.
	QueueMonitoring string
	// Namespace of the operator, which may ask worker daemons; empty: nobody may.
	Namespace string
}

// Registry is where artifacts become images.
type Registry struct {
	// Prefix of the repositories: registry.example.com/team. Empty: there is no registry.
	Prefix string
	// PullSecret names a Secret in the namespace of instances with which nodes pull; empty: nodes need none, or the service account has it.
	PullSecret string
}

// Bundles says whether source bundles can be deployed.
func (o Operator) Bundles() bool { return o.BundleImage != "" && o.StoreURL != "" }

// privateCIDRs are private networks, where clusters have their pods, Services and API servers, and link-local addresses, where clouds
// serve credentials.
var privateCIDRs = []string{"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"}

// DeniedToBuilds are the addresses that builds cannot reach.
func (o Operator) DeniedToBuilds() []string {
	if o.BuildDeniedCIDRs == nil {
		return privateCIDRs
	}
	return o.BuildDeniedCIDRs
}

// Layers are the inputs of Resolve. Environment is required; the others may be nil when they could not be loaded, and
// then the Settings that depend on them are empty.
type Layers struct {
	Operator    Operator
	Environment *v1alpha1.Environment
	Version     *v1alpha1.ApplicationVersion
	// Platform that spec.platformRef leads to.
	Platform *Platform
	// Checked are the Secrets and ConfigMaps that were looked at.
	Checked []CheckedInput
	// Links are the Environments that spec.links names, by name.
	Links map[string]*v1alpha1.Environment
	// Databases are the claims that spec.databases names, by name.
	Databases map[string]Claim
	// At is the time for which schedules count; zero: none counts.
	At time.Time
	// Restart and Rebuild are the tokens that the running instances were made for. They stand in for an annotation that was
	// removed, so that removing it does nothing.
	Restart, Rebuild string
}

// CheckedInput is a Secret or ConfigMap whose keys were found.
type CheckedInput struct {
	// Kind is "secret" or "configmap".
	Kind, Name string
	// ResourceVersion that was looked at.
	ResourceVersion string
	// Digest of the values of the keys that the Environment uses.
	Digest string
}

// Settings are the effective settings of one Environment.
type Settings struct {
	Name, Namespace string
	UID             types.UID
	Application     string
	Tier            v1alpha1.Tier

	// Version is what to run.
	Version Version
	// Platform that it runs on; the zero value when none is named. An image runs on none, but gets its properties.
	Platform Platform
	// Processes that run in each instance; the first is the main one.
	Processes []Process
	// Properties, ordered by name; those of the platform included.
	Properties []v1alpha1.EnvironmentProperty
	// Links are the variables that tell of other Environments, ordered by name.
	Links []LinkVariable
	// Databases that instances know, ordered by prefix. BindingRoot is the folder that all mounted ones are in; empty: nothing tells of it.
	Databases   []Database
	BindingRoot string
	// Worker is nil for other tiers.
	Worker *Worker

	// Min and Max instances; Desired is the fixed number when Scaler is ScalerNone, else how many a new set begins with.
	Min, Max, Desired int32
	// Schedules say what Min and Max are from, and until when; the zero value where there are none.
	Schedules Schedules
	// Scaler that owns the number of instances; Depth is for those that look at a queue.
	Scaler Scaler
	Depth  Depth
	// KEDA are the triggers of the ScaledObject; nil unless KEDA scales.
	KEDA      []KEDATrigger
	Resources v1alpha1.Resources
	Placement Placement

	// VersionRollout is how version changes reach the instances, ConfigurationRollout how changes of settings do.
	VersionRollout, ConfigurationRollout Rollout

	Routing   Routing
	Isolation Isolation
	Pod       v1alpha1.PodTemplate
	// TagLabels and TagAnnotations are the tags, by where they fit.
	TagLabels, TagAnnotations map[string]string
	// BasicHealth is true when only the colour is reported.
	BasicHealth bool
	// DatabaseHealth is the severity of a database that does not run; empty: it counts nothing.
	DatabaseHealth v1alpha1.HealthStatus
	// UnreachableHealth is the severity of a database that only its probe cannot reach; empty: it counts nothing.
	UnreachableHealth v1alpha1.HealthStatus

	// RestartToken and RebuildToken are the verbs that were asked for; empty when none was.
	RestartToken, RebuildToken string
	// Inputs records what was checked, for an annotation.
	Inputs string

	// Configuration hashes the settings that must restart instances; Change hashes these and the version; Revision hashes these
	// and the restart token.
	Configuration, Change, Revision string
	// Unsupported lists the fields that are set but have no effect in this release.
	Unsupported []string
}

// Version is what to run.
type Version struct {
	// Name of the ApplicationVersion; empty when it could not be loaded.
	Name string
	// Image to run: by digest, or as written where the node's own is used.
	Image string
	// Digest of the image; empty where the node's own is used.
	Digest string
	// PullNever uses only what the node has.
	PullNever bool
	// PullSecret names the Secret with the registry's credentials; empty: none.
	PullSecret string
	// Release is the command that runs once before a deployment changes anything; nil: none. ReleaseSeconds is its time.
	Release        []string
	ReleaseSeconds int32
	// Artifact is what a source bundle became, for the platform version of Settings; nil for an image.
	Artifact *Artifact
}

// Artifact is an application that is installed into each instance before it starts.
type Artifact struct {
	// SHA256 in hexadecimal.
	SHA256 string
	// Platform is the Platform's Key, Stamp what began its last update. Request is the last update that was asked for and acted on; it
	// is part of no hash.
	Platform, Stamp, Request string
	// Postdeploy says whether instances run hooks once the application is there. It is part of the artifact, and so of no hash.
	Postdeploy bool
	// InstallerImage holds /bundle, StoreURL is where it asks. They are not part of any hash: an operator that comes with others
	// restarts nothing.
	InstallerImage, StoreURL string
	// Image is the run image with the artifact in it, which nodes pull with PullSecret; empty: instances install it. They are not part of
	// any hash either.
	Image, PullSecret string
}

// Process is one container of an instance.
type Process struct {
	Name string
	// Command to run; nil: the image's own.
	Command []string
	// Port is 0 when it listens on none.
	Port int32
	// ExtraPorts are further processes of the Environment that are only ports of this one.
	ExtraPorts []Port
	Health     Health
	// DrainSeconds before SIGTERM.
	DrainSeconds int32
}

// Port is a named port.
type Port struct {
	Name string
	Port int32
}

// Health is how one process is checked.
type Health struct {
	// Path is empty when an accepted connection is enough.
	Path                                                                  string
	IntervalSeconds, TimeoutSeconds, HealthyThreshold, UnhealthyThreshold int32
}

// Scaler is what owns the number of instances.
type Scaler string

// The scalers.
const (
	// ScalerNone: the number is ours.
	ScalerNone Scaler = "None"
	// ScalerHPA: the HorizontalPodAutoscaler's.
	ScalerHPA Scaler = "HPA"
	// ScalerBuiltIn: ours too, by the depth of the queue.
	ScalerBuiltIn Scaler = "BuiltIn"
	// ScalerKEDA: KEDA's.
	ScalerKEDA Scaler = "KEDA"
)

// Placement is where instances run and what makes their number change.
type Placement struct {
	Spread                        bool
	Architecture                  string
	NodeSelector                  map[string]string
	Tolerations                   []v1alpha1.Toleration
	Triggers                      []v1alpha1.ScalingTrigger
	ScaleDownStabilizationSeconds int32
}

// Rollout is a deployment policy with all its parameters.
type Rollout struct {
	Policy         v1alpha1.DeploymentPolicy
	BatchSize      intstr.IntOrString
	GateSeconds    int32
	MinStatus      v1alpha1.HealthStatus
	TimeoutSeconds int32
	// HoldSeconds that the old instances stay after the switch, with policies that start a second set.
	HoldSeconds int32
	// Percent of the requests for the new instances during EvaluationSeconds, with policy TrafficSplitting.
	Percent, EvaluationSeconds int32
	OnFailure                  v1alpha1.FailurePolicy
}

// Routing is how requests from outside arrive.
type Routing struct {
	// Type is Ingress, Gateway or None; Auto is decided.
	Type v1alpha1.RoutingType
	// Host is empty with type None.
	Host             string
	IngressClassName string
	Gateway          *v1alpha1.GatewayReference
	TLS              *v1alpha1.TLS
	Rules            []v1alpha1.RoutingRule
	// URL is the permanent address, inside the cluster when there is no host; empty for tiers that answer nothing.
	URL string
	// Missing says in a sentence why a wanted route is not made; empty when none is missing.
	Missing string
}

// Isolation is who may call.
type Isolation struct {
	Open      bool
	Group     string
	AllowFrom []string
	Trusted   []string
	// Operator is the namespace of the operator; empty: not known.
	Operator string
}
