// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabaseClass says who makes databases and how. Administrators write it; a DatabaseClaim of any namespace names it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=bdbc,categories=beanpod
// +kubebuilder:printcolumn:name="PROVIDER",type=string,JSONPath=`.spec.provider`
// +kubebuilder:printcolumn:name="ENGINE",type=string,JSONPath=`.spec.engines[0].name`
// +kubebuilder:printcolumn:name="READY",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="CLAIMS",type=integer,JSONPath=`.status.claims`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="POLICIES",type=string,priority=1,JSONPath=`.spec.allowedDeletionPolicies`
// +kubebuilder:printcolumn:name="MESSAGE",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a DatabaseClass has at most 63 characters"
type DatabaseClass struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the class.
	// +required
	Spec DatabaseClassSpec `json:"spec"`

	// status is what Beanpod found.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status DatabaseClassStatus `json:"status,omitempty"`
}

// DatabaseClassList is a list of DatabaseClasses.
//
// +kubebuilder:object:root=true
type DatabaseClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DatabaseClass `json:"items"`
}

// DatabaseClassSpec says who makes databases and how. A change counts for new databases, and for existing ones where the
// provider can follow without stopping them.
//
// +kubebuilder:validation:XValidation:rule="self.provider == 'BuiltIn' || !has(self.parameters) || !has(self.parameters.builtIn)",message="parameters.builtIn is only for provider BuiltIn; remove it, or change provider"
// +kubebuilder:validation:XValidation:rule="self.provider == 'CloudNativePG' || !has(self.parameters) || !has(self.parameters.cloudNativePG)",message="parameters.cloudNativePG is only for provider CloudNativePG; remove it, or change provider"
// +kubebuilder:validation:XValidation:rule="self.provider == 'RDS' ? has(self.parameters) && has(self.parameters.rds) : !has(self.parameters) || !has(self.parameters.rds)",message="provider RDS needs parameters.rds, and no other provider may have it"
// +kubebuilder:validation:XValidation:rule="!has(self.defaultInstanceClass) || (has(self.instanceClasses) && self.defaultInstanceClass in self.instanceClasses)",message="defaultInstanceClass must be one of instanceClasses"
type DatabaseClassSpec struct {
	// description is free text for people, at most 200 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Description string `json:"description,omitempty"`

	// provider makes the databases: BuiltIn (one PostgreSQL in a StatefulSet, for development), CloudNativePG (its operator
	// must be installed) or RDS (the ACK controller for RDS must be installed). It cannot be changed.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="provider cannot be changed, because databases of the class exist with it; create another DatabaseClass"
	Provider DatabaseProvider `json:"provider"`

	// parameters of the provider: the one group that has the provider's name. Unset: the provider's defaults; RDS needs it.
	// +optional
	Parameters *DatabaseParameters `json:"parameters,omitempty"`

	// engines are what claims may ask for, the default first. Unset: whatever the provider offers; BuiltIn and CloudNativePG
	// offer postgres.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Engines []DatabaseClassEngine `json:"engines,omitempty"`

	// instanceClasses are the sizes that claims may ask for, by name: {db.t4g.micro: {requests: {cpu: 100m, memory: 256Mi}}}.
	// RDS needs only the names, which are AWS's own. Unset: claims cannot choose a size, and RDS makes db.t4g.micro.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 63 && k.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'))",message="the name of an instance class has at most 63 lower-case letters, digits, dots and hyphens"
	InstanceClasses map[string]Resources `json:"instanceClasses,omitempty"`

	// defaultInstanceClass is what a claim gets that names none. Unset: a claim must name one, if instanceClasses is set.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	DefaultInstanceClass string `json:"defaultInstanceClass,omitempty"`

	// storage bounds the disks of claims. Unset: 5Gi for a claim that names no size, and no limit.
	// +optional
	Storage *DatabaseStorage `json:"storage,omitempty"`

	// probe is how the databases of claims are probed that leave it open. Unset: every 5 minutes with provider RDS, never with the others.
	// +optional
	Probe *DatabaseProbe `json:"probe,omitempty"`

	// allowedDeletionPolicies are what claims may say in deletionPolicy. Defaults to all three. A claim with another one does
	// not become Ready, and while it is so nothing is deleted.
	// +optional
	// +listType=set
	// +kubebuilder:default={Retain,Snapshot,Delete}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	AllowedDeletionPolicies []DatabaseDeletionPolicy `json:"allowedDeletionPolicies,omitempty"`
}

// DatabaseProvider makes databases.
// +kubebuilder:validation:Enum=BuiltIn;CloudNativePG;RDS
type DatabaseProvider string

// The providers.
const (
	// DatabaseBuiltIn makes one PostgreSQL in a StatefulSet. It is for development: no backups and no failover.
	DatabaseBuiltIn DatabaseProvider = "BuiltIn"
	// DatabaseCloudNativePG makes a Cluster of the CloudNativePG operator.
	DatabaseCloudNativePG DatabaseProvider = "CloudNativePG"
	// DatabaseRDS makes a DBInstance of the ACK controller for Amazon RDS.
	DatabaseRDS DatabaseProvider = "RDS"
)

// DatabaseParameters are the settings of the providers; the class's provider says which group may be set.
type DatabaseParameters struct {
	// builtIn is for provider BuiltIn.
	// +optional
	BuiltIn *BuiltInParameters `json:"builtIn,omitempty"`

	// cloudNativePG is for provider CloudNativePG.
	// +optional
	CloudNativePG *CloudNativePGParameters `json:"cloudNativePG,omitempty"`

	// rds is for provider RDS, which needs it.
	// +optional
	RDS *RDSParameters `json:"rds,omitempty"`
}

