// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

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
