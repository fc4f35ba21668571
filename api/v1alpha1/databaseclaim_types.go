// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabaseClaim is a database whose life is its own. Environments bind it by name and no Environment ever owns it, so
// that deleting, rebuilding or swapping environments never touches data.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bdb,categories=beanpod
// +kubebuilder:selectablefield:JSONPath=`.spec.classRef.name`
// +kubebuilder:printcolumn:name="CLASS",type=string,JSONPath=`.spec.classRef.name`
// +kubebuilder:printcolumn:name="ENGINE",type=string,JSONPath=`.spec.engine.name`
// +kubebuilder:printcolumn:name="STATUS",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="READY",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="REACHABLE",type=string,JSONPath=`.status.conditions[?(@.type=="Reachable")].status`
// +kubebuilder:printcolumn:name="HOST",type=string,JSONPath=`.status.endpoint.host`
// +kubebuilder:printcolumn:name="POLICY",type=string,JSONPath=`.spec.deletionPolicy`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="STORAGE",type=string,priority=1,JSONPath=`.status.resource.storage`
// +kubebuilder:printcolumn:name="PROTECTED",type=boolean,priority=1,JSONPath=`.spec.deletionProtection`
// +kubebuilder:printcolumn:name="MESSAGE",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a DatabaseClaim has at most 63 characters"
type DatabaseClaim struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the user wants.
	// +required
	Spec DatabaseClaimSpec `json:"spec"`

	// status is what Beanpod found.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status DatabaseClaimStatus `json:"status,omitempty"`
}

// DatabaseClaimList is a list of DatabaseClaims.
//
// +kubebuilder:object:root=true
type DatabaseClaimList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DatabaseClaim `json:"items"`
}

// DatabaseClaimSpec is a database that a class provides, or one that exists already.
//
// What decides which data the claim stands for cannot be changed: the class, the engine, the database's and the user's
// name, and where the data came from. Everything else can.
//
// +kubebuilder:validation:XValidation:rule="has(self.classRef) != has(self.external)",message="set exactly one of classRef and external"
// +kubebuilder:validation:XValidation:rule="has(self.classRef) == has(oldSelf.classRef) && (!has(self.classRef) || self.classRef == oldSelf.classRef)",message="classRef cannot be changed, added or removed; create another DatabaseClaim and move the data"
// +kubebuilder:validation:XValidation:rule="!has(self.external) || !(has(self.storage) || has(self.instanceClass) || has(self.highAvailability))",message="an external database is sized by whoever runs it; remove storage, instanceClass and highAvailability"
// +kubebuilder:validation:XValidation:rule="!has(self.external) || !has(self.username)",message="the user of an external database comes from the Secret in external.credentialsRef; remove username"
// +kubebuilder:validation:XValidation:rule="!has(self.external) || !(has(self.restoreFrom) || has(self.adopt) || has(self.coupledTo))",message="an external database is not made, adopted or ended by Beanpod; remove restoreFrom, adopt and coupledTo"
// +kubebuilder:validation:XValidation:rule="!(has(self.restoreFrom) && has(self.adopt))",message="set at most one of restoreFrom and adopt"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.storage) || has(self.storage)",message="storage cannot be unset again, because the disk has a size by now"
// +kubebuilder:validation:XValidation:rule="(has(self.username) ? self.username : 'ebroot') == (has(oldSelf.username) ? oldSelf.username : 'ebroot')",message="username cannot be changed"
// +kubebuilder:validation:XValidation:rule="has(self.restoreFrom) == has(oldSelf.restoreFrom) && (!has(self.restoreFrom) || self.restoreFrom == oldSelf.restoreFrom)",message="restoreFrom counts only when a claim is created; create another DatabaseClaim to restore a snapshot"
// +kubebuilder:validation:XValidation:rule="has(self.adopt) == has(oldSelf.adopt) && (!has(self.adopt) || self.adopt == oldSelf.adopt)",message="adopt counts only when a claim is created; create another DatabaseClaim to adopt a database"
type DatabaseClaimSpec struct {
	// classRef names the DatabaseClass that provides the database. It cannot be changed. Exactly one of classRef and external is set.
	// +optional
	ClassRef *DatabaseClassReference `json:"classRef,omitempty"`

	// engine says which database software it is.
	// +required
	Engine DatabaseEngine `json:"engine"`

	// databaseName is the name of the database inside the server. It cannot be changed. Defaults to ebdb, as in Elastic Beanstalk.
	// +optional
	// +kubebuilder:default=ebdb
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_]*$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="databaseName cannot be changed"
	DatabaseName string `json:"databaseName,omitempty"`

	// username is the user that applications log in as; the password is generated. It cannot be changed. Unset: ebroot, as in
	// Elastic Beanstalk. Not allowed with external, whose Secret has it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_]*$`
	Username string `json:"username,omitempty"`

	// storage is the size of the database's disk, in Mi, Gi or Ti: 20Gi. It can only grow. Unset: the class's default.
	// +optional
	// +kubebuilder:validation:XValidation:rule="(self.endsWith('Ti') ? 1048576 : self.endsWith('Gi') ? 1024 : 1) * int(self.substring(0, size(self) - 2)) >= (oldSelf.endsWith('Ti') ? 1048576 : oldSelf.endsWith('Gi') ? 1024 : 1) * int(oldSelf.substring(0, size(oldSelf) - 2))",message="storage can only grow; to shrink it, create another DatabaseClaim and move the data"
	Storage StorageSize `json:"storage,omitempty"`

	// instanceClass is the size of the server, one of the class's instanceClasses: db.t4g.micro. Unset: the class's default.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	InstanceClass string `json:"instanceClass,omitempty"`

	// highAvailability keeps a second server ready that takes over when the first fails. Unset: false.
	// +optional
	HighAvailability *bool `json:"highAvailability,omitempty"`

	// deletionPolicy says what happens to the data when the claim is deleted: Retain (the default) leaves the database
	// running, with its Secret; Snapshot takes a snapshot and then deletes it; Delete deletes it. It is read when the deletion
	// happens, not when the claim was made. The class may allow fewer. An external database is never touched.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DatabaseDeletionPolicy `json:"deletionPolicy,omitempty"`

	// deletionProtection refuses to delete the claim while it is true, which is the default. Set it to false first, in a
	// change of its own.
	// +optional
	// +kubebuilder:default=true
	DeletionProtection *bool `json:"deletionProtection,omitempty"`

	// coupledTo deletes the claim when an Environment is deleted, for databases of development environments; deletionPolicy
	// and deletionProtection still apply. Removing it decouples the two at once: nothing restarts and no credential changes.
	// Unset: no Environment ends the claim.
	// +optional
	CoupledTo *DatabaseCoupling `json:"coupledTo,omitempty"`

	// restoreFrom fills a new database from a snapshot. It counts only at creation. Unset: the database starts empty.
	// +optional
	RestoreFrom *DatabaseRestore `json:"restoreFrom,omitempty"`

	// external is a database that exists already and that Beanpod only hands on: it is never created, changed or deleted.
	// Exactly one of classRef and external is set.
	// +optional
	External *ExternalDatabase `json:"external,omitempty"`

	// probe says whether and how often a Job tries to reach the database and to log in, which the condition Reachable and the health of
	// Environments tell of. Unset: the class's, else on for external databases and for provider RDS, off for the others.
	// +optional
	Probe *DatabaseProbe `json:"probe,omitempty"`

	// adopt takes over a database that an earlier claim of the class retained, without writing to it. It counts only at
	// creation. Unset: a new database is made, and an existing one of the same name is refused, never taken.
	// +optional
	Adopt *DatabaseAdoption `json:"adopt,omitempty"`
}

