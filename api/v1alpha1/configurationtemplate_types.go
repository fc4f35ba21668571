// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ConfigurationTemplate is a saved configuration: settings that several Environments of one Application share.
// An Environment names it in spec.configurationRef; whatever the Environment sets itself wins over it, field by field.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bcfg,categories=beanpod
// +kubebuilder:selectablefield:JSONPath=`.spec.applicationRef.name`
// +kubebuilder:printcolumn:name="APPLICATION",type=string,JSONPath=`.spec.applicationRef.name`
// +kubebuilder:printcolumn:name="UNSUPPORTED",type=integer,JSONPath=`.status.import.unsupported`
// +kubebuilder:printcolumn:name="READY",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="DESCRIPTION",type=string,priority=1,JSONPath=`.spec.description`
// +kubebuilder:printcolumn:name="MESSAGE",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a ConfigurationTemplate has at most 63 characters"
type ConfigurationTemplate struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the saved configuration.
	// +required
	Spec ConfigurationTemplateSpec `json:"spec"`

	// status is what Beanpod found.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status ConfigurationTemplateStatus `json:"status,omitempty"`
}

// ConfigurationTemplateList is a list of ConfigurationTemplates.
//
// +kubebuilder:object:root=true
type ConfigurationTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ConfigurationTemplate `json:"items"`
}

// ConfigurationTemplateSpec is a saved configuration, either written by hand or brought from Elastic Beanstalk.
//
// The rule spells the field __import__ because import is a reserved word of CEL.
//
// +kubebuilder:validation:XValidation:rule="has(self.settings) != has(self.__import__)",message="set exactly one of settings and import"
type ConfigurationTemplateSpec struct {
	// description is free text for people, at most 200 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Description string `json:"description,omitempty"`

	// applicationRef names the Application whose Environments may use this configuration. It cannot be changed.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="applicationRef cannot be changed; create another ConfigurationTemplate for the other Application"
	ApplicationRef LocalReference `json:"applicationRef"`

	// settings are the same groups of fields as in an Environment's spec. A field that is unset here leaves the platform's
	// or the operator's default in force.
	// +optional
	Settings *EnvironmentSettings `json:"settings,omitempty"`

	// import is a saved configuration of Elastic Beanstalk. Beanpod translates what it can into settings and says in
	// status.import what became of every option.
	// +optional
	Import *ConfigurationImport `json:"import,omitempty"`
}

// ConfigurationImport is a saved configuration of Elastic Beanstalk, kept as it came.
type ConfigurationImport struct {
	// savedConfiguration is the whole file that "eb config get" downloads, YAML with OptionSettings in it, at most 64 KiB.
	// It is never rewritten, so the file stays the one source in Git:
	// "AWSConfigurationTemplateVersion: 1.1.0.0\nOptionSettings:\n  aws:autoscaling:asg:\n    MaxSize: '4'\n".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	SavedConfiguration string `json:"savedConfiguration"`

	// onUnsupported says what happens to an option that has no counterpart: Report (the default) uses the rest and lists it
	// in status; Reject makes the whole configuration unusable, so that no Environment runs with less than it asked for.
	// +optional
	// +kubebuilder:default=Report
	OnUnsupported UnsupportedPolicy `json:"onUnsupported,omitempty"`
}

// UnsupportedPolicy says what happens to an imported option that has no counterpart.
// +kubebuilder:validation:Enum=Report;Reject
type UnsupportedPolicy string

// The policies for unsupported options.
const (
	// UnsupportedReport uses the other options and lists this one in status.
	UnsupportedReport UnsupportedPolicy = "Report"
	// UnsupportedReject makes the whole configuration unusable.
	UnsupportedReject UnsupportedPolicy = "Reject"
)

// ConfigurationTemplateStatus is what Beanpod found about a saved configuration.
type ConfigurationTemplateStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first pass.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, which is True when an Environment can use the configuration; Reconciling, Stalled and Terminating
	// only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// import says what became of every option of spec.import. Unset with spec.settings.
	// +optional
	Import *ConfigurationImportResult `json:"import,omitempty"`

	// usedBy lists the Environments that name this configuration, at most 50.
	// +optional
	// +listType=map
	// +listMapKey=environment
	// +kubebuilder:validation:MaxItems=50
	UsedBy []ConfigurationUse `json:"usedBy,omitempty"`
}

// ConfigurationImportResult says what became of an imported configuration.
type ConfigurationImportResult struct {
	// mapped is how many options became settings.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65536
	Mapped int32 `json:"mapped"`

	// ignored is how many options have no meaning outside AWS, or hold the value that they would have anyway.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65536
	Ignored int32 `json:"ignored"`

	// unsupported is how many options ask for something that Beanpod does not do.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65536
	Unsupported int32 `json:"unsupported"`

	// options lists them one by one, the unsupported ones first, at most 512; the counts above are of all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	Options []ImportedOption `json:"options,omitempty"`
}

// ImportedOption says what became of one option setting.
type ImportedOption struct {
	// namespace of the option: aws:autoscaling:asg.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Namespace string `json:"namespace"`

	// name of the option: MaxSize.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`

	// resource is the resource name of a repeatable option, for example the name of a scheduled action.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Resource string `json:"resource,omitempty"`

	// outcome is Mapped, Ignored or Unsupported.
	// +required
	Outcome ImportOutcome `json:"outcome"`

	// field is where the value went, as a path below an Environment's spec: capacity.max. Empty unless outcome is Mapped.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Field string `json:"field,omitempty"`

	// message says why, and what to do instead, in a sentence. It never repeats the value, which may be a secret.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}

// ImportOutcome says what became of an imported option.
// +kubebuilder:validation:Enum=Mapped;Ignored;Unsupported
type ImportOutcome string

// The outcomes of an import.
const (
	// ImportMapped means that the option became a setting.
	ImportMapped ImportOutcome = "Mapped"
	// ImportIgnored means that leaving the option out changes nothing.
	ImportIgnored ImportOutcome = "Ignored"
	// ImportUnsupported means that the option asks for something that Beanpod does not do.
	ImportUnsupported ImportOutcome = "Unsupported"
)

// ConfigurationUse names an Environment that uses a saved configuration.
type ConfigurationUse struct {
	// environment is the name of the Environment.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Environment string `json:"environment"`
}
