// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/inplace"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/twoslot"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// begin starts a new rollout: with its release command if it has one, then with the policy that its type asks for.
func (s scene) begin() plan.Step {
	r := s.number()
	if s.releases(r.Type) {
		if ready := s.released(); ready == nil || !ready.Succeeded {
			return s.release(r, ready)
		}
		r.ID, r.Abort = s.pending.ID, s.pending.Abort
	}
	with := s.policy(r.Type)
	if s.besides(r.Type, with) {
		return s.beginBeside(r, with)
	}
	return s.beginInPlace(r, with)
}

// number makes a new rollout.
func (s scene) number() plan.Rollout {
	kind := s.classify()
	with := s.policy(kind)
	n := s.size()
	batch := plan.Batch(with.BatchSize, n)
	if !s.exists || with.Policy == v1alpha1.PolicyAllAtOnce {
		// Nothing is spared, so all start together.
		batch = max(1, n)
	}
	return plan.Rollout{
		ID: s.newest() + 1, Type: kind, Policy: with.Policy, Batch: batch, StartedAt: plan.Whole(s.at), Abort: s.want.Abort,
	}
}

// size is how many instances there should be.
func (s scene) size() int32 {
	if s.want.Scaled && s.exists {
		return s.stable.Wanted
	}
	return s.want.Desired
}

// besides says whether a second set is started. Nothing is spared by one when nothing runs, or when all is made again. What came back
// stays in its slot, which remembers what failed.
func (s scene) besides(kind v1alpha1.DeploymentType, with settings.Rollout) bool {
	return settings.TwoSlots(with.Policy) && s.exists && !s.blocked && kind != v1alpha1.DeploymentRebuild && s.size() > 0 && s.stable.Wanted > 0 &&
		s.goal.Revision != s.stable.Revision
}

func (s scene) beginInPlace(r plan.Rollout, with settings.Rollout) plan.Step {
	slot := s.stable
	p := inplace.Begin(s.aim(), slot, r, with)
	kept := plan.Slot{Name: slot.Name, Content: s.goal, Rollout: r, Strategy: p.Strategy, Good: s.good()}
	if s.blocked {
		kept.Failed = s.memory()
	}
	step := s.step(p, kept)
	step.Begins, step.Slots = true, []plan.Slot{kept}
	step.Traffic, step.Scaler = s.requests(slot.Name), plan.Scaler{Slot: slot.Name}
	step.Extra = p.Peak - p.Desired
	if !s.exists {
		step.Extra, step.Peak = p.Desired, p.Desired
	}
	return step
}

// memory is what failed and is not tried again.
func (s scene) memory() snapshot.Failure {
	if s.refused == nil {
		return s.current.Failed
	}
	f := s.refusal()
	return snapshot.Failure{Change: s.refused.Change, Version: s.refused.Version, Reason: f.Reason, Message: f.Message}
}

func (s scene) beginBeside(r plan.Rollout, with settings.Rollout) plan.Step {
	r.Instances, r.StageAt = s.size(), plan.Whole(s.at)
	p := twoslot.Begin(s.aim(), r, s.ready(), with)
	fresh := plan.Slot{Name: other(s.stable.Name), Content: s.goal, Rollout: p.Rollout, Strategy: p.Strategy, Replicas: p.Replicas, Good: s.good()}
	step := s.step(p, fresh)
	step.Begins, step.Slots = true, s.pair(fresh, plan.Kept(s.stable, s.rest(s.stable, plan.Recorded(s.stable))))
	step.Stable, step.Traffic = s.stable.Name, s.requests(s.stable.Name)
	step.Scaler = plan.Scaler{Slot: s.stable.Name, Hold: r.Instances}
	step.Extra = r.Instances
	return step
}

// ready is how many instances of what is wanted the other slot still has: the user goes back during the hold.
func (s scene) ready() int32 {
	if s.other != nil && s.stable.Name == s.current.Name && s.other.Revision == s.goal.Revision {
		return s.other.Wanted
	}
	return 0
}

// releases says whether a rollout has a release command: every one but a restart and an update of the platform, which have the version
// for which it ran, and what only brings back what runs in the stable slot.
func (s scene) releases(kind v1alpha1.DeploymentType) bool {
	same := kind == v1alpha1.DeploymentRestart || kind == v1alpha1.DeploymentPlatformUpdate
	return s.want.Release && !s.blocked && !same && (!s.exists || s.goal.Change != s.stable.Change)
}

// released is the release command that was made for this rollout; nil when there is none yet.
func (s scene) released() *snapshot.Release {
	if s.pending != nil && s.pending.Change == s.goal.Change && !s.pending.Deleting {
		return s.pending
	}
	return nil
}

// release is the step that runs the release command, before anything changes.
func (s scene) release(r plan.Rollout, running *snapshot.Release) plan.Step {
	step := s.unchanged()
	step.State, step.Begins, step.Updated, step.Target = plan.InProgress, true, 0, s.goal
	switch {
	case running != nil:
		r.ID, r.StartedAt, r.Abort = running.ID, running.StartedAt, running.Abort
		step.Begins = false
		step.Reason = "running the release command of " + s.goal.Version + "; nothing is changed before it has succeeded"
	case s.pending != nil && !s.pending.Succeeded && !s.pending.Failed:
		r.ID = s.pending.ID
		step.Rollout, step.Begins = r, false
		step.Reason = fmt.Sprintf("waiting until the release command of deployment %d has stopped", s.pending.ID)
		return step
	default:
		step.Reason = "starting the release command of " + s.goal.Version
	}
	step.Rollout, step.Release = r, &r
	if running != nil && s.want.Abort != "" && s.want.Abort != r.Abort && s.exists {
		return s.fail(step, *aborted())
	}
	return step
}

// unchanged is a step that changes nothing for a release command. A new set that gets no requests, or a share, goes at once: what is
// wanted now is another one. One that has them all goes on to its end.
func (s scene) unchanged() plan.Step {
	if !s.exists {
		return plan.Step{Desired: s.want.Desired, Traffic: plan.Traffic{Slot: snapshot.SlotA}, Scaler: plan.Scaler{Slot: snapshot.SlotA}}
	}
	if s.other != nil && s.stable.Name == s.current.Name {
		kept := s
		kept.goal, kept.want.Content, kept.want.Abort = s.current.Content, s.current.Content, s.current.Abort
		step := kept.goOn()
		step.Failure = nil
		return step
	}
	slot, n := plan.Kept(s.stable, s.rest(s.stable, plan.Recorded(s.stable))), s.stable.Wanted
	return plan.Step{
		Slots: []plan.Slot{slot}, Current: slot.Name, Stable: slot.Name, Rollout: slot.Rollout, Target: slot.Content,
		Traffic: s.requests(slot.Name), Scaler: plan.Scaler{Slot: slot.Name}, Desired: n, Updated: n, Peak: n,
	}
}
