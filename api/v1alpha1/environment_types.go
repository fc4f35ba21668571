// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Environment runs one ApplicationVersion in one tier: load-balanced, scaled, watched, updated batch by batch.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.capacity.desired,statuspath=.status.health.instances.total,selectorpath=.status.selector
// +kubebuilder:resource:shortName=benv,categories=beanpod
// +kubebuilder:selectablefield:JSONPath=`.spec.applicationRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.tier`
// +kubebuilder:selectablefield:JSONPath=`.status.health.color`
// +kubebuilder:printcolumn:name="TIER",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="VERSION",type=string,JSONPath=`.status.deployedVersion.name`
// +kubebuilder:printcolumn:name="STATUS",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="HEALTH",type=string,JSONPath=`.status.health.status`
// +kubebuilder:printcolumn:name="READY",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.url`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="PLATFORM",type=string,priority=1,JSONPath=`.spec.platformRef.name`
// +kubebuilder:printcolumn:name="INSTANCES",type=integer,priority=1,JSONPath=`.status.health.instances.total`
// +kubebuilder:printcolumn:name="SCHEDULE",type=string,priority=1,JSONPath=`.status.capacity.schedule.name`
// +kubebuilder:printcolumn:name="DEPLOYMENT",type=string,priority=1,JSONPath=`.status.deployment.state`
// +kubebuilder:printcolumn:name="MESSAGE",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="the name of an Environment has at most 40 lower-case letters, digits and hyphens, and begins with a letter: it becomes a Service and a host name"
type Environment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the user wants.
	// +required
	Spec EnvironmentSpec `json:"spec"`

	// status is what Beanpod found and did.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status EnvironmentStatus `json:"status,omitempty"`
}

// EnvironmentList is a list of Environments.
//
// +kubebuilder:object:root=true
type EnvironmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Environment `json:"items"`
}

// EnvironmentSpec is what the user wants of an Environment.
//
// +kubebuilder:validation:XValidation:rule="self.tier == 'Worker' || !has(self.worker)",message="worker is allowed only with tier Worker"
// +kubebuilder:validation:XValidation:rule="self.tier == 'WebServer' || !has(self.routing)",message="routing is allowed only with tier WebServer"
type EnvironmentSpec struct {
	// applicationRef names the Application that this environment belongs to. It cannot be changed.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="applicationRef cannot be changed; make another Environment"
	ApplicationRef LocalReference `json:"applicationRef"`

	// versionRef names the ApplicationVersion to run: the one line that a deployment or a rollback changes.
	// Unset: the platform's sample application.
	// +optional
	VersionRef *LocalReference `json:"versionRef,omitempty"`

	// tier is WebServer (answers HTTP), Worker (consumes a queue) or Background (just runs). It cannot be changed.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="tier cannot be changed; make another Environment"
	Tier Tier `json:"tier"`

	// platformRef names the language platform. Needed for versions from a source bundle; unused for images.
	// +optional
	PlatformRef *PlatformReference `json:"platformRef,omitempty"`

	// configurationRef names a saved configuration (ConfigurationTemplate). Settings here win over it. Unset: none.
	// +optional
	ConfigurationRef *LocalReference `json:"configurationRef,omitempty"`

	// paused holds back every change: what runs keeps running, health is still reported. Defaults to false.
	// +optional
	Paused bool `json:"paused,omitempty"`

	// terminationProtection refuses deletion until it is false again. Defaults to false.
	// +optional
	TerminationProtection bool `json:"terminationProtection,omitempty"`

	EnvironmentSettings `json:",inline"`
}

