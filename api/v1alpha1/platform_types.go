// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Platform is a language platform: its branches, their versions with the images to build and run on, and what starts an
// application that does not say so itself. Administrators write it; environments of any namespace name it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=bplat,categories=beanpod
// +kubebuilder:printcolumn:name="BRANCH",type=string,JSONPath=`.spec.branches[0].name`
// +kubebuilder:printcolumn:name="VERSION",type=string,JSONPath=`.spec.branches[0].versions[0].version`
// +kubebuilder:printcolumn:name="STATE",type=string,JSONPath=`.spec.branches[0].state`
// +kubebuilder:printcolumn:name="READY",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="MESSAGE",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a Platform has at most 63 characters"
type Platform struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the platform.
	// +required
	Spec PlatformSpec `json:"spec"`

	// status is what Beanpod found.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status PlatformStatus `json:"status,omitempty"`
}

// PlatformList is a list of Platforms.
//
// +kubebuilder:object:root=true
type PlatformList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Platform `json:"items"`
}

// PlatformSpec is a language platform.
type PlatformSpec struct {
	// description is free text for people, at most 200 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Description string `json:"description,omitempty"`

	// branches are the lines of the platform that are maintained side by side, newest first: 3.13 before 3.12.
	// An environment names one in platformRef.branch and never leaves it by itself.
	//
	// The list is atomic because its order means something, and merging two writers' lists would lose it.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(b, self.exists_one(c, c.name == b.name))",message="the names of branches must be unique"
	Branches []PlatformBranch `json:"branches"`

	// sample is an application that runs when an environment names this platform and no version. Unset: such an environment
	// waits for a version.
	// +optional
	Sample *PlatformSample `json:"sample,omitempty"`
}

// PlatformBranch is one line of a platform, with versions that are compatible with each other.
//
// +kubebuilder:validation:XValidation:rule="self.state != 'Deprecated' || has(self.retireOn)",message="a Deprecated branch needs retireOn, so that its users know how long they have"
type PlatformBranch struct {
	// name of the branch: "3.12". Quote it in YAML, else it is a number. At most 63 letters, digits, dots, hyphens and underscores.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	Name string `json:"name"`

	// state is Beta (no promise of support), Supported (the default), Deprecated (still updated, retireOn says until when) or
	// Retired (no new environments and no updates; what runs keeps running).
	// +optional
	// +kubebuilder:default=Supported
	State PlatformBranchState `json:"state,omitempty"`

	// retireOn is the day from which the branch is to be Retired, as year-month-day: "2028-10-31". It warns users; only state
	// has an effect. Unset: no day is known.
	// +optional
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`
	RetireOn string `json:"retireOn,omitempty"`

	// versions of the branch, newest first. The first is recommended: new environments get it and managed updates lead to it.
	// The list is atomic because its order means something.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(v, self.exists_one(w, w.version == v.version))",message="the versions of a branch must be unique"
	Versions []PlatformVersion `json:"versions"`

	// port that applications of this branch listen on when they do not say otherwise; also injected as PORT. Defaults to 8080.
	// +optional
	// +kubebuilder:default=8080
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`

	// build makes a source bundle ready to run, in the version's buildImage. Unset: the bundle runs as it is.
	// +optional
	Build *PlatformBuild `json:"build,omitempty"`

	// start says how an application is started that has no Procfile. Unset: the application needs a Procfile.
	// +optional
	Start *PlatformStart `json:"start,omitempty"`

	// environmentProperties are variables that every application of this branch gets; a saved configuration or an
	// Environment overrides them by name. They are no place for secrets: everybody can read a Platform.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	EnvironmentProperties []PlatformProperty `json:"environmentProperties,omitempty"`
}

// PlatformBranchState says how far a branch is in its life.
// +kubebuilder:validation:Enum=Beta;Supported;Deprecated;Retired
type PlatformBranchState string

// The states of a branch.
const (
	// PlatformBeta comes without a promise of support.
	PlatformBeta PlatformBranchState = "Beta"
	// PlatformSupported gets updates.
	PlatformSupported PlatformBranchState = "Supported"
	// PlatformDeprecated gets updates until it is retired.
	PlatformDeprecated PlatformBranchState = "Deprecated"
	// PlatformRetired takes no new environments and gets no updates.
	PlatformRetired PlatformBranchState = "Retired"
)

// PlatformVersion is one release of a branch.
type PlatformVersion struct {
	// version is major.minor.patch: 3.12.8. A managed update of level Patch changes only the last number, one of level Minor
	// the last two.
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})$`
	Version string `json:"version"`

	// runImage is the container image that applications run in. Pin it by digest, so that a version never changes:
	// "docker.io/library/python@sha256:...".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`
	RunImage string `json:"runImage"`

	// buildImage is the container image that bundles are built in. Unset: runImage.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`
	BuildImage string `json:"buildImage,omitempty"`
}

// PlatformBuild makes a source bundle ready to run.
type PlatformBuild struct {
	// command and its arguments, run once in the folder that holds the unpacked bundle: ["sh", "-c", "npm ci --omit=dev"].
	// What the folder holds afterwards is the artifact.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=4096
	Command []string `json:"command"`

	// when says which bundles need the command. Unset: all of them.
	// +optional
	When *PlatformWhen `json:"when,omitempty"`

	// timeoutSeconds is how long a build may take, in seconds. Defaults to 1800.
	// +optional
	// +kubebuilder:default=1800
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=14400
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}

// PlatformWhen is a condition on what a bundle holds.
type PlatformWhen struct {
	// fileExists is a path below the bundle's root, without a leading slash and without "..": requirements.txt.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`
	// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(p, p == '..')",message="fileExists must stay inside the bundle: write it without .."
	FileExists string `json:"fileExists"`
}

// PlatformStart says how an application is started that has no Procfile.
//
// +kubebuilder:validation:XValidation:rule="has(self.rules) || has(self.default)",message="set rules, default or both"
type PlatformStart struct {
	// rules are tried in order; the first whose file exists gives the command: npm start when there is a package.json, else
	// node app.js when there is an app.js. Unset: only default counts.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Rules []PlatformStartRule `json:"rules,omitempty"`

	// default is the command of the process web when no rule applies: "gunicorn --bind :$PORT application:application".
	// Unset: a bundle that no rule fits is refused.
	// +optional
	Default ProcessCommand `json:"default,omitempty"`
}

// PlatformStartRule is a command for bundles that hold a certain file.
type PlatformStartRule struct {
	// when says which bundles the rule is for.
	// +required
	When PlatformWhen `json:"when"`

	// command of the process web.
	// +required
	Command ProcessCommand `json:"command"`
}

// PlatformProperty is a variable that a platform gives to its applications.
type PlatformProperty struct {
	// name of the variable: NODE_ENV.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name"`

	// value of the variable. Empty is a value.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value,omitempty"`
}

// PlatformSample is an application that shows that the platform works.
type PlatformSample struct {
	// archive is the name of a bundle that the operator ships: python-sample.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Archive string `json:"archive"`
}

// PlatformStatus is what Beanpod found about a platform.
type PlatformStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first pass.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, which is True when environments can use the platform; Reconciling, Stalled and Terminating only
	// while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// branches says, for each branch of the spec, what its users get and how many they are.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Branches []PlatformBranchStatus `json:"branches,omitempty"`
}

// PlatformBranchStatus says what the users of a branch get.
type PlatformBranchStatus struct {
	// name of the branch.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// recommended is the version that new environments get.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Recommended string `json:"recommended,omitempty"`

	// environments is how many Environments, in all namespaces, name the branch. A branch with users is not to be removed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Environments int32 `json:"environments"`
}
