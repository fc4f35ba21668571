// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package twoslot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/twoslot"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// in is a moment some seconds after the rollout began.
func in(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// fresh is a new set in slot b, of which some of the instances that exist are healthy.
func fresh(policy v1alpha1.DeploymentPolicy, wanted, healthy int32) snapshot.Slot {
	return snapshot.Slot{
		Name: snapshot.SlotB, RolloutID: 8, Policy: string(policy), StartedAt: start, StageAt: start, Instances: 4,
		Settled: true, Wanted: wanted, Total: wanted, Updated: wanted, Ready: healthy, Available: healthy,
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	const immutable, splitting = v1alpha1.PolicyImmutable, v1alpha1.PolicyTrafficSplitting
	type tweak = func(*plan.Target, *twoslot.Sides, *settings.Rollout)
	moved := func(_ *plan.Target, s *twoslot.Sides, _ *settings.Rollout) {
		s.Traffic = snapshot.Traffic{Slot: snapshot.SlotB, ServiceSince: in(60)}
	}
	weighted := func(w *plan.Target, _ *twoslot.Sides, _ *settings.Rollout) { w.Weighted = true }
	evaluates := func(w *plan.Target, s *twoslot.Sides, _ *settings.Rollout) {
		w.Weighted, s.Traffic.Weight, s.Traffic.RouteSince = true, 20, in(60)
	}
	worker := func(w *plan.Target, s *twoslot.Sides, _ *settings.Rollout) {
		w.Routed, s.Traffic = false, snapshot.Traffic{}
	}
	ill := func(w *plan.Target, _ *twoslot.Sides, _ *settings.Rollout) { w.Judged.Status = v1alpha1.HealthSevere }
	crash := func(w *plan.Target, _ *twoslot.Sides, _ *settings.Rollout) { w.Judged.Crash = "exit code 1" }
	ignore := func(_ *plan.Target, _ *twoslot.Sides, with *settings.Rollout) {
		with.OnFailure = v1alpha1.OnFailureIgnore
	}
	old := func(n int32) tweak {
		return func(_ *plan.Target, s *twoslot.Sides, _ *settings.Rollout) { s.Old.Wanted = n }
	}
	stage := func(seconds int) tweak {
		return func(_ *plan.Target, s *twoslot.Sides, _ *settings.Rollout) { s.Fresh.StageAt = in(seconds) }
	}
	// limit is when a stage that began with the rollout times out: 600 s and the gate.
	const limit = 630
	for _, tc := range []struct {
		name     string
		fresh    snapshot.Slot
		at       int
		with     []tweak
		state    plan.State
		replicas int32
		split    int32
		moved    bool
		settled  bool
		wake     int
		reason   string
	}{
		{"first: one instance starts", fresh(immutable, 1, 0), 10, nil, plan.InProgress, 1, 0, false, false, limit + 1, "starting the first of 4 new instances: 0 of 1 healthy"},
		{"first: it passes", fresh(immutable, 1, 1), 40, nil, plan.InProgress, 4, 0, false, false, 0, "1 of 4 new instances are started and healthy; starting the others"},
		{"first: in its last second", fresh(immutable, 1, 0), limit, nil, plan.InProgress, 1, 0, false, false, limit + 1, "starting the first of 4"},
		{"first: it is late", fresh(immutable, 1, 0), limit + 1, nil, plan.Failed, 1, 0, false, false, 0, "0 of 1 new instances are healthy; the others were not within 600 s"},
		{"first: it is late and ignored", fresh(immutable, 1, 0), limit + 1, []tweak{ignore}, plan.InProgress, 4, 0, false, false, 0, "0 of 4 new instances are started"},
		{"first: it crashes", fresh(immutable, 1, 0), 40, []tweak{crash}, plan.Failed, 1, 0, false, false, 0, "exit code 1"},
		{"all: three of four", fresh(immutable, 4, 3), 50, []tweak{stage(40)}, plan.InProgress, 4, 0, false, false, limit + 41, "starting all new instances: 3 of 4 healthy"},
		{"all: all pass", fresh(immutable, 4, 4), 80, nil, plan.InProgress, 4, 0, true, false, 140, "all requests go to the new instances; the old ones are kept for 60 s"},
		{"all: all pass, their health does not", fresh(immutable, 4, 4), 80, []tweak{ill}, plan.InProgress, 4, 0, false, false, limit + 1, "the new instances run; their health is Severe"},
		{"all: their health does not in time", fresh(immutable, 4, 4), limit + 1, []tweak{ill}, plan.Failed, 4, 0, false, false, 0, "the new instances run, but their health is Severe"},
		{"all: the old set grew before the autoscaler was held", fresh(immutable, 4, 4), 80, []tweak{old(6)}, plan.InProgress, 6, 0, false, false, 0, "4 of 6 new instances are started and healthy"},
		{"all: the old set shrank", fresh(immutable, 4, 4), 80, []tweak{old(2)}, plan.InProgress, 2, 0, true, false, 140, "all requests go to the new instances"},
		{"hold", fresh(immutable, 4, 4), 119, []tweak{moved}, plan.InProgress, 4, 0, true, false, 120, "all requests go to the new instances; the old ones are kept for 60 s"},
		{"hold: the old set is not followed any more", fresh(immutable, 4, 4), 119, []tweak{moved, old(6)}, plan.InProgress, 4, 0, true, false, 120, "all requests go"},
		{"hold: ill", fresh(immutable, 4, 4), 119, []tweak{moved, ill}, plan.Failed, 4, 0, true, false, 0, "the health of the new instances is Severe after they got all requests"},
		{"hold: over", fresh(immutable, 4, 4), 120, []tweak{moved}, plan.Idle, 4, 0, true, true, 0, "all instances are up to date"},
		{"evaluation: begins with weights when all pass", fresh(splitting, 4, 4), 80, []tweak{weighted}, plan.InProgress, 4, 20, false, false, 200, "the new instances get 20% of the requests, exactly"},
		{"evaluation: begins without weights when the share passes", fresh(splitting, 1, 1), 40, nil, plan.InProgress, 1, 20, false, false, 160, "the new instances get about 20% of the requests"},
		{"evaluation: goes on", fresh(splitting, 4, 4), 179, []tweak{evaluates}, plan.InProgress, 4, 20, false, false, 180, "the new instances get 20%"},
		{"evaluation: a share that is left over from another rollout does not count", fresh(splitting, 4, 4), 80, []tweak{evaluates, func(_ *plan.Target, s *twoslot.Sides, _ *settings.Rollout) {
			s.Traffic.RouteSince = start.Add(-time.Second)
		}}, plan.InProgress, 4, 20, false, false, 200, "the new instances get 20%"},
		{"evaluation: ill", fresh(splitting, 4, 4), 100, []tweak{evaluates, ill}, plan.Failed, 4, 20, false, false, 0, "the health of the new instances is Severe with 20% of the requests"},
		{"evaluation: over", fresh(splitting, 4, 4), 180, []tweak{evaluates}, plan.InProgress, 4, 20, true, false, 240, "all requests go to the new instances"},
		{"worker: the first passes", fresh(immutable, 1, 1), 40, []tweak{worker}, plan.InProgress, 4, 0, false, false, 0, "1 of 4 new instances are started and healthy"},
		{"worker: nothing is evaluated", fresh(splitting, 4, 3), 50, []tweak{worker}, plan.InProgress, 4, 0, false, false, limit + 1, "starting all new instances: 3 of 4 healthy"},
		{"worker: all pass, and nothing is held", fresh(splitting, 4, 4), 50, []tweak{worker}, plan.Idle, 4, 0, true, true, 0, "all instances are up to date"},
		{"worker: late", fresh(immutable, 4, 3), limit + 1, []tweak{worker}, plan.Failed, 4, 0, false, false, 0, "3 of 4 new instances are healthy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want := plan.Target{Desired: 4, Routed: true, Judged: plan.Judgement{Status: v1alpha1.HealthOk}}
			sides := twoslot.Sides{Fresh: tc.fresh, Old: snapshot.Slot{Name: snapshot.SlotA, Wanted: 4}, Traffic: snapshot.Traffic{Slot: snapshot.SlotA}}
			with := settings.Rollout{
				GateSeconds: 30, TimeoutSeconds: 600, MinStatus: v1alpha1.HealthWarning, HoldSeconds: 60, Percent: 20, EvaluationSeconds: 120,
				OnFailure: v1alpha1.OnFailureRollback,
			}
			for _, change := range tc.with {
				change(&want, &sides, &with)
			}
			got := twoslot.Next(want, sides, with, in(tc.at))
			wake := 0
			if !got.Wake.IsZero() {
				wake = int(got.Wake.Sub(start).Seconds())
			}
			if got.State != tc.state || *got.Replicas != tc.replicas || got.Moved != tc.moved || got.Settled != tc.settled || wake != tc.wake ||
				!strings.HasPrefix(got.Reason, tc.reason) || (got.Failure != nil) != (tc.state == plan.Failed) {
				t.Errorf("%s, %d replicas, moved %t, settled %t, wakes at %d: %q", got.State, *got.Replicas, got.Moved, got.Settled, wake, got.Reason)
			}
			if !tc.moved && tc.state == plan.InProgress && got.Split != tc.split {
				t.Errorf("split = %d%%, want %d%%", got.Split, tc.split)
			}
		})
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ n, percent, want int32 }{
		{4, 1, 1}, {4, 20, 1}, {4, 50, 4}, {4, 75, 4}, {10, 20, 3}, {10, 40, 7}, {10, 99, 10}, {10, 100, 10}, {1, 50, 1},
	} {
		if got := twoslot.Share(tc.n, tc.percent); got != tc.want {
			t.Errorf("Share(%d, %d) = %d, want %d", tc.n, tc.percent, got, tc.want)
		}
	}
}
