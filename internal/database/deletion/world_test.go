// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// The world is small enough to be a key of a map, so that histories walk through it and the exploration visits all of it. Times are
// ages in units of AbsentPause.
type world struct {
	// live is the claim, cache what the operator sees of it while frozen. moved says that the live one was written since.
	live, cache   claim
	frozen, moved bool
	class         code
	users, brake  bool
	// found is what has the name of the database, marked whether it carries our mark, and made whether Beanpod ever made one.
	found        uint8
	marked, made bool
	ask          uint8
	snaps        [names]snap
	absent       int16 // the operator's memory
	ended        bool
	// The oracle's: how long everything is as it must be, as far as anybody could see, and whether a destroy was begun rightly.
	safe  int16
	begun bool
}

// claim is what one read of a claim shows.
type claim struct {
	policy    code
	protected bool
	confirm   code
	// edited: metadata.generation is ahead of status.observedGeneration. old: the record is older than the deletion.
	edited, old        bool
	phase              code
	since              int16
	recorded, snapshot uint8
}

type snap struct {
	state code
	// behind: Environments were seen to use the database after it was begun.
	behind bool
}

const (
	names = 4 // of snapshots, the first is none
	never = int16(-100)

	nothing, ours, others, parts = uint8(0), uint8(1), uint8(2), uint8(3)
	answers, errs, lies          = uint8(0), uint8(1), uint8(2)

	uid, mark = "uid-of-claim", "uid-of-data"
)

// code is a word as an index, because a word is too large for a million states.
type code uint8

var (
	policyWords = []v1alpha1.DatabaseDeletionPolicy{v1alpha1.DatabaseRetain, v1alpha1.DatabaseSnapshot, v1alpha1.DatabaseDelete}
	phaseWords  = []v1alpha1.DatabaseDeletionPhase{"", v1alpha1.DeletionProtected, v1alpha1.DeletionInUse, v1alpha1.DeletionUnconfirmed, v1alpha1.DeletionRefused,
		v1alpha1.DeletionSnapshotting, v1alpha1.DeletionCooling, v1alpha1.DeletionDestroying, v1alpha1.DeletionReleasing}
	classWords    = []ClassAnswer{ClassMissing, ClassForbids, ClassAllows}
	snapshotWords = []SnapshotState{SnapshotNone, SnapshotRunning, SnapshotUsable, SnapshotFailed}
	confirmWords  = []string{"", uid, "uid-of-another"}
	nameWords     = []string{"", "final-1", "final-2", "final-3"}
	idWords       = []string{"", "id-ours", "id-others"}

	retain, withSnapshot, remove = codeOf(policyWords, v1alpha1.DatabaseRetain), codeOf(policyWords, v1alpha1.DatabaseSnapshot), codeOf(policyWords, v1alpha1.DatabaseDelete)
	cooling, destroying          = codeOf(phaseWords, v1alpha1.DeletionCooling), codeOf(phaseWords, v1alpha1.DeletionDestroying)
	missing, forbids, allows     = codeOf(classWords, ClassMissing), codeOf(classWords, ClassForbids), codeOf(classWords, ClassAllows)
	running, usable, failed      = codeOf(snapshotWords, SnapshotRunning), codeOf(snapshotWords, SnapshotUsable), codeOf(snapshotWords, SnapshotFailed)
	confirmed, mistaken          = codeOf(confirmWords, uid), codeOf(confirmWords, "uid-of-another")
)

func codeOf[T comparable](words []T, word T) code {
	i := slices.Index(words, word)
	if i < 0 {
		panic(fmt.Sprintf("%v is not one of %v", word, words))
	}
	return code(i)
}

var base = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// operator is what runs in the world: the step function, and the duties of the controller. Negative controls break one of them.
type operator struct {
	next func(Observed) Step
	// blind writes without comparing resource versions; hasty destroys without a live read of the claim.
	blind, hasty bool
	delay        int16
}

func (w *world) observe(c claim, op *operator) Observed {
	o := Observed{
		Now: base, Namespace: "team", Claim: "shop", ClassName: "postgres", UID: uid, Requested: base.Add(-1e4 * time.Hour), Edited: c.edited,
		Protected: c.protected, Policy: policyWords[c.policy], Class: classWords[w.class], Confirmation: confirmWords[c.confirm], Provisioned: w.made, RecordedID: idWords[c.recorded],
		OurMark: mark, Delay: time.Duration(op.delay) * AbsentPause, Snapshot: snapshotWords[w.snaps[c.snapshot].state], NewSnapshot: w.fresh(),
		Record: v1alpha1.DatabaseDeletion{Phase: phaseWords[c.phase], Snapshot: nameWords[c.snapshot]},
	}
	if c.phase != 0 {
		o.Record.Since = metav1.NewTime(base.Add(-time.Duration(c.since) * AbsentPause))
	}
	if c.old {
		o.Record.Since = metav1.NewTime(o.Requested.Add(-time.Hour))
	}
	if w.users {
		o.Users = []string{"blue"}
	}
	if w.brake {
		o.Brake = time.Minute
	}
	if w.absent != never {
		o.AbsentSince = new(base.Add(-time.Duration(w.absent) * AbsentPause))
	}
	w.answer(&o)
	return o
}

