// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Next is the next step of a deletion. It promises:
//
//   - Destroy only when Destroying was recorded in an earlier pass, and what a live read found has our mark and the recorded id.
//   - Destroying is recorded only when, in one pass, nothing protects the claim, its class allows the policy, no Environment binds it, the
//     policy is Delete and confirmed by UID or Snapshot and its snapshot is usable, the database was found as ours, the pause is over and
//     no brake is on.
//   - Every pass that finds one of the first four otherwise ends the pause, and so does any change of the spec: a new one begins.
//   - Retain, External and what was never made are never destroyed, and let go whatever the provider says.
//   - What cannot be read is never taken for gone; gone takes two reads.
func Next(o Observed) Step {
	o.Record = o.current()
	step := o.next()
	step.ResourceID = o.RecordedID
	if o.RecordedID == "" && o.Provider == Present && o.marked() {
		step.ResourceID = o.FoundID
	}
	return step
}

// current is the record as far as it counts: of this deletion, of this spec, and of a database whose id was recorded. What cannot
// be called back counts as long as it is of this deletion.
func (o Observed) current() v1alpha1.DatabaseDeletion {
	switch r := o.Record; {
	case r.Since.Time.Before(o.Requested.Truncate(time.Second)):
		return v1alpha1.DatabaseDeletion{}
	case r.Phase != v1alpha1.DeletionDestroying && (o.Edited || o.RecordedID == ""):
		return v1alpha1.DatabaseDeletion{}
	default:
		return r
	}
}

func (o Observed) next() Step {
	switch {
	case o.Record.Phase == v1alpha1.DeletionDestroying && !o.External:
		return o.destroying()
	case o.Protected:
		return o.wait(v1alpha1.DeletionProtected, v1alpha1.ReasonDeletionProtected, o.protected(), 0)
	case o.External:
		return o.letGo("The database is somebody else's and stays as it is.")
	case !o.Provisioned && o.Provider != Present:
		return o.letGo("No database was ever made.")
	case o.Policy != v1alpha1.DatabaseSnapshot && o.Policy != v1alpha1.DatabaseDelete:
		step := o.letGo("The database and its Secret stay; spec.adopt of another DatabaseClaim takes them over.")
		step.Action = KeepRecord
		return step
	}
	blocked := o.blocked()
	if o.Provider == Absent {
		return o.missing(blocked == nil)
	}
	for _, refuse := range []func() *Step{func() *Step { return blocked }, o.unclear, o.snapshot} {
		if step := refuse(); step != nil {
			return *step
		}
	}
	return o.cooling()
}

// blocked is what people decide: the class, the Environments, the confirmation. nil: they all agree.
func (o Observed) blocked() *Step {
	switch {
	case o.Class == ClassMissing:
		return new(o.wait(v1alpha1.DeletionRefused, v1alpha1.ReasonClassNotFound, o.classMissing(), 0))
	case o.Class != ClassAllows:
		return new(o.wait(v1alpha1.DeletionRefused, v1alpha1.ReasonClassRefuses, o.classForbids(), 0))
	case len(o.Users) > 0:
		return new(o.wait(v1alpha1.DeletionInUse, v1alpha1.ReasonInUse, o.inUse(), 0))
	case o.Policy == v1alpha1.DatabaseDelete && (o.UID == "" || o.Confirmation != o.UID):
		return new(o.wait(v1alpha1.DeletionUnconfirmed, v1alpha1.ReasonUnconfirmed, o.unconfirmed(), 0))
	default:
		return nil
	}
}

