// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ApplicationVersion is one immutable, labelled iteration of an Application: an image or a source bundle.
// Rolling back is naming an older one in Environment.spec.versionRef.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bver,categories=beanpod
// +kubebuilder:selectablefield:JSONPath=`.spec.applicationRef.name`
// +kubebuilder:printcolumn:name="APPLICATION",type=string,JSONPath=`.spec.applicationRef.name`
// +kubebuilder:printcolumn:name="LABEL",type=string,JSONPath=`.spec.label`
// +kubebuilder:printcolumn:name="STATUS",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="READY",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="RETENTION",type=string,JSONPath=`.status.retention.reason`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="DIGEST",type=string,priority=1,JSONPath=`.status.image.digest`
// +kubebuilder:printcolumn:name="MESSAGE",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of an ApplicationVersion has at most 63 characters"
type ApplicationVersion struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the version. It cannot be changed: make another version instead.
	// +required
	Spec ApplicationVersionSpec `json:"spec"`

	// status is what Beanpod found.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status ApplicationVersionStatus `json:"status,omitempty"`
}

// ApplicationVersionList is a list of ApplicationVersions.
//
// +kubebuilder:object:root=true
type ApplicationVersionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ApplicationVersion `json:"items"`
}

// ApplicationVersionSpec is a version, immutable as a whole.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an ApplicationVersion cannot be changed; create another one and name it in the Environment's spec.versionRef"
type ApplicationVersionSpec struct {
	// applicationRef names the Application that this version belongs to.
	// +required
	ApplicationRef LocalReference `json:"applicationRef"`

	// label is free text for people, unique in the Application, at most 100 characters. Unset: the object's name stands for it.
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Label string `json:"label,omitempty"`

	// source is where the code comes from: exactly one of image and bundle.
	// +required
	Source VersionSource `json:"source"`

	// processes are commands by process name, as in a Procfile: {web: "node server.js"}. A command without shell syntax runs
	// directly; one with shell syntax runs by /bin/sh -c. Unset: a bundle's own Procfile, or the image's own command.
	// +optional
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(k) <= 40)",message="a process name has at most 40 lower-case letters, digits and hyphens, and begins with a letter"
	Processes map[string]ProcessCommand `json:"processes,omitempty"`

	// releaseCommand is leader-only work, for example a database migration. It runs exactly once for each deployment,
	// before any instance changes, whatever the policy; when it fails, nothing has changed.
	// +optional
	ReleaseCommand *ReleaseCommand `json:"releaseCommand,omitempty"`
}

// ProcessCommand is one command line.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
type ProcessCommand string

// VersionSource is where the code of a version comes from.
//
// +kubebuilder:validation:XValidation:rule="has(self.image) != has(self.bundle)",message="set exactly one of source.image and source.bundle"
type VersionSource struct {
	// image is a container image that is ready to run.
	// +optional
	Image *ImageSource `json:"image,omitempty"`

	// bundle is a ZIP, WAR, JAR or tar.gz with source code or a built application, to be run on a platform.
	// +optional
	Bundle *BundleSource `json:"bundle,omitempty"`
}

// ImageSource is a container image.
type ImageSource struct {
	// reference of the image, with a tag or a digest: registry.example/shop:41. A tag is resolved to a digest once,
	// when the version is created, and every deployment uses that digest.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`
	Reference string `json:"reference"`

	// pullSecretRef names a Secret of type kubernetes.io/dockerconfigjson with the registry's credentials. Unset: none.
	// +optional
	PullSecretRef *LocalReference `json:"pullSecretRef,omitempty"`

	// pullPolicy is IfNotPresent (the default) or Never. Never uses only what the node already has: the operator resolves
	// nothing, and the reference is deployed as it is written.
	// +optional
	// +kubebuilder:default=IfNotPresent
	PullPolicy PullPolicy `json:"pullPolicy,omitempty"`
}

// PullPolicy says when a node pulls an image.
// +kubebuilder:validation:Enum=IfNotPresent;Never
type PullPolicy string

