// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package inplace decides the steps of the policies that change one slot: AllAtOnce, Rolling and RollingWithAdditionalBatch. Pure;
// called by internal/rollout.
//
// The batches are the Deployment controller's: a policy becomes a strategy, and the health gate becomes minReadySeconds, whose
// clock starts again whenever an instance fails. So no step is needed between the batches, and a rollout goes on while the
// operator is away. With n instances and batches of b, after ceil(b) as in plan.Batch:
//
//   - AllAtOnce: never more than n instances, maybe none that serves.
//   - Rolling: never fewer than n-b, never more than n; a single instance is replaced by starting its successor first.
//   - RollingWithAdditionalBatch: never fewer than n, never more than n+b.
//
// A batch that misses its time fails the rollout; instances that still run the old revision keep running. With onFailure Ignore
// the next batch goes on instead: one more batch may be unavailable for each that was given up.
//
// When the number of instances changes in the middle, Kubernetes spreads the change over old and new ones in proportion to what
// they were a part of when it last sized them: n instances and the surge of that moment. An old set that was sized under a larger
// surge than the present one would lose healthy instances. So what an autoscaler may size at any time rests with a surge of one.
package inplace

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// lateness is how long after its time a rollout whose instances all run may still fail for its health. Later, for example after
// a restore without status, nobody knows any more whether it is the rollout's fault.
const lateness = 2 * time.Minute

// upToDate is the reason of a rollout that is done.
const upToDate = "all instances are up to date"

// Begin is the first step of a rollout.
func Begin(want plan.Target, slot snapshot.Slot, r plan.Rollout, with settings.Rollout) plan.Progress {
	p := base(want, slot, r, with)
	p.State, p.Updated, p.Reason = plan.InProgress, 0, begins(want.Version, p)
	return p
}

// Next is the next step for a slot whose rollout has begun. Once it ended well, it is over: what becomes of the instances later is
// not the rollout's doing, and scaling is none.
func Next(want plan.Target, slot snapshot.Slot, r plan.Rollout, with settings.Rollout, at time.Time) plan.Progress {
	p := next(want, slot, r, with, at)
	if p.State == plan.Idle {
		p.Strategy = Resting(p.Strategy, want.Scaled)
	}
	return p
}

func next(want plan.Target, slot snapshot.Slot, r plan.Rollout, with settings.Rollout, at time.Time) plan.Progress {
	p := base(want, slot, r, with)
	deadline := began(slot, r).Add(plan.Limit(with))
	// The Deployment controller counts from the progress before this rollout until it sees some of this one.
	first := r.StartedAt.Add(plan.Limit(with))
	// It is asked, but not relied on: under load it was seen to miss its own deadline for good (TestModel).
	late := (slot.TimedOut && current(slot, r) && !at.Before(first)) || at.After(deadline)
	switch {
	case want.GoodID == r.ID && r.Ignored > 0:
		return ignored(p)
	case want.GoodID == r.ID:
		p.State, p.Updated, p.Reason = plan.Idle, p.Desired, upToDate
	case !slot.Settled:
		p.State, p.Updated, p.Reason = plan.InProgress, 0, "waiting for the cluster to take up the change"
	case Done(slot, r):
		return complete(want, p, r, with, deadline, at)
	case late && with.OnFailure == v1alpha1.OnFailureIgnore:
		return ignore(p, slot, with, at)
	case late:
		return failed(p, v1alpha1.ReasonTimedOut,
			fmt.Sprintf("%d of %d instances are updated and healthy; the next batch was not within %d s", p.Updated, p.Desired, with.TimeoutSeconds))
	case want.Judged.Crash != "" && with.OnFailure != v1alpha1.OnFailureIgnore:
		return failed(p, v1alpha1.ReasonInstancesCrashed, want.Judged.Crash)
	default:
		p.State, p.Reason, p.Deadline = plan.InProgress, progress(slot, p, with), deadline
		p.Wake = deadline.Add(time.Second)
	}
	return p
}

func base(want plan.Target, slot snapshot.Slot, r plan.Rollout, with settings.Rollout) plan.Progress {
	n := instances(want, slot)
	p := plan.Progress{
		Rollout: r, Strategy: Strategy(r.Policy, r.Batch, n, r.Ignored, with), Updated: min(n, plan.Fresh(slot, slot.Available)), Desired: n, Settled: true, Moved: true,
	}
	p.Peak = n + int32(p.Strategy.MaxSurge.IntValue())
	if r.ID == 1 {
		// Nothing is replaced, and an autoscaler may change the number before all are healthy.
		p.Strategy = Resting(p.Strategy, want.Scaled)
	}
	return p
}

func failed(p plan.Progress, reason, message string) plan.Progress {
	p.State, p.Reason, p.Failure = plan.Failed, message, &plan.Failure{Reason: reason, Message: message}
	return p
}

// complete is a rollout whose instances all run. Health has the last word, within the rollout's time.
func complete(want plan.Target, p plan.Progress, r plan.Rollout, with settings.Rollout, deadline, at time.Time) plan.Progress {
	judge := with.OnFailure != v1alpha1.OnFailureIgnore && !plan.Passes(want.Judged.Status, with.MinStatus)
	switch {
	case !judge || at.After(deadline.Add(lateness)):
		p.State, p.Updated, p.Reason = plan.Idle, p.Desired, upToDate
	case at.After(deadline):
		return failed(p, v1alpha1.ReasonHealthBelowMinimum, fmt.Sprintf("all instances run, but their health is %s; at least %s is required",
			want.Judged.Status, with.MinStatus))
	default:
		p.State, p.Deadline, p.Wake = plan.InProgress, deadline, deadline.Add(time.Second)
		p.Reason = fmt.Sprintf("all instances run; their health is %s, and at least %s is required", want.Judged.Status, with.MinStatus)
	}
	return p
}