// unclear is what the provider must say before anything goes on: that this is our database. nil: it does.
//
// A silent provider does not end a pause: nobody called the deletion back.
func (o Observed) unclear() *Step {
	switch {
	case o.Provider != Present && o.underWay():
		return new(o.wait(o.Record.Phase, v1alpha1.ReasonProviderUnavailable, o.unavailable(), poll))
	case o.Provider != Present:
		return new(o.wait(v1alpha1.DeletionRefused, v1alpha1.ReasonProviderUnavailable, o.unavailable(), poll))
	case o.FoundID == "" || !o.marked() || o.RecordedID != "" && o.RecordedID != o.FoundID:
		return new(o.wait(v1alpha1.DeletionRefused, v1alpha1.ReasonNotOurs, o.notOurs(), poll))
	default:
		return nil
	}
}

// snapshot takes one and waits for it. nil: the policy needs none, or it is usable and the pause has begun.
//
// The name is recorded before the snapshot is begun, so that a crash never leaves one that nobody knows; it is a new name whenever
// the deletion began anew, because there may be newer data.
func (o Observed) snapshot() *Step {
	named := o.underWay() && o.Record.Snapshot != ""
	switch {
	case o.Policy != v1alpha1.DatabaseSnapshot:
		return nil
	case !named:
		return new(o.enter(v1alpha1.DeletionSnapshotting, o.NewSnapshot, v1alpha1.ReasonSnapshotting, o.snapshotting(o.NewSnapshot), soon))
	case o.Snapshot == SnapshotUsable && o.Record.Phase == v1alpha1.DeletionCooling:
		return nil
	case o.Snapshot == SnapshotUsable:
		return new(o.cool())
	case o.Snapshot == SnapshotFailed:
		return new(o.resume(v1alpha1.DeletionSnapshotting, v1alpha1.ReasonSnapshotFailed, o.snapshotFailed()))
	}
	step := o.resume(v1alpha1.DeletionSnapshotting, v1alpha1.ReasonSnapshotting, o.snapshotting(o.Record.Snapshot))
	if o.Snapshot != SnapshotRunning {
		step.Action = TakeSnapshot
	}
	return &step
}

// cooling waits for the end of the pause. Everything else was asked before, in this pass. A clock that was set back begins it anew.
func (o Observed) cooling() Step {
	begun := o.underWay() && o.Record.Phase == v1alpha1.DeletionCooling
	if !begun || o.Record.Since.After(o.Now) {
		return o.cool()
	}
	left := o.Record.Since.Add(o.delay()).Sub(o.Now)
	switch {
	case left > 0:
		return o.wait(v1alpha1.DeletionCooling, v1alpha1.ReasonCooling, o.coolingUntil(o.Record.Since.Time), left)
	case o.Brake > 0:
		return o.wait(v1alpha1.DeletionCooling, v1alpha1.ReasonCooling, o.braked(), o.Brake)
	default:
		return o.enter(v1alpha1.DeletionDestroying, o.Record.Snapshot, v1alpha1.ReasonDestroying, o.destroyed(), soon)
	}
}

// destroying goes on until the provider says twice that nothing is left. It looks at nothing but the provider, because nothing
// that people decide brings data back.
func (o Observed) destroying() Step {
	remains := o.FoundID == "" || o.FoundID == o.RecordedID
	switch {
	case o.Provider == Absent:
		if step := o.absent(o.Record); step != nil {
			return *step
		}
		return o.letGo("The database is gone.")
	case o.Provider != Present:
		return o.wait(v1alpha1.DeletionDestroying, v1alpha1.ReasonProviderUnavailable, o.unavailable(), poll)
	case !remains || !o.marked():
		return o.enter(v1alpha1.DeletionRefused, o.Record.Snapshot, v1alpha1.ReasonNotOurs, o.notOurs(), poll)
	case o.Class == ClassMissing:
		return o.wait(v1alpha1.DeletionDestroying, v1alpha1.ReasonClassNotFound, o.classMissing(), 0)
	default:
		step := o.wait(v1alpha1.DeletionDestroying, v1alpha1.ReasonDestroying, o.destroyed(), poll)
		step.Action = Destroy
		return step
	}
}

