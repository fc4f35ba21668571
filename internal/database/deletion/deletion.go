// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package deletion decides, step by step, how the deletion of a DatabaseClaim goes on, and whether the end of an Environment ends a
// claim. It is the only way to the end of data. Pure: it reads no clock and touches nothing; internal/controller/databaseclaim looks,
// acts and records. docs/spec/databases.md has the rules for users, docs/decisions/0017-deleting-databases.md their reasons.
package deletion

import (
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

const (
	// DefaultDelay is the pause before a database is destroyed.
	DefaultDelay = 72 * time.Hour
	// AbsentPause is the least time between the two live reads that together say that a database is gone.
	AbsentPause = 30 * time.Second
	// soon is when to go on after an intent was recorded; poll is when to ask a provider again.
	soon = time.Second
	poll = time.Minute
)

// Answer is what a live read said. The zero value is Unknown.
type Answer string

// The answers.
const (
	// Unknown means that nobody could be asked: an error, a missing CRD, no permission. It never counts as Absent.
	Unknown Answer = ""
	// Present means that something is there: the main object, or anything else that a deletion would have to delete.
	Present Answer = "Present"
	// Absent means that a successful read found none of it.
	Absent Answer = "Absent"
)

// ClassAnswer is what the class says about the policy. The zero value is ClassMissing.
type ClassAnswer string

// The answers of a class.
const (
	// ClassMissing means that there is no such class, or that it could not be read.
	ClassMissing ClassAnswer = ""
	// ClassAllows means that it allows the policy.
	ClassAllows ClassAnswer = "Allowed"
	// ClassForbids means that it does not.
	ClassForbids ClassAnswer = "Forbidden"
)

// SnapshotState is how far the snapshot of Record.Snapshot is. The zero value is SnapshotNone.
type SnapshotState string

// The states of a snapshot.
const (
	// SnapshotNone means that there is no snapshot of that name, or that none was named.
	SnapshotNone SnapshotState = ""
	// SnapshotRunning means that it was asked for.
	SnapshotRunning SnapshotState = "Running"
	// SnapshotUsable means that it is complete, was checked and can be restored.
	SnapshotUsable SnapshotState = "Usable"
	// SnapshotFailed means that it never will be.
	SnapshotFailed SnapshotState = "Failed"
)

// Observed is all that is known when a claim is being deleted. What is left out is taken for the safe answer.
type Observed struct {
	// Now is the time.
	Now time.Time
	// Namespace and Claim name the claim, ClassName its DatabaseClass, Resource the main object ("StatefulSet shop-db"), for messages.
	Namespace, Claim, ClassName, Resource string
	// UID of the claim, which a confirmation must repeat.
	UID string
	// Requested is the claim's deletionTimestamp. A Record that is older belongs to another deletion, which a backup brought back, and
	// is ignored. Zero: not checked.
	Requested time.Time
	// Edited says that metadata.generation is not the status.observedGeneration that was written with Record: the spec was changed since,
	// perhaps there and back. Until Destroying that begins the deletion anew.
	Edited bool
	// Protected is spec.deletionProtection, Policy spec.deletionPolicy, both of now. What is no policy is Retain.
	Protected bool
	Policy    v1alpha1.DatabaseDeletionPolicy
	// External says that somebody else runs the database: nothing of it is ever touched.
	External bool
	// Class says whether the class allows Policy.
	Class ClassAnswer
	// Confirmation is the value of v1alpha1.AnnotationConfirmDeletion.
	Confirmation string
	// Users are the Environments that bind the claim, from a live list; one that could not be read ends the pass before Next is asked.
	Users []string
	// Provisioned says that anything was ever made: an id was recorded, the main object seen, or the claim carries
	// v1alpha1.AnnotationDatabaseID. It must outlive a loss of status.
	Provisioned bool
	// Provider is what a live read in this pass found of the database.
	Provider Answer
	// RecordedID is status.resource.id, FoundID that of the main object that the read found; empty: not known, or no main object.
	RecordedID, FoundID string
	// Mark is v1alpha1.AnnotationDatabaseID of what was found, the main object or, without one, of all that is left; OurMark is what it must be.
	Mark, OurMark string
	// Snapshot is how far the snapshot of Record.Snapshot is, SnapshotMessage what the provider says of it.
	Snapshot        SnapshotState
	SnapshotMessage string
	// NewSnapshot is the name of a snapshot that would begin now: one that was never used. See SnapshotName.
	NewSnapshot string
	// Brake is how long no database may be destroyed, because another one of the namespace was, or too many were; 0: go on.
	Brake time.Duration
	// Delay is the pause before a database is destroyed. 0 or less: DefaultDelay.
	Delay time.Duration
	// Record is status.deletion; zero at first, or when status was lost.
	Record v1alpha1.DatabaseDeletion
	// AbsentSince is the AbsentSince of the Step before; nil at first. It may be kept in memory: losing it costs AbsentPause.
	AbsentSince *time.Time
}

// Action is what is to be done. The zero value is Nothing.
type Action string

// The actions. The controller carries one out, then writes Record; both may happen again after a crash. None ever touches what
// Observed did not show.
const (
	// Nothing only records.
	Nothing Action = ""
	// TakeSnapshot makes the snapshot of Record.Snapshot.
	TakeSnapshot Action = "TakeSnapshot"
	// KeepRecord writes v1alpha1.AnnotationRetained on the Secret and then lets go. Without a Secret there is nothing to write it on.
	KeepRecord Action = "KeepRecord"
	// Destroy lifts the provider's own protection and deletes everything of the database, each object by UID and resource version after a
	// live read and only with OurMark. Right before, the controller reads the claim live, and does nothing when it is not the one of Observed.
	Destroy Action = "Destroy"
	// LetGo removes the finalizer, by the resource version that Observed speaks of.
	LetGo Action = "LetGo"
)

// Step is what to do now, and what to record.
type Step struct {
	Action Action
	// Record is the new status.deletion. It is written by the resource version that Observed speaks of, together with
	// status.observedGeneration: who saw an old claim records nothing.
	Record v1alpha1.DatabaseDeletion
	// ResourceID is the new status.resource.id: what was recorded, or what was found with our mark when nothing was.
	ResourceID string
	// AbsentSince is handed to the next pass.
	AbsentSince *time.Time
	// Reason and Message are those of the condition Terminating.
	Reason, Message string
	// After is when to look again; 0: when something changes.
	After time.Duration
}

// SnapshotName is the name of a final snapshot of a main object that is begun now.
func SnapshotName(resource string, now time.Time) string {
	return resource + "-final-" + now.UTC().Format("20060102-150405")
}
