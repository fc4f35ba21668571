// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/simulate"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

func scenario(policy v1alpha1.DeploymentPolicy, instances int32, batch int) simulate.Scenario {
	return simulate.Scenario{
		Instances: instances, From: "v1", Changes: []simulate.Change{{Version: "v2"}},
		Policy: settings.Rollout{Policy: policy, BatchSize: intstr.FromInt(batch), GateSeconds: 30, TimeoutSeconds: 600, OnFailure: v1alpha1.OnFailureRollback,
			HoldSeconds: 60, Percent: 20, EvaluationSeconds: 60, MinStatus: v1alpha1.HealthWarning},
	}
}

// TestMutants proves that the checker sees what it should: each row breaks the operator in one way, and each must be noticed.
func TestMutants(t *testing.T) {
	t.Parallel()
	mutant := func(change func(*plan.Step, snapshot.Snapshot)) func(plan.Target, snapshot.Snapshot, time.Time) plan.Step {
		return func(want plan.Target, now snapshot.Snapshot, at time.Time) plan.Step {
			step := rollout.Next(want, now, at)
			change(&step, now)
			return step
		}
	}
	for _, tc := range []struct {
		name   string
		policy v1alpha1.DeploymentPolicy
		change func(*plan.Step, snapshot.Snapshot)
		want   string
	}{
		{"a larger surge", v1alpha1.PolicyRollingWithAdditionalBatch, func(s *plan.Step, _ snapshot.Snapshot) {
			s.Slots[0].Strategy.MaxSurge = intstr.FromInt32(3)
		}, "7 instances exist, at most 6 were promised"},
		{"a surge where none is promised", v1alpha1.PolicyAllAtOnce, func(s *plan.Step, _ snapshot.Snapshot) {
			s.Slots[0].Strategy.MaxSurge = intstr.FromInt32(1)
		}, "5 instances exist, at most 4 were promised"},
		{"more unavailable than a batch", v1alpha1.PolicyRolling, func(s *plan.Step, _ snapshot.Snapshot) {
			s.Slots[0].Strategy.MaxUnavailable = intstr.FromInt32(3)
		}, "1 instances are healthy, 2 were promised"},
		{"unavailable where none is promised", v1alpha1.PolicyRollingWithAdditionalBatch, func(s *plan.Step, _ snapshot.Snapshot) {
			s.Slots[0].Strategy.MaxUnavailable = intstr.FromInt32(1)
		}, "3 instances are healthy, 4 were promised"},
		{"a shorter gate", v1alpha1.PolicyRolling, func(s *plan.Step, _ snapshot.Snapshot) {
			s.Slots[0].Strategy.MinReadySeconds = 1
		}, "the health gate is 1 s instead of 30 s"},
		{"idle too early", v1alpha1.PolicyRolling, func(s *plan.Step, now snapshot.Snapshot) {
			if now.Slots["a"].Updated > 0 {
				s.State = plan.Idle
			}
		}, "the step says Idle although 0 of 4 instances are new and healthy"},
		{"old instances counted as new", v1alpha1.PolicyRollingWithAdditionalBatch, func(s *plan.Step, now snapshot.Snapshot) {
			s.Updated = min(now.Slots["a"].Updated, now.Slots["a"].Available)
		}, "the step counts 2 updated instances, 0 are"},
		{"a new rollout in every pass", v1alpha1.PolicyRolling, func(s *plan.Step, now snapshot.Snapshot) {
			s.Rollout.ID = now.Slots["a"].RolloutID + 1
			s.Slots[0].Rollout.ID = s.Rollout.ID
		}, "it does not end"},
		{"requests to a set that is not ready", v1alpha1.PolicyImmutable, func(s *plan.Step, _ snapshot.Snapshot) {
			if len(s.Slots) == 2 && !s.Begins {
				s.Traffic.Slot = s.Current
			}
		}, "slot b gets requests although 0 of its 1 instances are healthy"},
		{"no hold", v1alpha1.PolicyImmutable, func(s *plan.Step, _ snapshot.Snapshot) {
			if len(s.Slots) == 2 && s.Traffic.Slot == s.Current {
				s.Slots, s.State = s.Slots[1:], plan.Idle
			}
		}, "the old instances were kept for"},
		{"no evaluation", v1alpha1.PolicyTrafficSplitting, func(s *plan.Step, _ snapshot.Snapshot) {
			if s.Traffic.Other != "" {
				s.Traffic = plan.Traffic{Slot: s.Current, ServiceSince: s.Traffic.ServiceSince}
			}
		}, "the evaluation took"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := scenario(tc.policy, 4, 2)
			s.Next = mutant(tc.change)
			if got := strings.Join(simulate.Play(s).Violations, "\n"); !strings.Contains(got, tc.want) {
				t.Errorf("violations = %q, want one with %q", got, tc.want)
			}
		})
	}
}

// TestProgressIsKept shows the trait of the Deployment controller that makes going back delicate: an old revision whose
// ReplicaSet still exists is called available before anything has changed.
func TestProgressIsKept(t *testing.T) {
	t.Parallel()
	var lied bool
	s := scenario(v1alpha1.PolicyAllAtOnce, 1, 1)
	s.Changes = append(s.Changes, simulate.Change{After: time.Hour, Version: "v1"})
	s.Next = func(want plan.Target, now snapshot.Snapshot, at time.Time) plan.Step {
		slot := now.Slots["a"]
		lied = lied || slot.Complete && slot.RolloutID == 3 && slot.Available == 0
		return rollout.Next(want, now, at)
	}
	r := simulate.Play(s)
	if !lied {
		t.Error("the toy Deployment never called an unhealthy rollout complete")
	}
	if len(r.Violations) > 0 || r.Last.State != plan.Idle || r.Healthy["v1"] != 1 {
		t.Errorf("ends %s with %v, violations %v", r.Last.State, r.Healthy, r.Violations)
	}
}

func TestPromiseOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		policy v1alpha1.DeploymentPolicy
		n      int32
		want   simulate.Promise
	}{
		{"all at once", v1alpha1.PolicyAllAtOnce, 4, simulate.Promise{Floor: 0, Ceiling: 4}},
		{"rolling", v1alpha1.PolicyRolling, 4, simulate.Promise{Floor: 2, Ceiling: 4}},
		{"rolling, one instance", v1alpha1.PolicyRolling, 1, simulate.Promise{Floor: 1, Ceiling: 2}},
		{"additional batch", v1alpha1.PolicyRollingWithAdditionalBatch, 4, simulate.Promise{Floor: 4, Ceiling: 6}},
		{"immutable", v1alpha1.PolicyImmutable, 4, simulate.Promise{Floor: 4, Ceiling: 8}},
		{"traffic splitting", v1alpha1.PolicyTrafficSplitting, 3, simulate.Promise{Floor: 3, Ceiling: 6}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := simulate.PromiseOf(scenario(tc.policy, tc.n, 2).Policy, tc.n); got != tc.want {
				t.Errorf("PromiseOf = %v, want %v", got, tc.want)
			}
		})
	}
}