// StorageSize is a size of a disk: a whole number and Mi, Gi or Ti. It is a string and not a quantity, because quantities
// have spellings that the API server stores and Go cannot read back.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=9
// +kubebuilder:validation:Pattern=`^[1-9][0-9]{0,6}(Mi|Gi|Ti)$`
type StorageSize string

// DatabaseClassReference names a DatabaseClass, which belongs to the cluster and not to a namespace.
type DatabaseClassReference struct {
	// name of the DatabaseClass.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
}

// DatabaseEngine is a database software and its version.
type DatabaseEngine struct {
	// name of the engine, in lower case, as the class offers it: postgres, mysql, mariadb. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the engine cannot be changed; create another DatabaseClaim and move the data"
	Name string `json:"name"`

	// version of the engine, as exact as you care: "16" takes the newest 16 that the class offers, "16.4" that one. Quote it
	// in YAML, else it is a number. A higher one upgrades the database. Unset: the class's default.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9A-Za-z]+)*$`
	Version string `json:"version,omitempty"`
}

// DatabaseDeletionPolicy says what happens to the data of a claim that is deleted.
// +kubebuilder:validation:Enum=Retain;Snapshot;Delete
type DatabaseDeletionPolicy string

// The deletion policies.
const (
	// DatabaseRetain leaves the database running, with its Secret.
	DatabaseRetain DatabaseDeletionPolicy = "Retain"
	// DatabaseSnapshot deletes the database after a snapshot of it is complete.
	DatabaseSnapshot DatabaseDeletionPolicy = "Snapshot"
	// DatabaseDelete deletes the database.
	DatabaseDelete DatabaseDeletionPolicy = "Delete"
)

// DatabaseCoupling ties the end of a claim to the end of an Environment.
type DatabaseCoupling struct {
	// environmentRef names the Environment.
	// +required
	EnvironmentRef LocalReference `json:"environmentRef"`
}

// DatabaseRestore says which snapshot a new database is filled from.
type DatabaseRestore struct {
	// snapshotName is the name that status.lastSnapshot.name of the earlier claim showed, or the provider's own: shop-db-final.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.:/]*[A-Za-z0-9])?$`
	SnapshotName string `json:"snapshotName"`
}

// ExternalDatabase is a database that somebody else runs.
type ExternalDatabase struct {
	// host is its DNS name or IP address: db.internal.example.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9:]([-A-Za-z0-9_.:]*[A-Za-z0-9:])?$`
	Host string `json:"host"`

	// port that it listens on: 5432.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// credentialsRef names a Secret in the same namespace with the keys username and password.
	// +required
	CredentialsRef LocalReference `json:"credentialsRef"`
}

// DatabaseProbe says whether and how often a database is probed. What a claim leaves open is as its class says.
type DatabaseProbe struct {
	// enabled turns the probe on or off. Unset: on for external databases and for provider RDS, whose health nobody else in the
	// cluster knows; off for BuiltIn and CloudNativePG, whose servers say themselves whether they are ready.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// intervalMinutes is the time between two probes. It divides an hour: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60. Unset: 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	// +kubebuilder:validation:XValidation:rule="60 % self == 0",message="intervalMinutes divides an hour: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60"
	IntervalMinutes *int32 `json:"intervalMinutes,omitempty"`
}

// DatabaseAdoption says which retained database a new claim takes over.
type DatabaseAdoption struct {
	// providerResourceName is the name that status.resource.name of the earlier claim showed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	ProviderResourceName string `json:"providerResourceName"`
}
