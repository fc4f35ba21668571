// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Application groups versions, saved configurations and environments, and carries the version lifecycle policy.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bapp,categories=beanpod
// +kubebuilder:printcolumn:name="VERSIONS",type=integer,JSONPath=`.status.versions.total`
// +kubebuilder:printcolumn:name="NEWEST",type=string,JSONPath=`.status.versions.newest`
// +kubebuilder:printcolumn:name="READY",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="MESSAGE",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of an Application has at most 63 characters"
type Application struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the user wants.
	// +optional
	Spec ApplicationSpec `json:"spec,omitempty"`

	// status is what Beanpod found.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status ApplicationStatus `json:"status,omitempty"`
}

// ApplicationList is a list of Applications.
//
// +kubebuilder:object:root=true
type ApplicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Application `json:"items"`
}

// ApplicationSpec is what the user wants of an Application.
type ApplicationSpec struct {
	// description is free text for people, at most 200 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Description string `json:"description,omitempty"`

	// versionLifecycle removes old versions. Unset: versions are kept for ever.
	// +optional
	VersionLifecycle *VersionLifecycle `json:"versionLifecycle,omitempty"`
}

// VersionLifecycle says when a version may go. Both rules may be set: a version goes when either says so.
// One that is in use, the newest, and the last good ones of each environment always stay.
//
// +kubebuilder:validation:XValidation:rule="has(self.maxCount) || has(self.maxAgeDays)",message="set maxCount, maxAgeDays or both"
type VersionLifecycle struct {
	// maxCount is how many versions are kept; the newest is not counted. Unset: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxCount *int32 `json:"maxCount,omitempty"`

	// maxAgeDays is how many days a version is kept. Unset: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3650
	MaxAgeDays *int32 `json:"maxAgeDays,omitempty"`

	// keepLastGood is how many successfully deployed versions are kept for each environment, besides those in use. Defaults to 2.
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=20
	KeepLastGood *int32 `json:"keepLastGood,omitempty"`

	// sourceBundle says what happens to the stored artifact of a version that goes: Retain (the default) or Delete.
	// +optional
	// +kubebuilder:default=Retain
	SourceBundle SourceBundlePolicy `json:"sourceBundle,omitempty"`
}

// SourceBundlePolicy says what happens to a stored artifact.
// +kubebuilder:validation:Enum=Retain;Delete
type SourceBundlePolicy string

// The source bundle policies.
const (
	// SourceBundleRetain keeps the stored artifact.
	SourceBundleRetain SourceBundlePolicy = "Retain"
	// SourceBundleDelete deletes it with the version.
	SourceBundleDelete SourceBundlePolicy = "Delete"
)

// ApplicationStatus is what Beanpod found about an Application.
type ApplicationStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first pass.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, VersionsWithinLimit; Reconciling, Stalled and Terminating only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// versions counts the ApplicationVersions of this Application.
	// +optional
	Versions *VersionCounts `json:"versions,omitempty"`

	// environments lists the Environments of this Application by name, at most 50.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=50
	Environments []EnvironmentSummary `json:"environments,omitempty"`
}

// VersionCounts counts versions.
type VersionCounts struct {
	// total is how many there are.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Total int32 `json:"total"`

	// inUse is how many are named or run by an Environment.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	InUse int32 `json:"inUse"`

	// failed is how many failed processing.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Failed int32 `json:"failed"`

	// evictable is how many the version lifecycle would let go.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Evictable int32 `json:"evictable"`

	// newest is the name of the version that was created last.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Newest string `json:"newest,omitempty"`
}

// EnvironmentSummary is one line about an Environment.
type EnvironmentSummary struct {
	// name of the Environment.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// tier of the Environment.
	// +optional
	Tier Tier `json:"tier,omitempty"`

	// version that its instances run; empty before the first deployment.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Version string `json:"version,omitempty"`

	// health is its health status.
	// +optional
	Health HealthStatus `json:"health,omitempty"`
}