// missing is a database that somebody else deleted: there is nothing to destroy, and nothing to take a snapshot of.
func (o Observed) missing(agreed bool) Step {
	record := o.at(v1alpha1.DeletionRefused)
	record.Snapshot = o.Record.Snapshot // A usable one is still the one that the policy asks for.
	saved := o.Policy != v1alpha1.DatabaseSnapshot || o.Record.Snapshot != "" && o.Snapshot == SnapshotUsable
	if agreed && o.underWay() && (saved || o.Record.Phase == v1alpha1.DeletionSnapshotting) {
		record = o.Record // One read that does not find the database is no reason to begin anew.
	}
	if !saved {
		return Step{Record: record, Reason: v1alpha1.ReasonMissing, Message: o.missingUnsaved(), After: poll}
	}
	if step := o.absent(record); step != nil {
		return *step
	}
	return o.letGo("The database is gone, and Beanpod did not delete it.")
}

// absent waits for the second read that does not find the database. nil: this is it.
func (o Observed) absent(record v1alpha1.DatabaseDeletion) *Step {
	first := o.AbsentSince
	if first == nil || first.After(o.Now) {
		first = &o.Now
	}
	left := AbsentPause - o.Now.Sub(*first)
	if left <= 0 {
		return nil
	}
	return &Step{Record: record, AbsentSince: first, Reason: v1alpha1.ReasonMissing, Message: o.looksGone(), After: left}
}

// marked says whether what was found is ours by its mark. Nothing is, while we have none.
func (o Observed) marked() bool { return o.OurMark != "" && o.Mark == o.OurMark }

// underWay says whether the record is of a snapshot or of a pause, and of the policy of now.
func (o Observed) underWay() bool {
	r := o.Record
	return (r.Phase == v1alpha1.DeletionSnapshotting || r.Phase == v1alpha1.DeletionCooling) &&
		(r.Snapshot != "") == (o.Policy == v1alpha1.DatabaseSnapshot)
}

func (o Observed) delay() time.Duration {
	if o.Delay <= 0 {
		return DefaultDelay
	}
	return o.Delay
}

// at is the record in a phase: as it was, or begun now. Times in status have seconds. A clock that is behind the API server's does not
// make a record look older than the deletion.
func (o Observed) at(phase v1alpha1.DatabaseDeletionPhase) v1alpha1.DatabaseDeletion {
	if o.Record.Phase == phase {
		return o.Record
	}
	since := o.Now
	if since.Before(o.Requested) {
		since = o.Requested
	}
	return v1alpha1.DatabaseDeletion{Phase: phase, Since: metav1.NewTime(since.Truncate(time.Second))}
}

func (o Observed) wait(phase v1alpha1.DatabaseDeletionPhase, reason, message string, after time.Duration) Step {
	return Step{Record: o.at(phase), Reason: reason, Message: message, After: after}
}

// enter begins a phase, also the one that it is in.
func (o Observed) enter(phase v1alpha1.DatabaseDeletionPhase, snapshot, reason, message string, after time.Duration) Step {
	o.Record = v1alpha1.DatabaseDeletion{}
	step := o.wait(phase, reason, message, after)
	step.Record.Snapshot = snapshot
	return step
}

// resume waits in a phase of the same snapshot.
func (o Observed) resume(phase v1alpha1.DatabaseDeletionPhase, reason, message string) Step {
	step := o.wait(phase, reason, message, poll)
	step.Record.Snapshot = o.Record.Snapshot
	return step
}

// cool begins the pause.
func (o Observed) cool() Step {
	snapshot := ""
	if o.Policy == v1alpha1.DatabaseSnapshot {
		snapshot = o.Record.Snapshot
	}
	return o.enter(v1alpha1.DeletionCooling, snapshot, v1alpha1.ReasonCooling, o.coolingUntil(o.Now), o.delay())
}

func (o Observed) letGo(message string) Step {
	step := o.wait(v1alpha1.DeletionReleasing, v1alpha1.ReasonReleasing, message, soon)
	step.Action = LetGo
	return step
}
