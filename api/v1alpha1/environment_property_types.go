// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

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
