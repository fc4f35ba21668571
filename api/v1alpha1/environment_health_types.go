// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HealthSettings tune how health is judged.
type HealthSettings struct {
	// reporting is Enhanced (the default: graded, with causes) or Basic (the colour only).
	// +optional
	// +kubebuilder:validation:Enum=Basic;Enhanced
	Reporting string `json:"reporting,omitempty"`

	// rules change what a source of trouble counts. Unset: everything counts.
	// +optional
	// +listType=map
	// +listMapKey=source
	// +kubebuilder:validation:MaxItems=10
	Rules []HealthRule `json:"rules,omitempty"`

	// databases says what a database of spec.databases counts that has not run for more than a minute, or that its probe cannot reach:
	// Ignore, Warn (a Warning, however many there are) or Degrade. Unset: Warn for one that does not run by what its provider says, and
	// Info, which keeps the environment green, for one that only the probe cannot reach.
	// +optional
	Databases DatabaseHealth `json:"databases,omitempty"`
}

// DatabaseHealth says what a database counts that does not run or cannot be reached.
// +kubebuilder:validation:Enum=Ignore;Warn;Degrade
type DatabaseHealth string

// What a database counts that does not run or cannot be reached.
const (
	// DatabaseHealthIgnore leaves the health alone.
	DatabaseHealthIgnore DatabaseHealth = "Ignore"
	// DatabaseHealthWarn is a cause of severity Warning.
	DatabaseHealthWarn DatabaseHealth = "Warn"
	// DatabaseHealthDegrade is a cause of severity Degraded.
	DatabaseHealthDegrade DatabaseHealth = "Degrade"
)

// HealthRule changes what a source of trouble counts.
type HealthRule struct {
	// source of trouble: Requests4xx, Requests5xx, Latency or CPU.
	// +required
	// +kubebuilder:validation:Enum=Requests4xx;Requests5xx;Latency;CPU
	Source string `json:"source"`

	// action is Ignore or Count (the default).
	// +optional
	// +kubebuilder:validation:Enum=Ignore;Count
	Action string `json:"action,omitempty"`
}

// HealthStatus is one of Beanstalk's nine words.
// +kubebuilder:validation:Enum=Ok;Info;Warning;Degraded;Severe;Pending;Unknown;NoData;Suspended
type HealthStatus string

// The health statuses, with their colours.
const (
	// HealthOk (Green): all is well.
	HealthOk HealthStatus = "Ok"
	// HealthInfo (Green): something is going on, or a few instances have trouble.
	HealthInfo HealthStatus = "Info"
	// HealthWarning (Yellow): some instances have trouble.
	HealthWarning HealthStatus = "Warning"
	// HealthDegraded (Red): many instances have trouble, or fewer run than the minimum.
	HealthDegraded HealthStatus = "Degraded"
	// HealthSevere (Red): nothing serves.
	HealthSevere HealthStatus = "Severe"
	// HealthPending (Grey): instances are starting, within their time.
	HealthPending HealthStatus = "Pending"
	// HealthUnknown (Grey): there is too little to judge by.
	HealthUnknown HealthStatus = "Unknown"
	// HealthNoData (Grey): nothing is known of the instances.
	HealthNoData HealthStatus = "NoData"
	// HealthSuspended (Grey): nobody looks, because the environment is scaled to zero or being deleted.
	HealthSuspended HealthStatus = "Suspended"
)

// HealthColor is Beanstalk's traffic light.
// +kubebuilder:validation:Enum=Green;Yellow;Red;Grey
type HealthColor string

// The colours.
const (
	// ColorGreen is well.
	ColorGreen HealthColor = "Green"
	// ColorYellow is in some trouble.
	ColorYellow HealthColor = "Yellow"
	// ColorRed is in trouble.
	ColorRed HealthColor = "Red"
	// ColorGrey is not known.
	ColorGrey HealthColor = "Grey"
)

// Health of an environment.
type Health struct {
	// status is one of Ok, Info, Warning, Degraded, Severe, Pending, Unknown, NoData and Suspended.
	// +optional
	Status HealthStatus `json:"status,omitempty"`

	// color follows from the status: Green, Yellow, Red or Grey.
	// +optional
	Color HealthColor `json:"color,omitempty"`

	// since is when the status last changed.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// causes of a status that is not Ok, worst first, at most 10.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Causes []HealthCause `json:"causes,omitempty"`

	// instances counts instances by status.
	// +optional
	Instances InstanceCounts `json:"instances,omitempty"`
}

// HealthCause is why an environment is not Ok.
type HealthCause struct {
	// code is one word that tools may rely on: CrashLoop, ImagePullFailed, Unschedulable, ProbeFailing, BelowMinimum,
	// WrongVersion, ConfigurationError, OutOfMemory, CreationRefused, NodeLost, NotStarted, Restarted, InstanceEnded, Starting,
	// Deploying.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Code string `json:"code"`

	// severity is the status that this cause leads to.
	// +required
	Severity HealthStatus `json:"severity"`

	// message for people, with what to do next.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// count of instances concerned.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Count int32 `json:"count,omitempty"`

	// instances concerned, by name, at most 5.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:items:MaxLength=253
	Instances []string `json:"instances,omitempty"`
}

// InstanceCounts counts instances by status.
type InstanceCounts struct {
	// total is how many instances there are.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Total int32 `json:"total"`

	// ok instances pass their health check.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Ok int32 `json:"ok"`

	// info instances are starting as part of something that goes on.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Info int32 `json:"info"`

	// warning instances restarted not long ago.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Warning int32 `json:"warning"`

	// degraded instances fail their health check.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Degraded int32 `json:"degraded"`

	// severe instances cannot run.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Severe int32 `json:"severe"`

	// pending instances have not started yet.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Pending int32 `json:"pending"`

	// noData instances are on a node that does not answer.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	NoData int32 `json:"noData"`
}
