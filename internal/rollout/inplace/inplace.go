// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package inplace rolls out inside one slot by the Deployment's own strategy. Pure; called by internal/rollout.
//
// Promises, for n instances and a batch of b (plan.Batch):
//
//   - AllAtOnce: capacity may reach zero; never more than n instances.
//   - Rolling: never fewer than n-b, never more than n; a single instance is replaced by starting its successor first.
//   - RollingWithAdditionalBatch: never fewer than n, never more than n+b.
//
// A batch that misses its time fails the rollout; instances that still run the old revision keep running.
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

// Next is the next step for the slot.
func Next(want plan.Target, slot snapshot.Slot, r plan.Rollout, with settings.Rollout) plan.Step {
	step := plan.Step{
		Slot: slot.Name, Traffic: slot.Name, Rollout: r, Strategy: Strategy(r.Policy, r.Batch, instances(want, slot), with),
		Updated: fresh(slot, slot.Available), Desired: instances(want, slot),
	}
	switch {
	case slot.Revision != want.Revision || slot.Rebuild != want.Rebuild:
		step.State, step.Begins, step.Updated = plan.InProgress, true, 0
		step.Reason = begins(want.Version, step.Desired, r.Batch)
	case !slot.Settled:
		step.State, step.Updated, step.Reason = plan.InProgress, 0, "waiting for the cluster to take up the change"
	case slot.Complete && (current(slot, r) || counted(slot)):
		step.State, step.Updated, step.Reason = plan.Idle, step.Desired, "all instances are up to date"
	case slot.TimedOut && current(slot, r):
		step.State = plan.Failed
		step.Reason = fmt.Sprintf("%d of %d instances updated and healthy; the next batch was not within %d s", step.Updated, step.Desired, with.TimeoutSeconds)
	default:
		step.State, step.Reason = plan.InProgress, progress(slot, step, with)
		if !slot.ProgressAt.IsZero() && current(slot, r) {
			step.Deadline = slot.ProgressAt.Add(time.Duration(step.Strategy.ProgressDeadlineSeconds) * time.Second)
		}
	}
	return step
}

func begins(version string, n, batch int32) string {
	if n == 1 {
		return "deploying " + version + " to 1 instance"
	}
	return fmt.Sprintf("deploying %s to %d instances, %d at a time", version, n, batch)
}

// progress tells how far a rollout is, without numbers that tick.
func progress(slot snapshot.Slot, step plan.Step, with settings.Rollout) string {
	batches := (step.Desired + step.Rollout.Batch - 1) / step.Rollout.Batch
	batch := min(batches, step.Updated/step.Rollout.Batch+1)
	s := fmt.Sprintf("batch %d of %d: %d of %d instances updated", batch, batches, step.Updated, step.Desired)
	if more := fresh(slot, slot.Ready) - step.Updated; more > 0 && with.GateSeconds > 0 {
		s += fmt.Sprintf(", %d more must stay healthy for %d s", more, with.GateSeconds)
	}
	return s
}

// fresh is how many of the ready, or available, instances have the new revision at least. The Deployment counts both
// revisions together; all the old ones are taken to be among them, so that the number is never too high.
func fresh(slot snapshot.Slot, healthy int32) int32 {
	return max(0, min(slot.Updated, healthy-(slot.Total-slot.Updated)))
}

// current says whether what the Deployment tells of its progress was said since this rollout began. When a revision returns
// whose ReplicaSet still exists, the Deployment controller keeps what it said of the rollout before until it sees progress.
func current(slot snapshot.Slot, r plan.Rollout) bool {
	return slot.ProgressAt.IsZero() || !slot.ProgressAt.Before(r.StartedAt)
}

// counted says whether the counts alone prove that a rollout is complete. This matters when the Deployment never saw progress:
// it looks at none while no old instance exists.
func counted(slot snapshot.Slot) bool {
	return slot.Total == slot.Wanted && slot.Updated == slot.Wanted && slot.Available == slot.Wanted
}

// Strategy translates a policy for n instances and a batch of b.
func Strategy(policy v1alpha1.DeploymentPolicy, batch, n int32, with settings.Rollout) plan.Strategy {
	s := plan.Strategy{MinReadySeconds: with.GateSeconds, ProgressDeadlineSeconds: with.GateSeconds + with.TimeoutSeconds}
	switch {
	case policy == v1alpha1.PolicyAllAtOnce:
		s.MaxSurge, s.MaxUnavailable = intstr.FromInt32(0), intstr.FromString("100%")
	case policy == v1alpha1.PolicyRolling && n > 1:
		s.MaxSurge, s.MaxUnavailable = intstr.FromInt32(0), intstr.FromInt32(min(batch, n))
	default:
		s.MaxSurge, s.MaxUnavailable = intstr.FromInt32(batch), intstr.FromInt32(0)
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
