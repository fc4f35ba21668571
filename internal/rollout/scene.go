// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/inplace"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// scene is a snapshot with the roles of everything in it.
type scene struct {
	want plan.Target
	now  snapshot.Snapshot
	at   time.Time

	// stable is the slot that requests rely on, current the one with the newest rollout, other the one that is not current; nil
	// when there is only one. exists is false when there is none.
	stable, current snapshot.Slot
	other           *snapshot.Slot
	exists          bool
	// recorded is the rollout of the current slot, with its policy.
	recorded plan.Rollout
	with     settings.Rollout
	// goal is what should run: what is wanted, unless that failed here before (blocked); then it is what came back. refused is the
	// release command that failed.
	goal    snapshot.Content
	blocked bool
	refused *snapshot.Release
	// pending is the newest release command that is newer than the current slot; nil when there is none.
	pending *snapshot.Release
}

func look(want plan.Target, now snapshot.Snapshot, at time.Time) scene {
	s := scene{want: want, now: now, at: at, goal: want.Content}
	s.roles()
	s.recorded = plan.Recorded(s.current)
	s.with = s.policy(s.recorded.Type)
	for i, r := range now.Releases {
		if r.ID > s.current.RolloutID && (s.pending == nil || r.ID > s.pending.ID) {
			s.pending = &now.Releases[i]
		}
	}
	if s.pending != nil && s.pending.Failed && s.pending.Change == want.Change {
		s.refused = s.pending
	}
	s.blocked = s.exists && (s.refused != nil || (s.pending == nil && s.failedBefore()))
	if s.blocked {
		s.goal = restarted(s.current.Content, want.Restart)
		s.goal.Rebuild = want.Rebuild
	}
	return s
}

// failedBefore says whether what is wanted failed here last. A release command that is newer shows that something else was wanted
// meanwhile, so look does not ask then. When only a restart failed, the next one is another change.
func (s *scene) failedBefore() bool {
	c := s.current
	if c.Failed.Platform != "" && c.Change == s.want.Change {
		// An update of the platform is nobody's change of the spec: when its time is over, what came back is what is wanted.
		return true
	}
	again := c.Change == s.want.Change && c.Restart != s.want.Restart
	return c.Failed.Change != "" && c.Failed.Change == s.want.Change && !again
}

// roles finds out which slot is which.
func (s *scene) roles() {
	a, hasA := s.now.Slots[snapshot.SlotA]
	b, hasB := s.now.Slots[snapshot.SlotB]
	if hasA && hasB && a.Deleting != b.Deleting {
		hasA, hasB = !a.Deleting, !b.Deleting
	}
	a.Name, b.Name = snapshot.SlotA, snapshot.SlotB
	switch {
	case hasA && hasB:
		s.exists = true
		s.current, s.stable = a, b
		if newer(b, a, s.now.Traffic) {
			s.current, s.stable = b, a
		}
		if s.current.Instances == 0 {
			// What is changed in place needs no second set: this one is left over, and goes.
			s.stable = s.current
			return
		}
		left := s.stable
		s.other = &left
		if s.now.Traffic.Slot == s.current.Name {
			s.stable = s.current
		}
	case hasB:
		s.exists, s.current, s.stable = true, b, b
	default:
		s.exists, s.current, s.stable = hasA, a, a
	}
}

// newer says whether the rollout of slot b is the newer one. Both have the same number only after a failed new set, until that
// is gone: the slot that remembers the failure counts.
func newer(b, a snapshot.Slot, t snapshot.Traffic) bool {
	if a.RolloutID != b.RolloutID {
		return b.RolloutID > a.RolloutID
	}
	if (a.Failed.Change != "") != (b.Failed.Change != "") {
		return b.Failed.Change != ""
	}
	return t.Slot == b.Name
}

// changed says whether a new rollout begins.
func (s scene) changed() bool {
	switch {
	case !s.exists:
		return s.refused == nil
	case s.goal.Revision != s.current.Revision || s.goal.Rebuild != s.current.Rebuild:
		return true
	case s.current.Failed.Change != "" && !s.blocked:
		return true
	default:
		// The user went back while a release command ran, or after it failed.
		return s.pending != nil && s.refused == nil
	}
}

