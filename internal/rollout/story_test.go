// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rollout_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/simulate"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// never makes instances of v2 from the n-th on never healthy.
func never(from int) func(*simulate.Scenario) {
	return func(s *simulate.Scenario) {
		s.Starts = func(version string, n int) int {
			if version == "v2" && n >= from {
				return -1
			}
			return 10
		}
	}
}

func trouble(t simulate.Trouble) func(*simulate.Scenario) {
	return func(s *simulate.Scenario) { s.Troubles = map[string]simulate.Trouble{"v2": t} }
}

func later(c simulate.Change) func(*simulate.Scenario) {
	return func(s *simulate.Scenario) { s.Changes = append(s.Changes, c) }
}

func abort(seconds int) func(*simulate.Scenario) {
	return later(simulate.Change{After: after(seconds), Abort: "now"})
}

func on(f v1alpha1.FailurePolicy) func(*simulate.Scenario) {
	return func(s *simulate.Scenario) { s.Policy.OnFailure = f }
}

func instances(n int32) func(*simulate.Scenario) {
	return func(s *simulate.Scenario) { s.Instances = n }
}

func first(s *simulate.Scenario) { s.From = "" }

func weighted(s *simulate.Scenario) { s.Weighted = true }

func worker(s *simulate.Scenario) { s.Worker = true }

// forgets makes the old version fail when it comes back.
func forgets(s *simulate.Scenario) {
	s.Starts = func(string, int) int { return -1 }
}

func release(fails bool) func(*simulate.Scenario) {
	return func(s *simulate.Scenario) {
		s.Release = &simulate.Release{Seconds: 45, Fails: func(version string) bool { return fails && version == "v2" }}
	}
}

func scaled(s *simulate.Scenario) {
	s.Scaler = &simulate.Scaler{Min: 2, Max: 8}
	s.Changes = append(s.Changes, simulate.Change{After: 20 * time.Second, Demand: 6})
}