// The pull policies.
const (
	// PullIfNotPresent pulls an image that the node does not have.
	PullIfNotPresent PullPolicy = "IfNotPresent"
	// PullNever uses only what the node has.
	PullNever PullPolicy = "Never"
)

// BundleSource is an archive of source code or of a built application.
type BundleSource struct {
	// url of the archive: https://host/path, s3://bucket/key, oci://registry/name:tag, or store://NAME for an uploaded one.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^(https|s3|oci|store)://.+$`
	URL string `json:"url"`

	// sha256 of the archive in lower-case hexadecimal. Unset: whatever the URL gives first is taken and its digest recorded.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[a-f0-9]{64}$`
	SHA256 string `json:"sha256,omitempty"`

	// secretRef names a Secret with the credentials for the URL. Unset: none.
	// +optional
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}

// ReleaseCommand is work that runs exactly once for each deployment.
type ReleaseCommand struct {
	// command and its arguments, run in the version's image with the environment's properties.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=1024
	Command []string `json:"command"`

	// timeoutSeconds is how long it may take, in seconds. Defaults to 600.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}

// ApplicationVersionStatus is what Beanpod found about a version.
type ApplicationVersionStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first pass.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, whose reason is Unprocessed, Processing, Building, Processed or Failed; Reconciling, Stalled and
	// Terminating only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// image is what the reference was resolved to.
	// +optional
	Image *ResolvedImage `json:"image,omitempty"`

	// bundle describes the archive, once it was fetched and checked.
	// +optional
	Bundle *FetchedBundle `json:"bundle,omitempty"`

	// artifacts are built from the bundle, one for each platform version that an environment asks for, newest last; at most 20.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Artifacts []Artifact `json:"artifacts,omitempty"`

	// usedBy lists the Environments that name or run this version, at most 50.
	// +optional
	// +listType=map
	// +listMapKey=environment
	// +kubebuilder:validation:MaxItems=50
	UsedBy []VersionUse `json:"usedBy,omitempty"`

	// failedIn lists the Environments in which a deployment of this version failed, at most 50.
	// +optional
	// +listType=map
	// +listMapKey=environment
	// +kubebuilder:validation:MaxItems=50
	FailedIn []VersionFailure `json:"failedIn,omitempty"`

	// retention says whether the version lifecycle would let this version go, and why.
	// +optional
	Retention *VersionRetention `json:"retention,omitempty"`
}

// ResolvedImage is an image by digest.
type ResolvedImage struct {
	// reference as the spec has it.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Reference string `json:"reference,omitempty"`

	// digest of the image, "sha256:" and 64 hexadecimal digits. Empty with pullPolicy Never.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`
}

// FetchedBundle describes an archive.
type FetchedBundle struct {
	// sha256 of the archive.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256,omitempty"`

	// sizeBytes of the archive.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1099511627776
	SizeBytes int64 `json:"sizeBytes,omitempty"`

	// files is how many files it holds.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000000
	Files int32 `json:"files,omitempty"`

	// warnings about the archive that stopped nothing, at most 20: a wrapping folder that was stripped.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=512
	Warnings []string `json:"warnings,omitempty"`

	// unsupported lists what the bundle asks for in its own files and Beanpod does not do, at most 50:
	// ".ebextensions/10.config: packages".
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=512
	Unsupported []string `json:"unsupported,omitempty"`

	// options are the option settings of the bundle's .ebextensions that have an effect, at most 100: what the environment's spec
	// leaves open is taken from them. Values can be read by whoever reads this object; keep secrets in Secrets.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Options []OptionSetting `json:"options,omitempty"`
}

// OptionSetting is one setting in Beanstalk's terms.
type OptionSetting struct {
	// namespace of the option: aws:autoscaling:asg.
	// +required
	// +kubebuilder:validation:MaxLength=128
	Namespace string `json:"namespace"`

	// name of the option: MinSize.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`

	// value as the bundle has it.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value,omitempty"`
}

