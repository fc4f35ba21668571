// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// EnvironmentStatus is what Beanpod found and did.
type EnvironmentStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first pass.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, whose reason is Beanstalk's status word; Available, VersionDeployed, InputsResolved, Applied,
	// FieldsSupported, DatabaseReady, ScalerReady; Reconciling, Stalled and Terminating only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// deployedVersion is the version that all instances run; the last one that they all ran while another is being deployed.
	// +optional
	DeployedVersion *DeployedVersion `json:"deployedVersion,omitempty"`

	// targetVersion is the version that is being deployed or runs.
	// +optional
	TargetVersion *LocalReference `json:"targetVersion,omitempty"`

	// lastGoodVersion is the version that was last deployed with success.
	// +optional
	LastGoodVersion *LocalReference `json:"lastGoodVersion,omitempty"`

	// failedVersions failed to deploy here; a rollback never picks one of them. At most 5.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	FailedVersions []FailedVersion `json:"failedVersions,omitempty"`

	// deployment is the deployment that runs, or the last one.
	// +optional
	Deployment *DeploymentStatus `json:"deployment,omitempty"`

	// history is the last 10 deployments that ended, newest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	History []DeploymentRecord `json:"history,omitempty"`

	// health of the environment and its instances.
	// +optional
	Health *Health `json:"health,omitempty"`

	// capacity is what spec.capacity and its schedules say now; only where there are schedules.
	// +optional
	Capacity *CapacityStatus `json:"capacity,omitempty"`

	// platform that the instances run on.
	// +optional
	Platform *PlatformStatusSummary `json:"platform,omitempty"`

	// url is the private, permanent address of the environment. No swap touches it.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url,omitempty"`

	// domains are shared names that a DomainMap points here.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=253
	Domains []string `json:"domains,omitempty"`

	// queue of a worker environment.
	// +optional
	Queue *QueueStatus `json:"queue,omitempty"`

	// databases that are bound, and those that were until every instance is without them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Databases []BoundDatabase `json:"databases,omitempty"`

	// worker says what only a worker environment has.
	// +optional
	Worker *WorkerStatus `json:"worker,omitempty"`

	// operations echo the tokens of the verbs that were asked for by annotation.
	// +optional
	Operations *Operations `json:"operations,omitempty"`

	// selector of the instances, for the scale subresource.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Selector string `json:"selector,omitempty"`
}

// CapacityStatus is how many instances there may be now, and which schedules say so.
type CapacityStatus struct {
	// min that counts now.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Min int32 `json:"min"`

	// max that counts now.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Max int32 `json:"max"`

	// schedule that came last, and when. Unset: none has come yet.
	// +optional
	Schedule *ScheduleMoment `json:"schedule,omitempty"`

	// next schedule to come, and when. Unset: none will come.
	// +optional
	Next *ScheduleMoment `json:"next,omitempty"`
}

// ScheduleMoment is a schedule and a time at which it comes.
type ScheduleMoment struct {
	// name of the schedule.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// time at which it came, or comes.
	// +required
	Time metav1.Time `json:"time"`
}

// PlatformStatusSummary says what platform an environment runs on.
type PlatformStatusSummary struct {
	// name of the Platform.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// branch of the platform.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Branch string `json:"branch,omitempty"`

	// version of the branch.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Version string `json:"version,omitempty"`

	// state of the branch.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	State string `json:"state,omitempty"`

	// updateAvailable is a newer version of the branch that spec.managedUpdates.level allows; empty when there is none.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	UpdateAvailable string `json:"updateAvailable,omitempty"`
}

// BoundDatabase is a claim that an environment uses.
type BoundDatabase struct {
	// claim is the name of the DatabaseClaim.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Claim string `json:"claim"`

	// secretRef names the Secret with its coordinates.
	// +optional
	SecretRef *LocalReference `json:"secretRef,omitempty"`

	// secretResourceVersion is the version of the Secret that all instances run with, those that are going away included: nothing needs
	// an older password any more. Unset until the first deployment with it is done.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SecretResourceVersion string `json:"secretResourceVersion,omitempty"`
}

// Operations echo verbs.
type Operations struct {
	// restart that was asked for last.
	// +optional
	Restart *Operation `json:"restart,omitempty"`

	// rebuild that was asked for last.
	// +optional
	Rebuild *Operation `json:"rebuild,omitempty"`

	// update of the platform version that was asked for last.
	// +optional
	Update *Operation `json:"update,omitempty"`

	// abort that was asked for last.
	// +optional
	Abort *Operation `json:"abort,omitempty"`
}

// Operation is one verb.
type Operation struct {
	// token of the annotation.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Token string `json:"token"`

	// completed is true once the verb is done.
	// +optional
	Completed bool `json:"completed"`

	// message says what is left to do, or why nothing is done.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// DeployedVersion is a version and what was really run of it.
type DeployedVersion struct {
	// name of the ApplicationVersion.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// digest of the image; empty where the node's own image is used.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`
}