func (w *world) answer(o *Observed) {
	switch {
	case w.ask == errs:
		o.Snapshot = SnapshotNone // nor can anything be said of snapshots
		return
	case w.ask == lies || w.found == nothing:
		o.Provider = Absent
		return
	}
	o.Provider = Present
	if w.found != parts {
		o.FoundID = idWords[w.found]
	}
	if w.marked {
		o.Mark = mark
	}
}

// fresh is a name that nobody refers to.
func (w *world) fresh() string {
	for i := uint8(1); ; i++ {
		if i != w.live.snapshot && i != w.cache.snapshot {
			return nameWords[i]
		}
	}
}

// agreed is what the rules ask of people, on the live state, and saved what they ask of the snapshot. They share no code with Next.
func (w *world) agreed() bool {
	c := w.live
	return !c.protected && !w.users && w.class == allows &&
		(c.policy == remove && c.confirm == confirmed || c.policy == withSnapshot)
}

func (w *world) saved() bool {
	s := w.snaps[w.live.snapshot]
	return w.live.policy != withSnapshot || s.state == usable && !s.behind
}

// pass lets the operator look, act and record; a crash comes between the last two. It tells what it did, and what it must not have done.
func (w *world) pass(op *operator, crash bool) (did Action, wrong string) {
	seen := w.live
	if w.frozen {
		seen = w.cache
	}
	behind := w.frozen && w.moved
	step := op.next(w.observe(seen, op))
	if w.ask == lies {
		w.ask = answers
	}
	switch step.Action {
	case TakeSnapshot:
		if s := &w.snaps[codeOf(nameWords, step.Record.Snapshot)]; s.state == 0 {
			*s = snap{state: running}
		}
	case Destroy:
		if behind && !op.hasty {
			return Nothing, ""
		}
		if wrong := w.mayDestroy(); wrong != "" {
			return Destroy, wrong
		}
	case KeepRecord, LetGo:
		if crash || behind && !op.blind {
			return Nothing, ""
		}
		w.ended = true
		return step.Action, w.mayEnd(step.Action)
	}
	w.absent = never
	if step.AbsentSince != nil && !crash {
		w.absent = int16(base.Sub(*step.AbsentSince) / AbsentPause)
	}
	if crash || behind && !op.blind {
		return step.Action, ""
	}
	return step.Action, w.record(op, step)
}

func (w *world) mayDestroy() string {
	switch {
	case !w.begun:
		return "destroyed without a recorded leave"
	case !w.marked || w.found != parts && w.found != w.live.recorded:
		return "destroyed what is somebody else's"
	}
	return ""
}

func (w *world) mayEnd(a Action) string {
	switch retained := w.live.policy == retain; {
	case w.live.protected && !w.begun:
		return "let go of a protected claim"
	case a == KeepRecord && !retained:
		return "kept the data against the policy"
	case a == LetGo && w.made && (w.found == ours || w.found == parts):
		return "let go of data without a record"
	}
	return ""
}

// record is the write of status. What the operator saw when it wrote is what the oracle holds against it.
func (w *world) record(op *operator, step Step) string {
	agreed := w.agreed() && w.saved()
	if !w.agreed() || w.ask == answers && !w.saved() {
		w.safe = 0
	}
	for i := range w.snaps {
		w.snaps[i].behind = w.snaps[i].behind || w.users && w.snaps[i].state != 0
	}
	c, before := &w.live, w.live.phase
	r := step.Record
	c.phase, c.old = codeOf(phaseWords, r.Phase), r.Since.Time.Before(base.Add(-1e4*time.Hour))
	c.since = int16(min(base.Sub(r.Since.Time)/AbsentPause, time.Duration(op.delay)))
	c.snapshot = uint8(codeOf(nameWords, r.Snapshot))
	c.recorded = uint8(codeOf(idWords, step.ResourceID))
	c.edited = c.edited && w.moved
	w.moved = true
	defer func() { w.begun = c.phase == destroying }()
	if c.phase != destroying || before == destroying {
		return ""
	}
	switch {
	case !agreed:
		return "began to destroy although somebody does not agree"
	case w.safe < op.delay:
		return fmt.Sprintf("began to destroy %d units after the last state that was not safe", w.safe)
	case w.brake:
		return "began to destroy in spite of the brake"
	case w.ask != answers || w.found == nothing || !w.marked || w.found != c.recorded:
		return "began to destroy what it did not find as ours"
	}
	return ""
}

// normal forgets what nobody can tell apart, so that the state space is finite.
func (w *world) normal() {
	if !w.frozen {
		w.cache, w.moved = claim{}, false
	}
	for _, c := range []*claim{&w.live, &w.cache} {
		if c.phase != cooling {
			c.since = 0
		}
	}
	if w.found == nothing {
		w.marked = false
	}
	to := [names]uint8{}
	next := uint8(1)
	for _, i := range []uint8{w.live.snapshot, w.cache.snapshot} {
		if i != 0 && to[i] == 0 {
			to[i] = next
			next++
		}
	}
	var snaps [names]snap
	for i, t := range to {
		if t != 0 {
			snaps[t] = w.snaps[i]
		}
	}
	w.snaps, w.live.snapshot, w.cache.snapshot = snaps, to[w.live.snapshot], to[w.cache.snapshot]
	if w.ended {
		*w = world{ended: true}
	}
}
