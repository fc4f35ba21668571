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

// EnvironmentProperty is one environment variable.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.value) && has(self.valueFrom))",message="set value or valueFrom, not both"
// +kubebuilder:validation:XValidation:rule="self.name != 'PORT'",message="PORT is set by Beanpod from processes[].port"
type EnvironmentProperty struct {
	// name of the variable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name"`

	// value, taken literally. Unset and no valueFrom: the empty string.
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Value *string `json:"value,omitempty"`

	// valueFrom takes the value from a Secret or a ConfigMap.
	// +optional
	ValueFrom *PropertySource `json:"valueFrom,omitempty"`
}

// PropertySource is where the value of a property comes from.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretKeyRef) != has(self.configMapKeyRef)",message="set exactly one of secretKeyRef and configMapKeyRef"
type PropertySource struct {
	// secretKeyRef takes one key of a Secret.
	// +optional
	SecretKeyRef *KeyReference `json:"secretKeyRef,omitempty"`

	// configMapKeyRef takes one key of a ConfigMap.
	// +optional
	ConfigMapKeyRef *KeyReference `json:"configMapKeyRef,omitempty"`
}

// SecretChangePolicy says what happens when a referenced Secret or ConfigMap changes.
// +kubebuilder:validation:Enum=Manual;Rollout
type SecretChangePolicy string

// The secret change policies.
const (
	// SecretChangeManual leaves instances alone.
	SecretChangeManual SecretChangePolicy = "Manual"
	// SecretChangeRollout begins a configuration deployment.
	SecretChangeRollout SecretChangePolicy = "Rollout"
)

// Tag is a key and a value.
type Tag struct {
	// key of the tag; keys that begin with "aws:", "elasticbeanstalk:" or "beanpod.dev/" are taken.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=127
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('aws:') && !self.startsWith('elasticbeanstalk:') && !self.startsWith('beanpod.dev/') && !self.startsWith('app.kubernetes.io/')",message="this tag key is reserved"
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.:/=+@]*[A-Za-z0-9])?$`
	Key string `json:"key"`

	// value of the tag; may be empty.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Value string `json:"value,omitempty"`
}

// Notification sends events to somebody.
type Notification struct {
	// type of the receiver: Webhook.
	// +required
	Type NotificationType `json:"type"`

	// urlFrom takes the receiver's address from a Secret, because it usually holds a token.
	// +required
	URLFrom NotificationURLSource `json:"urlFrom"`

	// events to send. Unset: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Events []NotificationEvent `json:"events,omitempty"`
}

// NotificationURLSource is where the address of a receiver comes from.
type NotificationURLSource struct {
	// secretKeyRef takes one key of a Secret.
	// +required
	SecretKeyRef KeyReference `json:"secretKeyRef"`
}

// NotificationType is a kind of receiver.
// +kubebuilder:validation:Enum=Webhook
type NotificationType string

// NotificationEvent is something that a receiver may be told.
// +kubebuilder:validation:Enum=HealthChanged;DeploymentFailed;DeploymentSucceeded
type NotificationEvent string

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

// PodTemplate adds to the pods what no other field covers.
type PodTemplate struct {
	// labels for the pods; keys of beanpod.dev and app.kubernetes.io are refused.
	// +optional
	// +kubebuilder:validation:MaxProperties=50
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.contains('beanpod.dev/') && !k.startsWith('app.kubernetes.io/') && size(k) <= 317)",message="labels of beanpod.dev and app.kubernetes.io are set by Beanpod"
	Labels map[string]MetadataValue `json:"labels,omitempty"`

	// annotations for the pods; keys of beanpod.dev are refused.
	// +optional
	// +kubebuilder:validation:MaxProperties=50
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.contains('beanpod.dev/') && size(k) <= 317)",message="annotations of beanpod.dev are set by Beanpod"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`

	// volumes that the processes may mount.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=20
	Volumes []Volume `json:"volumes,omitempty"`

	// volumeMounts are the same in every process.
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=20
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty"`

	// serviceAccountName runs the pods as an existing ServiceAccount, with its token as that account says.
	// Unset: one of their own, without any right and without a token.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// runAsUser is the numeric user of the processes, never 0. Unset: the image's own, which must not be root.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	RunAsUser *int64 `json:"runAsUser,omitempty"`

	// fsGroup is the group that owns mounted volumes. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	FSGroup *int64 `json:"fsGroup,omitempty"`

	// readOnlyRootFilesystem makes the image's files unwritable. Defaults to false.
	// +optional
	ReadOnlyRootFilesystem *bool `json:"readOnlyRootFilesystem,omitempty"`
}

// MetadataValue is the value of a label.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`
type MetadataValue string

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// Volume is something to mount.
//
// +kubebuilder:validation:XValidation:rule="[has(self.emptyDir), has(self.configMap), has(self.secret), has(self.persistentVolumeClaim)].filter(x, x).size() == 1",message="set exactly one of emptyDir, configMap, secret and persistentVolumeClaim"
type Volume struct {
	// name by which volumeMounts refer to it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// emptyDir is scratch space that lives as long as the instance.
	// +optional
	EmptyDir *EmptyDir `json:"emptyDir,omitempty"`

	// configMap mounts every key of a ConfigMap as a file.
	// +optional
	ConfigMap *LocalReference `json:"configMap,omitempty"`

	// secret mounts every key of a Secret as a file.
	// +optional
	Secret *LocalReference `json:"secret,omitempty"`

	// persistentVolumeClaim mounts an existing claim; all instances share it, so it needs ReadWriteMany or a single instance.
	// +optional
	PersistentVolumeClaim *LocalReference `json:"persistentVolumeClaim,omitempty"`
}

// EmptyDir is scratch space.
type EmptyDir struct {
	// sizeLimit is the most it may hold: 1Gi. Unset: the node decides.
	// +optional
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$`
	SizeLimit string `json:"sizeLimit,omitempty"`

	// medium is Disk (the default) or Memory.
	// +optional
	// +kubebuilder:validation:Enum=Disk;Memory
	Medium string `json:"medium,omitempty"`
}

// VolumeMount is where a volume appears.
type VolumeMount struct {
	// name of the volume.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	Name string `json:"name"`

	// mountPath inside the container.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^/[^:]*$`
	MountPath string `json:"mountPath"`

	// subPath inside the volume. Unset: its root.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	SubPath string `json:"subPath,omitempty"`

	// readOnly mounts it read-only. Defaults to false.
	// +optional
	ReadOnly bool `json:"readOnly,omitempty"`
}

// EnvironmentStatus is what Beanpod found and did.
type EnvironmentStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first pass.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, whose reason is Beanstalk's status word; Available, VersionDeployed, InputsResolved, Applied,
	// FieldsSupported, DatabaseReady; Reconciling, Stalled and Terminating only while true.
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

	// databases that are bound.
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

// PlatformStatusSummary says what platform an environment runs on.
type PlatformStatusSummary struct {
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

	// updateAvailable is a newer version of the branch; empty when there is none.
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
}

// Operations echo verbs.
type Operations struct {
	// restart that was asked for last.
	// +optional
	Restart *Operation `json:"restart,omitempty"`

	// rebuild that was asked for last.
	// +optional
	Rebuild *Operation `json:"rebuild,omitempty"`

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