// BuiltInParameters are the settings of the built-in provider.
type BuiltInParameters struct {
	// image of PostgreSQL without a tag; the tag is the engine's version: docker.io/library/postgres. Unset: the operator's default.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9._/:]*[a-z0-9])?$`
	Image string `json:"image,omitempty"`

	// storageClassName of the volumes. Unset: the cluster's default StorageClass.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	StorageClassName string `json:"storageClassName,omitempty"`

	// volumeSnapshotClassName is kept for snapshots of volumes, which this release does not take: the deletion policy Snapshot and
	// restoreFrom use dumps in the artifact store, whatever this says.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	VolumeSnapshotClassName string `json:"volumeSnapshotClassName,omitempty"`
}

// CloudNativePGParameters are the settings of the CloudNativePG provider.
type CloudNativePGParameters struct {
	// image of PostgreSQL without a tag; the tag is the engine's version: ghcr.io/cloudnative-pg/postgresql. Unset: the
	// CloudNativePG operator's default.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9._/:]*[a-z0-9])?$`
	Image string `json:"image,omitempty"`

	// instances is how many servers a claim with highAvailability gets, the primary included; one without gets 1. Unset: 3.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=9
	Instances *int32 `json:"instances,omitempty"`

	// storageClassName of the volumes. Unset: the cluster's default StorageClass.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	StorageClassName string `json:"storageClassName,omitempty"`

	// volumeSnapshotClassName is what the deletion policy Snapshot and restoreFrom use. Unset: the cluster's default; a cluster
	// without volume snapshots refuses both.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	VolumeSnapshotClassName string `json:"volumeSnapshotClassName,omitempty"`
}

// RDSParameters are the settings of the RDS provider.
type RDSParameters struct {
	// region in which databases are made: eu-central-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-z]+(-[a-z0-9]+)+$`
	Region string `json:"region"`

	// subnetGroupName is the DB subnet group, which decides the network. Unset: the region's default VPC.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9 ._-]+$`
	SubnetGroupName string `json:"subnetGroupName,omitempty"`

	// securityGroupIDs of the databases: sg-0a1b2c3d. Unset: the VPC's default group.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=32
	// +kubebuilder:validation:items:Pattern=`^sg-[0-9a-f]+$`
	SecurityGroupIDs []string `json:"securityGroupIDs,omitempty"`

	// parameterGroupName is the DB parameter group. Unset: AWS's default for the engine.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[A-Za-z][-A-Za-z0-9.]*$`
	ParameterGroupName string `json:"parameterGroupName,omitempty"`

	// storageType of the disks: GP2, GP3, IO1 or IO2, AWS's gp2, gp3, io1 and io2. Unset: GP3.
	// +optional
	StorageType RDSStorageType `json:"storageType,omitempty"`

	// kmsKeyID is the ARN, id or alias of the key that encrypts the disks. Unset: AWS's own key for RDS; disks are always encrypted.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9:/_-]+$`
	KMSKeyID string `json:"kmsKeyID,omitempty"`

	// backupRetentionDays is how many days of automatic backups AWS keeps; 0 makes none. Unset: 7.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=35
	BackupRetentionDays *int32 `json:"backupRetentionDays,omitempty"`

	// exposure is Private (the VPC only) or Public (an address on the internet, still behind securityGroupIDs). Unset: Private.
	// +optional
	Exposure RDSExposure `json:"exposure,omitempty"`
}

// RDSStorageType is a kind of disk.
// +kubebuilder:validation:Enum=GP2;GP3;IO1;IO2
type RDSStorageType string

// RDSExposure says who can reach a database, before security groups are asked.
// +kubebuilder:validation:Enum=Private;Public
type RDSExposure string

// The exposures.
const (
	// RDSPrivate gives an address in the VPC only.
	RDSPrivate RDSExposure = "Private"
	// RDSPublic gives an address on the internet too.
	RDSPublic RDSExposure = "Public"
)

// DatabaseClassEngine is an engine that claims may ask for.
type DatabaseClassEngine struct {
	// name of the engine, in lower case: postgres.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`
	Name string `json:"name"`

	// versions that claims may ask for, the default first: ["16", "15"]. A claim may be more exact: "16.4" is one of "16".
	// Unset: whatever the provider offers, by default its newest.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=32
	// +kubebuilder:validation:items:Pattern=`^[0-9]+(\.[0-9A-Za-z]+)*$`
	Versions []string `json:"versions,omitempty"`
}

// DatabaseStorage bounds the disks of claims.
//
// The rule counts in Mi by hand, because CEL's own quantities exceed the API server's cost budget.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.default) && has(self.max)) || (self.default.endsWith('Ti') ? 1048576 : self.default.endsWith('Gi') ? 1024 : 1) * int(self.default.substring(0, size(self.default) - 2)) <= (self.max.endsWith('Ti') ? 1048576 : self.max.endsWith('Gi') ? 1024 : 1) * int(self.max.substring(0, size(self.max) - 2))",message="storage.default must not exceed storage.max"
type DatabaseStorage struct {
	// default is what a claim gets that names no size. Unset: 5Gi.
	// +optional
	Default StorageSize `json:"default,omitempty"`

	// max is the most that a claim may ask for. Unset: no limit.
	// +optional
	Max StorageSize `json:"max,omitempty"`
}

// DatabaseClassStatus is what Beanpod found about a class.
type DatabaseClassStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first pass.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, which is True when the provider is installed and claims can be served; Reconciling, Stalled and
	// Terminating only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// claims is how many DatabaseClaims, in all namespaces, name this class. A class with claims cannot be deleted.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Claims int32 `json:"claims"`
}