// TestStories plays each policy to its end and compares the story with testdata; -update rewrites it. Read the stories: they
// are what users live through.
func TestStories(t *testing.T) {
	t.Parallel()
	const (
		all, rolling, additional = v1alpha1.PolicyAllAtOnce, v1alpha1.PolicyRolling, v1alpha1.PolicyRollingWithAdditionalBatch
		immutable, splitting     = v1alpha1.PolicyImmutable, v1alpha1.PolicyTrafficSplitting
	)
	type with = []func(*simulate.Scenario)
	back := func(seconds int) func(*simulate.Scenario) {
		return later(simulate.Change{After: after(seconds), Version: "v1"})
	}
	for _, tc := range []struct {
		name   string
		policy v1alpha1.DeploymentPolicy
		want   plan.State
		with   with
	}{
		{"allatonce_success", all, plan.Idle, nil},
		{"allatonce_never_healthy", all, plan.RolledBack, with{never(0)}},
		{"allatonce_rollback_fails", all, plan.RollbackFailed, with{forgets}},
		{"allatonce_first_broken", all, plan.Failed, with{first, never(0)}},
		{"allatonce_back_after_success", all, plan.Idle, with{instances(1), back(3600)}},
		{"rolling_success", rolling, plan.Idle, with{instances(10)}},
		{"rolling_first_batch_never_healthy", rolling, plan.RolledBack, with{never(0)}},
		{"rolling_second_batch_never_healthy", rolling, plan.RolledBack, with{never(2)}},
		{"rolling_pause", rolling, plan.Failed, with{never(2), on(v1alpha1.OnFailurePause)}},
		{"rolling_ignore", rolling, plan.Idle, with{never(1), on(v1alpha1.OnFailureIgnore)}},
		{"rolling_crash", rolling, plan.RolledBack, with{trouble(simulate.Trouble{Crash: 60 * time.Second})}},
		{"rolling_abort", rolling, plan.RolledBack, with{abort(60)}},
		{"rolling_single_instance", rolling, plan.Idle, with{instances(1)}},
		{"rolling_single_instance_never_healthy", rolling, plan.RolledBack, with{instances(1), never(0)}},
		{"rolling_back_after_failure", rolling, plan.Idle, with{never(0), back(3600)}},
		{"rolling_release_fails", rolling, plan.Failed, with{release(true)}},
		{"additionalbatch_success", additional, plan.Idle, with{instances(10)}},
		{"additionalbatch_never_healthy", additional, plan.RolledBack, with{never(0)}},
		{"additionalbatch_bad_health", additional, plan.RolledBack, with{trouble(simulate.Trouble{Ill: 20 * time.Second, Status: v1alpha1.HealthSevere})}},
		{"additionalbatch_single_instance", additional, plan.Idle, with{instances(1)}},
		{"additionalbatch_preempted", additional, plan.Idle, with{later(simulate.Change{After: 45 * time.Second, Version: "v3"})}},
		{"additionalbatch_back_in_the_middle", additional, plan.Idle, with{back(45)}},
		{"additionalbatch_scaled", additional, plan.Idle, with{scaled}},
		{"immutable_success", immutable, plan.Idle, nil},
		{"immutable_first_deployment_broken", immutable, plan.Failed, with{first, never(0)}},
		{"immutable_first_instance_never_healthy", immutable, plan.RolledBack, with{never(0)}},
		{"immutable_second_stage_never_healthy", immutable, plan.RolledBack, with{never(2)}},
		{"immutable_crash", immutable, plan.RolledBack, with{trouble(simulate.Trouble{Crash: 60 * time.Second})}},
		{"immutable_bad_health_during_hold", immutable, plan.RolledBack, with{trouble(simulate.Trouble{Ill: 15 * time.Second, Status: v1alpha1.HealthSevere})}},
		{"immutable_abort_first_stage", immutable, plan.RolledBack, with{abort(20)}},
		{"immutable_abort_second_stage", immutable, plan.RolledBack, with{abort(60)}},
		{"immutable_abort_during_hold", immutable, plan.RolledBack, with{abort(100)}},
		{"immutable_back_during_hold", immutable, plan.Idle, with{back(100)}},
		{"immutable_pause", immutable, plan.Failed, with{never(2), on(v1alpha1.OnFailurePause)}},
		{"immutable_ignore", immutable, plan.Idle, with{never(2), on(v1alpha1.OnFailureIgnore)}},
		{"immutable_release_command", immutable, plan.Idle, with{release(false)}},
		{"immutable_release_fails", immutable, plan.Failed, with{release(true)}},
		{"immutable_scaled", immutable, plan.Idle, with{scaled}},
		{"immutable_worker", immutable, plan.Idle, with{worker}},
		{"immutable_worker_abort", immutable, plan.RolledBack, with{worker, abort(60)}},
		{"additionalbatch_scaled_after_failure", additional, plan.RolledBack, with{never(0), func(s *simulate.Scenario) { s.Scaler = &simulate.Scaler{Min: 2, Max: 8} },
			later(simulate.Change{After: time.Hour, Demand: 7})}},
		{"trafficsplitting_exact_success", splitting, plan.Idle, with{weighted}},
		{"trafficsplitting_share_success", splitting, plan.Idle, nil},
		{"trafficsplitting_exact_bad_health", splitting, plan.RolledBack, with{weighted, trouble(simulate.Trouble{Ill: 30 * time.Second, Status: v1alpha1.HealthDegraded})}},
		{"trafficsplitting_share_bad_health", splitting, plan.RolledBack, with{trouble(simulate.Trouble{Ill: 30 * time.Second, Status: v1alpha1.HealthDegraded})}},
		{"trafficsplitting_second_stage_never_healthy", splitting, plan.RolledBack, with{never(2)}},
		{"trafficsplitting_abort_during_evaluation", splitting, plan.RolledBack, with{weighted, abort(70)}},
		{"trafficsplitting_preempted", splitting, plan.Idle, with{weighted, later(simulate.Change{After: 70 * time.Second, Version: "v3"})}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := simulate.Scenario{
				Instances: 4, From: "v1", Changes: []simulate.Change{{Version: "v2"}},
				Policy: settings.Rollout{
					Policy: tc.policy, BatchSize: intstr.FromString("30%"), GateSeconds: 30, TimeoutSeconds: 600, MinStatus: v1alpha1.HealthWarning,
					HoldSeconds: 60, Percent: 20, EvaluationSeconds: 120, OnFailure: v1alpha1.OnFailureRollback,
				},
			}
			for _, change := range tc.with {
				change(&s)
			}
			if r := simulate.Play(s); r.Last.State != tc.want || len(r.Violations) > 0 {
				t.Errorf("ends %s, want %s; violations: %v", r.Last.State, tc.want, r.Violations)
			}
			golden(t, tc.name, simulate.Story(s))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./internal/rollout -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the story changed; if that is right, run with -update (-want +got):\n%s", diff)
	}
}
