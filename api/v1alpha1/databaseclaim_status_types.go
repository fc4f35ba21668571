// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabaseClaimStatus is what Beanpod found about a database.
type DatabaseClaimStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of; -1 before the first pass.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready, Provisioned (the provider says that the database runs), CredentialsPublished (the Secret is
	// complete) and Protected (a deletion is refused); Reachable (a probe could log in) while the database is probed; Reconciling,
	// Stalled and Terminating only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// binding names the Secret that applications connect with: servicebinding.io's keys type, provider, host, port, database,
	// username, password and uri. It lives as long as the data, not as long as the claim.
	// +optional
	Binding *ServiceBinding `json:"binding,omitempty"`

	// endpoint is where the database answers.
	// +optional
	Endpoint *DatabaseEndpoint `json:"endpoint,omitempty"`

	// resource is what the provider made, and what adopt takes later. Unset with external.
	// +optional
	Resource *DatabaseResource `json:"resource,omitempty"`

	// usedBy lists the Environments that bind this claim, at most 50.
	// +optional
	// +listType=map
	// +listMapKey=environment
	// +kubebuilder:validation:MaxItems=50
	UsedBy []DatabaseUse `json:"usedBy,omitempty"`

	// lastSnapshot is the newest snapshot that Beanpod took.
	// +optional
	LastSnapshot *DatabaseSnapshotRecord `json:"lastSnapshot,omitempty"`

	// coupledUID is the UID of the Environment of spec.coupledTo, once it was seen. Only the end of that one ends the claim.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	CoupledUID string `json:"coupledUID,omitempty"`

	// deletion says how far a deletion is. Present only while the claim is being deleted.
	// +optional
	Deletion *DatabaseDeletion `json:"deletion,omitempty"`

	// operations echo the tokens of the verbs that were asked for by annotation.
	// +optional
	Operations *DatabaseOperations `json:"operations,omitempty"`
}

// DatabaseDeletionPhase is a step of a deletion.
// +kubebuilder:validation:Enum=Protected;InUse;Unconfirmed;Refused;Snapshotting;Cooling;Destroying;Releasing
type DatabaseDeletionPhase string

// The phases of a deletion. Until Destroying, any change towards safety takes effect: protection, another policy, the
// confirmation taken back.
const (
	// DeletionProtected waits while spec.deletionProtection is true.
	DeletionProtected DatabaseDeletionPhase = "Protected"
	// DeletionInUse waits while Environments bind the claim; not with policy Retain.
	DeletionInUse DatabaseDeletionPhase = "InUse"
	// DeletionUnconfirmed waits for the annotation beanpod.dev/confirm-deletion; with policy Delete only.
	DeletionUnconfirmed DatabaseDeletionPhase = "Unconfirmed"
	// DeletionRefused waits because the class does not allow the policy, or because what the provider says is not clear.
	DeletionRefused DatabaseDeletionPhase = "Refused"
	// DeletionSnapshotting waits until a snapshot is complete and checked; with policy Snapshot only.
	DeletionSnapshotting DatabaseDeletionPhase = "Snapshotting"
	// DeletionCooling waits for the pause before a database is deleted.
	DeletionCooling DatabaseDeletionPhase = "Cooling"
	// DeletionDestroying waits until the provider says that the database is gone. It cannot be called back.
	DeletionDestroying DatabaseDeletionPhase = "Destroying"
	// DeletionReleasing lets go of the claim: the data stay, or are gone.
	DeletionReleasing DatabaseDeletionPhase = "Releasing"
)

// DatabaseDeletion says how far a deletion is.
type DatabaseDeletion struct {
	// phase that it is in.
	// +required
	Phase DatabaseDeletionPhase `json:"phase"`

	// since is when the phase began.
	// +required
	Since metav1.Time `json:"since"`

	// snapshot is the name of the snapshot that policy Snapshot takes.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Snapshot string `json:"snapshot,omitempty"`
}

// DatabaseOperations echo verbs.
type DatabaseOperations struct {
	// snapshot that was asked for last and is complete.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Snapshot string `json:"snapshot,omitempty"`

	// rotate that was asked for last and is done: Environments have the new password, and the old one is not taken any more.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Rotate string `json:"rotate,omitempty"`
}

// ServiceBinding names a Secret with credentials, by the convention of servicebinding.io.
type ServiceBinding struct {
	// name of the Secret, in the claim's namespace.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// DatabaseEndpoint is where a database answers.
type DatabaseEndpoint struct {
	// host is a DNS name or an IP address.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host"`

	// port that it listens on.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// DatabaseResource is what a provider made for a claim.
type DatabaseResource struct {
	// provider that made it.
	// +required
	Provider DatabaseProvider `json:"provider"`

	// name of the provider's object: a StatefulSet, a Cluster or a DBInstance.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// id is the provider's own unforgeable name for it, a UID or an ARN. Nothing is ever deleted whose id is another one.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	ID string `json:"id,omitempty"`

	// engineVersion that runs, as the provider spells it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	EngineVersion string `json:"engineVersion,omitempty"`

	// storage that it has now.
	// +optional
	Storage StorageSize `json:"storage,omitempty"`
}

// DatabaseUse names an Environment that binds a claim.
type DatabaseUse struct {
	// environment is the name of the Environment.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Environment string `json:"environment"`
}

// DatabaseSnapshotRecord is a snapshot that was taken. The snapshot itself belongs to nobody and outlives the claim.
type DatabaseSnapshotRecord struct {
	// name of the snapshot, for restoreFrom.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// at is when it was complete.
	// +required
	At metav1.Time `json:"at"`
}