// ignored is a rollout that is done although not all instances became healthy.
func ignored(p plan.Progress) plan.Progress {
	p.State, p.Reason = plan.Idle, upToDate
	if p.Updated < p.Desired {
		p.Reason = fmt.Sprintf("%d of %d instances are healthy; the others are ignored, as onFailure says", p.Updated, p.Desired)
	}
	return p
}

// ignore gives up a batch that missed its time and lets the next one go on.
func ignore(p plan.Progress, slot snapshot.Slot, with settings.Rollout, at time.Time) plan.Progress {
	if slot.Total == slot.Updated && slot.Total >= slot.Wanted {
		return ignored(p)
	}
	p.State = plan.InProgress
	p.Reason = fmt.Sprintf("a batch was not healthy within %d s and is ignored; the next one goes on: %d of %d instances are healthy",
		with.TimeoutSeconds, p.Updated, p.Desired)
	// The Deployment says that it timed out until it sees progress; one batch is given up for each time that passes.
	if next := p.Rollout.StageAt.Add(plan.Limit(with)); !p.Rollout.StageAt.IsZero() && at.Before(next) {
		p.Deadline, p.Wake = next, next.Add(time.Second)
		return p
	}
	p.Rollout.Ignored++
	p.Rollout.StageAt = plan.Whole(at)
	p.Strategy = Strategy(p.Rollout.Policy, p.Rollout.Batch, p.Desired, p.Rollout.Ignored, with)
	return p
}

func begins(version string, p plan.Progress) string {
	if p.Desired == 1 {
		return "deploying " + version + " to 1 instance"
	}
	return fmt.Sprintf("deploying %s to %d instances, %d at a time", version, p.Desired, p.Rollout.Batch)
}

// progress tells how far a rollout is, without numbers that tick.
func progress(slot snapshot.Slot, p plan.Progress, with settings.Rollout) string {
	size := p.Rollout.Batch
	batches := (p.Desired + size - 1) / size
	batch := min(batches, p.Updated/size+1)
	done := p.Updated - (batch-1)*size
	of := min(size, p.Desired-(batch-1)*size)
	s := fmt.Sprintf("batch %d of %d: %d of %d instances healthy", batch, batches, done, of)
	if more := min(p.Desired, plan.Fresh(slot, slot.Ready)) - p.Updated; more > 0 && with.GateSeconds > 0 {
		s += fmt.Sprintf(", %d must stay so for %d s", more, with.GateSeconds)
	}
	return s + fmt.Sprintf("; %d of %d updated in all", p.Updated, p.Desired)
}

// current says whether what the Deployment tells of its progress was said since this rollout began. When a revision returns
// whose ReplicaSet still exists, the Deployment controller keeps what it said of the rollout before until it sees progress.
// What was said in its first second may still be about the one before.
func current(slot snapshot.Slot, r plan.Rollout) bool {
	return slot.ProgressAt.IsZero() || slot.ProgressAt.After(r.StartedAt)
}

// Done says whether the rollout of a slot is complete, as far as the slot itself shows it.
func Done(slot snapshot.Slot, r plan.Rollout) bool {
	return slot.Settled && slot.Complete && (current(slot, r) || counted(slot))
}

// began is when the present batch did.
func began(slot snapshot.Slot, r plan.Rollout) time.Time {
	if slot.ProgressAt.After(r.StartedAt) {
		return slot.ProgressAt
	}
	return r.StartedAt
}

// counted says whether the counts alone prove that a rollout is complete. This matters when the Deployment never saw progress:
// it looks at none while no old instance exists.
func counted(slot snapshot.Slot) bool {
	return slot.Total == slot.Wanted && slot.Updated == slot.Wanted && slot.Available == slot.Wanted
}

// Strategy translates a policy for n instances and batches of b, of which some were given up.
func Strategy(policy v1alpha1.DeploymentPolicy, batch, n, ignored int32, with settings.Rollout) plan.Strategy {
	s := plan.Strategy{MinReadySeconds: with.GateSeconds, ProgressDeadlineSeconds: with.GateSeconds + with.TimeoutSeconds}
	switch {
	case policy == v1alpha1.PolicyAllAtOnce:
		s.MaxSurge, s.MaxUnavailable = intstr.FromInt32(0), intstr.FromString("100%")
	case policy == v1alpha1.PolicyRolling && n > 1:
		s.MaxSurge, s.MaxUnavailable = intstr.FromInt32(0), intstr.FromInt32(min(batch*(1+ignored), n))
	default:
		s.MaxSurge, s.MaxUnavailable = intstr.FromInt32(batch), intstr.FromInt32(min(batch*ignored, n))
	}
	return s
}

// Resting is the strategy of a slot in which nothing is under way; see the comment of the package.
func Resting(s plan.Strategy, scaled bool) plan.Strategy {
	if scaled && s.MaxSurge.IntValue() > 1 {
		s.MaxSurge = intstr.FromInt32(1)
	}
	return s
}

// instances is how many should run: what the Deployment has, because a scaler may own it, or the start value.
func instances(want plan.Target, slot snapshot.Slot) int32 {
	if slot.RolloutID == 0 {
		return want.Desired
	}
	return slot.Wanted
}
