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
