// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/inplace"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

func TestStrategy(t *testing.T) {
	t.Parallel()
	number, percent := intstr.FromInt32, intstr.FromString
	for _, tc := range []struct {
		name               string
		policy             v1alpha1.DeploymentPolicy
		batch, n           int32
		surge, unavailable intstr.IntOrString
	}{
		{"all at once", v1alpha1.PolicyAllAtOnce, 2, 4, number(0), percent("100%")},
		{"all at once, one instance", v1alpha1.PolicyAllAtOnce, 1, 1, number(0), percent("100%")},
		{"rolling", v1alpha1.PolicyRolling, 2, 4, number(0), number(2)},
		{"rolling, a batch larger than what is left after scaling down", v1alpha1.PolicyRolling, 9, 4, number(0), number(4)},
		{"rolling, one instance surges", v1alpha1.PolicyRolling, 1, 1, number(1), number(0)},
		{"rolling, no instance", v1alpha1.PolicyRolling, 1, 0, number(1), number(0)},
		{"additional batch", v1alpha1.PolicyRollingWithAdditionalBatch, 2, 4, number(2), number(0)},
		{"additional batch, one instance", v1alpha1.PolicyRollingWithAdditionalBatch, 1, 1, number(1), number(0)},
		{"first deployment of a policy with two slots", v1alpha1.PolicyImmutable, 2, 4, number(2), number(0)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := inplace.Strategy(tc.policy, tc.batch, tc.n, 0, settings.Rollout{GateSeconds: 30, TimeoutSeconds: 600})
			want := plan.Strategy{MaxSurge: tc.surge, MaxUnavailable: tc.unavailable, MinReadySeconds: 30, ProgressDeadlineSeconds: 630}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Strategy (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	before, after := start.Add(-time.Hour), start.Add(time.Minute)
	// A batch has 630 s, from the last progress or from the beginning.
	end, late := start.Add(630*time.Second), after.Add(630*time.Second)
	for _, tc := range []struct {
		name    string
		at      time.Time
		slot    snapshot.Slot
		state   plan.State
		updated int32
		reason  string
	}{
		{"the cluster has not seen it", after, snapshot.Slot{Complete: true, Total: 4, Updated: 4, Available: 4},
			plan.InProgress, 0, "waiting for the cluster to take up the change"},
		{"old instances do not count", after, snapshot.Slot{Settled: true, Total: 6, Updated: 2, Ready: 4, Available: 4, ProgressAt: after},
			plan.InProgress, 0, "batch 1 of 2: 0 of 2 instances healthy; 0 of 4 updated in all"},
		{"a batch waits for the gate", after, snapshot.Slot{Settled: true, Total: 6, Updated: 2, Ready: 6, Available: 4, ProgressAt: after},
			plan.InProgress, 0, "batch 1 of 2: 0 of 2 instances healthy, 2 must stay so for 30 s; 0 of 4 updated in all"},
		{"the second batch", after, snapshot.Slot{Settled: true, Total: 6, Updated: 4, Ready: 4, Available: 4, ProgressAt: after},
			plan.InProgress, 2, "batch 2 of 2: 0 of 2 instances healthy; 2 of 4 updated in all"},
		{"done", after, snapshot.Slot{Settled: true, Complete: true, Total: 4, Updated: 4, Ready: 4, Available: 4, ProgressAt: after},
			plan.Idle, 4, "all instances are up to date"},
		{"done, and one fell ill since", after, snapshot.Slot{Settled: true, Complete: true, Total: 4, Updated: 4, Ready: 3, Available: 3, ProgressAt: after},
			plan.Idle, 4, "all instances are up to date"},
		{"the rollout before was complete, this one is not", after, snapshot.Slot{Settled: true, Complete: true, Total: 4, Ready: 4, Available: 4, ProgressAt: before},
			plan.InProgress, 0, "batch 1 of 2: 0 of 2 instances healthy; 0 of 4 updated in all"},
		{"done, but the cluster speaks of the rollout before", after, snapshot.Slot{Settled: true, Complete: true, Total: 4, Updated: 4, Ready: 4, Available: 4, ProgressAt: before},
			plan.Idle, 4, "all instances are up to date"},
		{"timed out, says the Deployment", end, snapshot.Slot{Settled: true, TimedOut: true, Total: 4, Updated: 3, Ready: 2, Available: 2, ProgressAt: end},
			plan.Failed, 1, "1 of 4 instances are updated and healthy; the next batch was not within 600 s"},
		{"timed out, says the Deployment too early, because it counts from the rollout before", after,
			snapshot.Slot{Settled: true, TimedOut: true, Total: 4, Updated: 3, Ready: 2, Available: 2, ProgressAt: after},
			plan.InProgress, 1, "batch 1 of 2: 1 of 2 instances healthy; 1 of 4 updated in all"},
		{"timed out, but the Deployment never says so", late.Add(time.Second), snapshot.Slot{Settled: true, Total: 4, Updated: 3, Ready: 2, Available: 2, ProgressAt: after},
			plan.Failed, 1, "1 of 4 instances are updated and healthy; the next batch was not within 600 s"},
		{"in its last second", late, snapshot.Slot{Settled: true, Total: 4, Updated: 3, Ready: 2, Available: 2, ProgressAt: after},
			plan.InProgress, 1, "batch 1 of 2: 1 of 2 instances healthy; 1 of 4 updated in all"},
		{"timed out, and the Deployment still speaks of the rollout before", end.Add(time.Second),
			snapshot.Slot{Settled: true, Complete: true, Total: 4, Updated: 2, Ready: 2, Available: 2, ProgressAt: before},
			plan.Failed, 0, "0 of 4 instances are updated and healthy; the next batch was not within 600 s"},
		{"the rollout before timed out, this one has not", after, snapshot.Slot{Settled: true, TimedOut: true, Total: 4, Updated: 2, Ready: 2, Available: 2, ProgressAt: before},
			plan.InProgress, 0, "batch 1 of 2: 0 of 2 instances healthy; 0 of 4 updated in all"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.slot.Name, tc.slot.RolloutID, tc.slot.Wanted = "a", 7, 4
			r := plan.Rollout{ID: 7, Policy: v1alpha1.PolicyRollingWithAdditionalBatch, Batch: 2, StartedAt: start}
			got := inplace.Next(plan.Target{Desired: 9}, tc.slot, r, settings.Rollout{GateSeconds: 30, TimeoutSeconds: 600}, tc.at)
			if got.State != tc.state || got.Updated != tc.updated || got.Reason != tc.reason || got.Desired != 4 {
				t.Errorf("Next = %s, %d of %d updated, %q\n want %s, %d of 4 updated, %q",
					got.State, got.Updated, got.Desired, got.Reason, tc.state, tc.updated, tc.reason)
			}
			deadline := time.Time{}
			if tc.state == plan.InProgress && tc.slot.Settled {
				deadline = end
				if tc.slot.ProgressAt.Equal(after) {
					deadline = late
				}
			}
			if !got.Deadline.Equal(deadline) {
				t.Errorf("Deadline = %v, want %v", got.Deadline, deadline)
			}
		})
	}
}