// EnvironmentSettings are the settings that a saved configuration may hold as well.
// None has a default in the schema, so that an unset field lets the saved configuration, the platform and then
// Beanpod's own default decide.
//
// +kubebuilder:validation:XValidation:rule="!has(self.processes) || self.processes.all(p, !has(p.port) || self.processes.exists_one(q, has(q.port) && q.port == p.port))",message="two processes have the same port"
// +kubebuilder:validation:XValidation:rule="!has(self.routing) || !has(self.routing.rules) || !has(self.processes) || self.routing.rules.all(r, self.processes.exists(p, p.name == r.process))",message="a routing rule names a process that is not in processes"
type EnvironmentSettings struct {
	// capacity is how many instances run, how large they are and where. Unset: one instance, small.
	// +optional
	Capacity *Capacity `json:"capacity,omitempty"`

	// deployment says how changes reach the instances.
	// +optional
	Deployment *Deployment `json:"deployment,omitempty"`

	// managedUpdates installs newer platform versions inside a weekly window. Unset: never.
	// +optional
	ManagedUpdates *ManagedUpdates `json:"managedUpdates,omitempty"`

	// environmentProperties become environment variables of every process. Names are unique. PORT is set by Beanpod.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=200
	EnvironmentProperties []EnvironmentProperty `json:"environmentProperties,omitempty"`

	// onSecretChange says what happens when a referenced Secret or ConfigMap changes: Manual (the default; instances see it
	// when they next restart) or Rollout (a configuration deployment begins).
	// +optional
	OnSecretChange SecretChangePolicy `json:"onSecretChange,omitempty"`

	// processes are what runs in each instance. The first is the main one. A process whose name is in the version's
	// processes runs that command in a container of its own; the first without one runs the image's own command; any other
	// is a further port of the first. Unset: one process "web" on port 8080 (WebServer), or one without a port (Background).
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Processes []Process `json:"processes,omitempty"`

	// routing says how requests from outside reach the environment. Only with tier WebServer.
	// +optional
	Routing *Routing `json:"routing,omitempty"`

	// worker is the contract of the queue daemon. Only with tier Worker.
	// +optional
	Worker *Worker `json:"worker,omitempty"`

	// health tunes how health is judged.
	// +optional
	Health *HealthSettings `json:"health,omitempty"`

	// tags are put on everything that is made for this environment: as a label where key and value are legal ones, otherwise
	// as an annotation.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MaxItems=47
	Tags []Tag `json:"tags,omitempty"`

	// notifications tell somebody about health changes and failed deployments. Unset: nobody.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Notifications []Notification `json:"notifications,omitempty"`

	// databases are DatabaseClaims whose coordinates become environment properties. Unset: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Databases []DatabaseBinding `json:"databases,omitempty"`

	// links put another environment's coordinates into an environment property: a web environment gives its URL, a worker
	// its queue. Unset: none.
	// +optional
	// +listType=map
	// +listMapKey=variable
	// +kubebuilder:validation:MaxItems=20
	Links []Link `json:"links,omitempty"`

	// isolation says who inside the cluster may call the instances.
	// +optional
	Isolation *Isolation `json:"isolation,omitempty"`

	// podTemplate adds what no other field covers. What Pod Security "restricted" demands is applied last and wins.
	// +optional
	PodTemplate *PodTemplate `json:"podTemplate,omitempty"`
}

// Tier is what an environment does.
// +kubebuilder:validation:Enum=WebServer;Worker;Background
type Tier string

// The tiers.
const (
	// TierWebServer answers HTTP.
	TierWebServer Tier = "WebServer"
	// TierWorker consumes a queue.
	TierWorker Tier = "Worker"
	// TierBackground just runs: neither load balancer nor queue.
	TierBackground Tier = "Background"
)

// PlatformReference names a branch of a Platform.
type PlatformReference struct {
	// name of the Platform: python.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// branch of the platform: "3.12". Unset: the platform's first supported branch.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Branch string `json:"branch,omitempty"`
}

// DatabaseBinding gives an environment a database.
type DatabaseBinding struct {
	// claimRef names the DatabaseClaim.
	// +required
	ClaimRef LocalReference `json:"claimRef"`

	// variablePrefix of the properties: RDS gives RDS_HOSTNAME, RDS_PORT, RDS_DB_NAME, RDS_USERNAME and RDS_PASSWORD. Defaults to RDS.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Z0-9_]*$`
	VariablePrefix string `json:"variablePrefix,omitempty"`

	// mountPath is a folder of the containers in which the claim's Secret appears too, a file for each key, as servicebinding.io
	// has it: /bindings/shop-db. Unset: variables only.
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$`
	MountPath string `json:"mountPath,omitempty"`
}

// Link puts another environment's coordinates into a property.
type Link struct {
	// variable is the name of the property.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Variable string `json:"variable"`

	// environmentRef names the other environment.
	// +required
	EnvironmentRef LocalReference `json:"environmentRef"`
}

// ManagedUpdates installs newer platform versions by itself.
//
// +kubebuilder:validation:XValidation:rule="!self.enabled || has(self.window)",message="managedUpdates needs a window when it is enabled"
type ManagedUpdates struct {
	// enabled turns them on.
	// +required
	Enabled bool `json:"enabled"`

	// level is Patch or Minor (the default; includes patches).
	// +optional
	Level UpdateLevel `json:"level,omitempty"`

	// window is when an update may begin.
	// +optional
	Window *MaintenanceWindow `json:"window,omitempty"`

	// instanceRefresh replaces all instances every week, update or not. Defaults to false.
	// +optional
	InstanceRefresh *bool `json:"instanceRefresh,omitempty"`
}

// UpdateLevel is how far a managed update may go.
// +kubebuilder:validation:Enum=Patch;Minor
type UpdateLevel string

// The update levels.
const (
	// UpdatePatch changes only the last number of a platform version.
	UpdatePatch UpdateLevel = "Patch"
	// UpdateMinor changes the last two numbers.
	UpdateMinor UpdateLevel = "Minor"
)

// MaintenanceWindow is a span of every week.
type MaintenanceWindow struct {
	// day of the week: Sun, Mon, Tue, Wed, Thu, Fri, Sat.
	// +required
	// +kubebuilder:validation:Enum=Sun;Mon;Tue;Wed;Thu;Fri;Sat
	Day string `json:"day"`

	// start as HH:MM, 24 hours: "03:00".
	// +required
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	Start string `json:"start"`

	// durationMinutes is how long the window is. Defaults to 120.
	// +optional
	// +kubebuilder:validation:Minimum=15
	// +kubebuilder:validation:Maximum=1440
	DurationMinutes *int32 `json:"durationMinutes,omitempty"`

	// timeZone by its IANA name: Asia/Seoul. Defaults to UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}