// policy is the one for a type of rollout.
func (s scene) policy(t v1alpha1.DeploymentType) settings.Rollout {
	with := s.want.OnVersion
	switch t {
	case v1alpha1.DeploymentVersion:
		return with
	case v1alpha1.DeploymentPlatformUpdate:
		// Whatever the policies are: nobody may be watching.
		with.Policy, with.OnFailure = v1alpha1.PolicyImmutable, v1alpha1.OnFailureRollback
		return with
	default:
		return s.want.OnConfiguration
	}
}

// classify says why a rollout begins. The version counts first: an update of both brings the new settings with it.
func (s scene) classify() v1alpha1.DeploymentType {
	c, want := s.current, s.goal
	switch {
	case s.exists && c.Rebuild != want.Rebuild:
		return v1alpha1.DeploymentRebuild
	case !s.exists && want.Rebuild != "" && s.want.LastID > 0:
		return v1alpha1.DeploymentRebuild
	case !s.exists || s.departs(func(c snapshot.Content) bool {
		// On another version of the same branch, the same application is built again and has another digest.
		return c.Version != want.Version || branch(c) != branch(want) || c.Platform == want.Platform && c.Digest != want.Digest
	}):
		return v1alpha1.DeploymentVersion
	case !s.blocked && c.Failed.Version != "" && c.Failed.Version != want.Version:
		return v1alpha1.DeploymentVersion
	case s.departs(func(c snapshot.Content) bool { return c.Configuration != want.Configuration }):
		return v1alpha1.DeploymentConfiguration
	case s.departs(func(c snapshot.Content) bool { return c.Platform != want.Platform || c.Stamp != want.Stamp }):
		return v1alpha1.DeploymentPlatformUpdate
	case c.Restart != want.Restart:
		return v1alpha1.DeploymentRestart
	default:
		return v1alpha1.DeploymentConfiguration
	}
}

// branch is the platform and the branch of what runs, without the version.
func branch(c snapshot.Content) string { return c.Platform[:strings.LastIndex(c.Platform, "/")+1] }

// departs says whether the goal is another one than anything that runs or was good. A rollout that is pre-empted in its middle was
// about something too: new settings for a version that was not there yet bring that version.
func (s scene) departs(differs func(snapshot.Content) bool) bool {
	if differs(s.current.Content) || differs(s.stable.Content) {
		return true
	}
	good, ok := s.now.Revisions[s.good()]
	return ok && differs(good.Content)
}

// newest is the highest rollout number that is known.
func (s scene) newest() int64 {
	id := s.want.LastID
	for _, slot := range s.now.Slots {
		id = max(id, slot.RolloutID)
	}
	for _, r := range s.now.Releases {
		id = max(id, r.ID)
	}
	return id
}

// good is the revision that a failure returns to: what the stable slot runs, if that was deployed with success, and what was good
// when it began otherwise. A new set records it for both.
func (s scene) good() string {
	if s.stable.Name == s.current.Name && s.succeeded() {
		return s.current.Template
	}
	return s.current.Good
}

// succeeded says whether what the current slot runs was deployed with success. Status says so; without it, for example after a
// restore, the slot must show it: complete, healthy as far as that is known, and no other set is left.
func (s scene) succeeded() bool {
	r := s.recorded
	switch {
	case s.current.Failed.Change != "" || r.ID == 0:
		return false
	case r.ID == s.want.GoodID:
		return true
	case s.other != nil || !inplace.Done(s.current, r):
		return false
	default:
		healthy := s.want.Judged.Crash == "" && plan.Passes(s.want.Judged.Status, s.with.MinStatus)
		return healthy || s.with.OnFailure == v1alpha1.OnFailureIgnore
	}
}

// unfinished says whether the only slot is on its way, and a failure would lead it back. Nothing is known while the cluster has not
// seen a write, be it only the autoscaler's.
func (s scene) unfinished() bool {
	return s.exists && s.other == nil && s.current.Failed.Change == "" && s.current.Settled && !s.succeeded()
}