// Artifact is what a bundle became on one platform version.
type Artifact struct {
	// platform is the name of the Platform.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Platform string `json:"platform"`

	// branch of the platform.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Branch string `json:"branch"`

	// version of the platform branch.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Version string `json:"version"`

	// state is Building, Retrying (an attempt failed and another one follows), Built or Failed.
	// +optional
	State ArtifactState `json:"state,omitempty"`

	// sha256 of the artifact, once it is built.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256,omitempty"`

	// sizeBytes of the artifact.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1099511627776
	SizeBytes int64 `json:"sizeBytes,omitempty"`

	// processes are the commands by process name: the version's own, else those of the bundle's Procfile, else the
	// platform's start command.
	// +optional
	// +kubebuilder:validation:MaxProperties=10
	Processes map[string]ProcessCommand `json:"processes,omitempty"`

	// release is the leader-only work that the bundle's own files ask for, as a command and its arguments. The version's
	// releaseCommand wins.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=4096
	Release []string `json:"release,omitempty"`

	// postdeploy is true when the bundle has hooks in .platform/hooks/postdeploy, which each instance runs once its application is there.
	// +optional
	Postdeploy bool `json:"postdeploy,omitempty"`

	// image is the artifact as an image by digest, where the operator has a registry for artifacts: runImage with one more layer.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// runImage is what image was made of, as the Platform names it.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	RunImage string `json:"runImage,omitempty"`

	// recipe identifies all that the build was told, its image included. Builds with the same recipe are the same build.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Recipe string `json:"recipe,omitempty"`

	// attempts is how many builds were begun. A failure that may pass by itself is tried at most 5 times.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Attempts int32 `json:"attempts,omitempty"`

	// reason why the last attempt failed, one word; empty when none did. In state Built it is about the image.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message says what failed, or what is waited for, in a sentence.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// failedAt is when the last attempt failed; the next one waits from then.
	// +optional
	FailedAt *metav1.Time `json:"failedAt,omitempty"`

	// logsRef names the ConfigMap with the last lines of the build that failed.
	// +optional
	LogsRef *LocalReference `json:"logsRef,omitempty"`
}

// ArtifactState says how far a build is.
// +kubebuilder:validation:Enum=Building;Retrying;Built;Failed
type ArtifactState string

// The states of an artifact.
const (
	// ArtifactBuilding means that the archive is being fetched or built.
	ArtifactBuilding ArtifactState = "Building"
	// ArtifactRetrying means that an attempt failed for a reason that may pass, and another one follows.
	ArtifactRetrying ArtifactState = "Retrying"
	// ArtifactBuilt means that it is in the store.
	ArtifactBuilt ArtifactState = "Built"
	// ArtifactFailed means that the bundle does not become one on this platform version; nothing is tried again.
	ArtifactFailed ArtifactState = "Failed"
)

// VersionUse names an Environment that uses a version.
type VersionUse struct {
	// environment is the name of the Environment.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Environment string `json:"environment"`
}

// VersionFailure names an Environment in which a version failed.
type VersionFailure struct {
	// environment is the name of the Environment.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Environment string `json:"environment"`

	// reason of the failure, one word.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`
}

// VersionRetention says whether a version may go.
type VersionRetention struct {
	// state is InUse, Kept or Evictable.
	// +required
	State RetentionState `json:"state"`

	// reason in a sentence: "deployed in shop-blue".
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason,omitempty"`
}

// RetentionState says whether the version lifecycle would let a version go.
// +kubebuilder:validation:Enum=InUse;Kept;Evictable
type RetentionState string

// The retention states.
const (
	// RetentionInUse means that an Environment names or runs the version.
	RetentionInUse RetentionState = "InUse"
	// RetentionKept means that no rule lets it go.
	RetentionKept RetentionState = "Kept"
	// RetentionEvictable means that the next sweep deletes it.
	RetentionEvictable RetentionState = "Evictable"
)
