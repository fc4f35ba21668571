// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/inplace"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// fail decides what follows from a failure: what ran before comes back, or everything stays as it is.
func (s scene) fail(step plan.Step, f plan.Failure) plan.Step {
	step.State, step.Failure, step.Reason = plan.Failed, &f, f.Message
	if s.policy(step.Rollout.Type).OnFailure != v1alpha1.OnFailureRollback && f.Reason != v1alpha1.ReasonAborted {
		return step
	}
	memory := snapshot.Failure{Change: step.Target.Change, Version: step.Target.Version, Reason: f.Reason, Message: f.Message}
	if step.Rollout.Type == v1alpha1.DeploymentPlatformUpdate {
		memory.Platform = step.Target.Platform
	}
	r := step.Rollout
	r.StartedAt, r.StageAt, r.Instances, r.Ignored, r.Abort = plan.Whole(s.at), time.Time{}, 0, 0, s.want.Abort
	slot := s.keeps(step)
	failing := slot.Name == s.current.Name && step.Release == nil
	content, ok := s.before(slot, failing)
	if f.Reason == v1alpha1.ReasonAborted && !failing {
		// Who aborts wants what ran before, good or not.
		content, ok = slot.Content, true
	}
	if !ok {
		step.Reason += "; there is nothing to roll back to"
		return step
	}
	return s.returnTo(step, slot, content, r, memory)
}

// keeps is the slot that stays when a rollout fails.
func (s scene) keeps(step plan.Step) snapshot.Slot {
	switch {
	case step.Release != nil:
		return s.stable
	case s.other != nil:
		return *s.other
	default:
		return s.current
	}
}

// before is the last good content of a slot; false when there is none. A slot that did not fail itself keeps what it has when
// nothing better is known.
func (s scene) before(slot snapshot.Slot, failing bool) (snapshot.Content, bool) {
	revision := s.current.Good
	if !failing {
		revision = s.good()
	}
	good, ok := s.now.Revisions[revision]
	if !ok || revision == slot.Template {
		return slot.Content, !failing
	}
	good.Rebuild = s.goal.Rebuild
	return good.Content, true
}

// returnTo brings content back in a slot, which remembers what failed. Other slots, and release commands, go.
func (s scene) returnTo(step plan.Step, slot snapshot.Slot, content snapshot.Content, r plan.Rollout, memory snapshot.Failure) plan.Step {
	if content.Revision == slot.Revision {
		// Nothing begins here, so what the Deployment says of its progress still counts.
		r.StartedAt = slot.StartedAt
		if inplace.Done(slot, r) {
			r.StageAt = plan.Whole(s.at)
		}
	}
	// The restart, and the update, that was asked for is part of what failed.
	content.Restart, content.Request = s.goal.Restart, s.goal.Request
	kept := plan.Slot{Name: slot.Name, Content: content, Rollout: r, Strategy: s.changing(slot, r), Good: content.Template, Failed: memory}
	if content.Revision == slot.Revision {
		kept.Strategy = s.rest(slot, r)
	}
	step.Slots, step.Release = []plan.Slot{kept}, nil
	step.Current, step.Stable = slot.Name, slot.Name
	step.Traffic, step.Scaler = s.requests(slot.Name), plan.Scaler{Slot: slot.Name}
	step.Rollout, step.Target = r, content
	step.State, step.Updated, step.Deadline, step.Wake = plan.RollingBack, 0, time.Time{}, time.Time{}
	step.Reason = fmt.Sprintf("%s; going back to %s", told(memory), content.Version)
	return step
}

// rolledBack follows the return to what ran before, and then keeps it. When that came back is written on the slot as the beginning
// of a stage, as status says it of a success: what becomes of the instances later, and scaling them, is not the rollback's doing.
func (s scene) rolledBack() plan.Step {
	want := s.aim()
	want.Abort, want.Judged = "", plan.Judgement{}
	// A rollback that cannot go on stops, whatever the policy says of failures.
	with := s.with
	with.OnFailure = v1alpha1.OnFailurePause
	if returned := !s.recorded.StageAt.IsZero(); returned {
		want.GoodID = s.recorded.ID
	}
	p := inplace.Next(want, s.current, s.recorded, with, s.at)
	slot := plan.Kept(s.current, p.Strategy)
	slot.Request = s.want.Request
	if p.State == plan.Idle && slot.Rollout.StageAt.IsZero() {
		slot.Rollout.StageAt = plan.Whole(s.at)
	}
	step := s.step(p, slot)
	step.Slots = []plan.Slot{slot}
	step.Traffic, step.Scaler = s.requests(slot.Name), plan.Scaler{Slot: slot.Name}
	failed := s.current.Failed
	step.Failure = &plan.Failure{Reason: failed.Reason, Message: failed.Message}
	what := told(failed)
	switch p.State {
	case plan.Idle:
		step.State, step.Reason = plan.RolledBack, fmt.Sprintf("%s; %s runs again", what, s.current.Version)
	case plan.Failed:
		step.State, step.Reason = plan.RollbackFailed, fmt.Sprintf("%s, and %s did not come back: %s", what, s.current.Version, p.Reason)
	default:
		step.State, step.Reason = plan.RollingBack, fmt.Sprintf("%s; going back to %s: %s", what, s.current.Version, p.Reason)
	}
	return step
}

// releaseFailed keeps everything as it is after the release command failed.
func (s scene) releaseFailed() plan.Step {
	step := s.unchanged()
	failure := s.refusal()
	step.Rollout = plan.Rollout{
		ID: s.refused.ID, Type: v1alpha1.DeploymentType(s.refused.RolloutType), Policy: v1alpha1.DeploymentPolicy(s.refused.Policy),
		Batch: 1, StartedAt: s.refused.StartedAt, Abort: s.refused.Abort,
	}
	step.State, step.Failure, step.Updated = plan.Failed, &failure, 0
	step.Target, step.Release = s.want.Content, &step.Rollout
	step.Reason = failure.Message + "; nothing was changed"
	step.Deadline = time.Time{}
	if s.unfinished() {
		// What runs was on its way when it was pre-empted, and nobody has seen it work.
		return s.fail(step, failure)
	}
	return step
}

// refusal is why the release command refused a rollout.
func (s scene) refusal() plan.Failure {
	message := "the release command failed"
	if s.refused.Message != "" {
		message += ": " + s.refused.Message
	}
	return plan.Failure{Reason: v1alpha1.ReasonReleaseCommandFailed, Message: message}
}

// told is a failure as a sentence. What somebody aborted has not failed.
func told(f snapshot.Failure) string {
	if f.Reason == v1alpha1.ReasonAborted {
		return f.Version + " was aborted by annotation " + v1alpha1.AnnotationAbortRequested
	}
	if f.Platform != "" {
		return f.Version + " on platform " + f.Platform + " failed: " + f.Message
	}
	return f.Version + " failed: " + f.Message
}

// aborts says whether somebody asked for the end of this rollout, in time.
func (s scene) aborts(p plan.Progress) bool {
	return s.want.Abort != "" && s.want.Abort != s.recorded.Abort && p.State != plan.Idle
}

func aborted() *plan.Failure {
	return &plan.Failure{Reason: v1alpha1.ReasonAborted, Message: "it was aborted by annotation " + v1alpha1.AnnotationAbortRequested}
}
