// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
