// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Deployment says how changes reach the instances.
type Deployment struct {
	// version is used when the version changes.
	// +optional
	Version *DeploymentSettings `json:"version,omitempty"`

	// configuration is used when only settings change, and for restarts. Fields that are unset are taken from version.
	// +optional
	Configuration *DeploymentSettings `json:"configuration,omitempty"`
}

// DeploymentSettings are a policy and its parameters.
//
// +kubebuilder:validation:XValidation:rule="!has(self.trafficSplitting) || !has(self.policy) || self.policy == 'TrafficSplitting'",message="trafficSplitting is allowed only with policy TrafficSplitting"
type DeploymentSettings struct {
	// policy is AllAtOnce, Rolling, RollingWithAdditionalBatch (the default), Immutable or TrafficSplitting.
	// +optional
	Policy DeploymentPolicy `json:"policy,omitempty"`

	// batchSize is how many instances change at a time: a count, or a percentage of the instances, rounded up, at least one.
	// Defaults to 30%. (The EB CLI's default; the AWS API's own is AllAtOnce.)
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == string ? self.matches('^([1-9][0-9]?|100)%$') : (self >= 1 && self <= 10000)",message="batchSize is a count from 1 to 10000 or a percentage from 1% to 100%"
	BatchSize *intstr.IntOrString `json:"batchSize,omitempty"`

	// healthGate is what a new instance must pass before it counts.
	// +optional
	HealthGate *HealthGate `json:"healthGate,omitempty"`

	// trafficSplitting is how much traffic the new version gets, and for how long. Only with policy TrafficSplitting.
	// +optional
	TrafficSplitting *TrafficSplitting `json:"trafficSplitting,omitempty"`

	// holdSeconds is how long the old instances stay, without requests, after all requests went to the new ones, so that going
	// back takes one write. Only with policies Immutable and TrafficSplitting. Defaults to 30.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	HoldSeconds *int32 `json:"holdSeconds,omitempty"`

	// timeoutSeconds is how long one batch may take. Defaults to 600.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=7200
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onFailure is Rollback (the default: what last ran well comes back, the spec is not edited), Pause (stop and wait for
	// somebody) or Ignore (go on with the next batch after the time of each, as Beanstalk's IgnoreHealthCheck).
	// +optional
	OnFailure FailurePolicy `json:"onFailure,omitempty"`
}

// DeploymentPolicy is how instances are replaced.
// +kubebuilder:validation:Enum=AllAtOnce;Rolling;RollingWithAdditionalBatch;Immutable;TrafficSplitting
type DeploymentPolicy string

// The deployment policies.
const (
	// PolicyAllAtOnce replaces all instances at once; nothing serves meanwhile.
	PolicyAllAtOnce DeploymentPolicy = "AllAtOnce"
	// PolicyRolling replaces batch by batch; a batch less serves meanwhile. A single instance is replaced by starting its successor first.
	PolicyRolling DeploymentPolicy = "Rolling"
	// PolicyRollingWithAdditionalBatch starts an extra batch first; full capacity serves all the time.
	PolicyRollingWithAdditionalBatch DeploymentPolicy = "RollingWithAdditionalBatch"
	// PolicyImmutable starts a second set, proves it, and switches to it in one write.
	PolicyImmutable DeploymentPolicy = "Immutable"
	// PolicyTrafficSplitting starts a second set and sends it a share of the traffic first.
	PolicyTrafficSplitting DeploymentPolicy = "TrafficSplitting"
)

// FailurePolicy says what happens when a deployment fails.
// +kubebuilder:validation:Enum=Rollback;Pause;Ignore
type FailurePolicy string

// The failure policies.
const (
	// OnFailureRollback returns to the last good version.
	OnFailureRollback FailurePolicy = "Rollback"
	// OnFailurePause stops where it is.
	OnFailurePause FailurePolicy = "Pause"
	// OnFailureIgnore goes on with the next batch.
	OnFailureIgnore FailurePolicy = "Ignore"
)

// HealthGate is what a new instance must pass before it counts.
type HealthGate struct {
	// minStatus is the worst health status that passes: Ok (the default), Info, Warning, Degraded or Severe.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self in ['Ok', 'Info', 'Warning', 'Degraded', 'Severe']",message="minStatus is Ok, Info, Warning, Degraded or Severe"
	MinStatus HealthStatus `json:"minStatus,omitempty"`

	// seconds is how long an instance must be healthy without one failure. Defaults to 30, for workers to 60.
	// (Beanstalk: 12 passes in 120 seconds, for workers 18 in 180.)
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	Seconds *int32 `json:"seconds,omitempty"`
}

// TrafficSplitting sends the new version a share of the traffic first.
type TrafficSplitting struct {
	// percent of the traffic for the new version. Defaults to 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`

	// evaluationSeconds is how long, with health watched, before it gets all. Defaults to 300.
	// +optional
	// +kubebuilder:validation:Minimum=3
	// +kubebuilder:validation:Maximum=36000
	EvaluationSeconds *int32 `json:"evaluationSeconds,omitempty"`
}

// DeploymentType says why a deployment happened.
// +kubebuilder:validation:Enum=Version;Configuration;PlatformUpdate;Restart;Rebuild
type DeploymentType string

// The deployment types.
const (
	// DeploymentVersion changes the version.
	DeploymentVersion DeploymentType = "Version"
	// DeploymentConfiguration changes settings only.
	DeploymentConfiguration DeploymentType = "Configuration"
	// DeploymentPlatformUpdate changes the platform version.
	DeploymentPlatformUpdate DeploymentType = "PlatformUpdate"
	// DeploymentRestart changes nothing.
	DeploymentRestart DeploymentType = "Restart"
	// DeploymentRebuild makes everything again.
	DeploymentRebuild DeploymentType = "Rebuild"
)

// DeploymentState is how far a deployment is.
// +kubebuilder:validation:Enum=InProgress;Succeeded;Failed;Aborted;Superseded
type DeploymentState string

// The deployment states.
const (
	// DeploymentInProgress means that it runs.
	DeploymentInProgress DeploymentState = "InProgress"
	// DeploymentSucceeded means that all instances are new and healthy.
	DeploymentSucceeded DeploymentState = "Succeeded"
	// DeploymentFailed means that it failed; its reason says why, and its message what runs now.
	DeploymentFailed DeploymentState = "Failed"
	// DeploymentAborted means that somebody asked for its end by annotation.
	DeploymentAborted DeploymentState = "Aborted"
	// DeploymentSuperseded means that a newer change took over before it ended.
	DeploymentSuperseded DeploymentState = "Superseded"
)

// DeploymentStatus is the deployment that runs, or the last one.
type DeploymentStatus struct {
	// id counts deployments of this environment, from 1.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740991
	ID int64 `json:"id"`

	// type says why it happened.
	// +optional
	Type DeploymentType `json:"type,omitempty"`

	// policy that is used.
	// +optional
	Policy DeploymentPolicy `json:"policy,omitempty"`

	// state is InProgress (also while what last ran well comes back), Succeeded, Failed, Aborted or Superseded.
	// +optional
	State DeploymentState `json:"state,omitempty"`

	// reason of a failure, one word: TimedOut, InstancesCrashed, HealthBelowMinimum, ReleaseCommandFailed or Aborted.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// updated is how many instances are new and healthy.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Updated int32 `json:"updated"`

	// desired is how many there should be.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Desired int32 `json:"desired"`

	// peak is the largest number of instances that exist at a time while it runs, old and new ones together.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=200000
	Peak int32 `json:"peak,omitempty"`

	// trafficPercent is the share of the requests that the new instances get, with policy TrafficSplitting while it evaluates.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	TrafficPercent int32 `json:"trafficPercent,omitempty"`

	// logsRef names the ConfigMap with what a failed deployment left: reasons and last lines of logs.
	// +optional
	LogsRef *LocalReference `json:"logsRef,omitempty"`

	// startedAt is when it began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// finishedAt is when it ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// deadline is when the batch that runs times out.
	// +optional
	Deadline *metav1.Time `json:"deadline,omitempty"`

	// message for people: "2 of 4 instances updated".
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// DeploymentRecord is a deployment that ended.
type DeploymentRecord struct {
	// id of the deployment.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740991
	ID int64 `json:"id"`

	// type says why it happened.
	// +optional
	Type DeploymentType `json:"type,omitempty"`

	// version that it deployed.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Version string `json:"version,omitempty"`

	// policy that was used.
	// +optional
	Policy DeploymentPolicy `json:"policy,omitempty"`

	// result is Succeeded, Failed, Aborted or Superseded.
	// +optional
	Result DeploymentState `json:"result,omitempty"`

	// reason of a failure, one word.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// startedAt is when it began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// finishedAt is when it ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// durationSeconds is how long it took, in seconds.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740991
	DurationSeconds int64 `json:"durationSeconds,omitempty"`

	// logsRef names the ConfigMap with what a failed deployment left: reasons and last lines of logs.
	// +optional
	LogsRef *LocalReference `json:"logsRef,omitempty"`
}

// FailedVersion is a version that failed to deploy here.
type FailedVersion struct {
	// name of the ApplicationVersion.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// reason of the failure, one word.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`
}
