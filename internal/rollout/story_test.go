// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace_test

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

// never makes instances of a version from the n-th on never healthy.
func never(version string, from int) func(string, int) int {
	return func(v string, n int) int {
		if v == version && n >= from {
			return -1
		}
		return 10
	}
}

// TestStories plays each policy to its end and compares the story with testdata; -update rewrites it. Read the stories: they
// are what users live through.
func TestStories(t *testing.T) {
	t.Parallel()
	back := func(after time.Duration) []simulate.Change {
		return []simulate.Change{{Version: "v2"}, {After: after, Version: "v1"}}
	}
	for _, tc := range []struct {
		name    string
		policy  v1alpha1.DeploymentPolicy
		n       int32
		batch   string
		want    plan.State
		changes []simulate.Change
		starts  func(string, int) int
	}{
		{name: "allatonce_success", policy: v1alpha1.PolicyAllAtOnce, n: 4, want: plan.Idle},
		{name: "allatonce_never_healthy", policy: v1alpha1.PolicyAllAtOnce, n: 4, want: plan.Failed, starts: never("v2", 0)},
		{name: "allatonce_back_after_success", policy: v1alpha1.PolicyAllAtOnce, n: 1, want: plan.Idle, changes: back(time.Hour)},
		{name: "rolling_success", policy: v1alpha1.PolicyRolling, n: 10, want: plan.Idle},
		{name: "rolling_never_healthy", policy: v1alpha1.PolicyRolling, n: 4, want: plan.Failed, starts: never("v2", 0)},
		{name: "rolling_second_batch_never_healthy", policy: v1alpha1.PolicyRolling, n: 4, batch: "25%", want: plan.Failed, starts: never("v2", 1)},
		{name: "rolling_single_instance", policy: v1alpha1.PolicyRolling, n: 1, want: plan.Idle},
		{name: "rolling_single_instance_never_healthy", policy: v1alpha1.PolicyRolling, n: 1, want: plan.Failed, starts: never("v2", 0)},
		{name: "rolling_back_after_failure", policy: v1alpha1.PolicyRolling, n: 4, batch: "50%", want: plan.Idle, changes: back(time.Hour), starts: never("v2", 0)},
		{name: "additionalbatch_success", policy: v1alpha1.PolicyRollingWithAdditionalBatch, n: 10, want: plan.Idle},
		{name: "additionalbatch_never_healthy", policy: v1alpha1.PolicyRollingWithAdditionalBatch, n: 4, want: plan.Failed, starts: never("v2", 0)},
		{name: "additionalbatch_single_instance", policy: v1alpha1.PolicyRollingWithAdditionalBatch, n: 1, want: plan.Idle},
		{name: "additionalbatch_preempted", policy: v1alpha1.PolicyRollingWithAdditionalBatch, n: 4, want: plan.Idle,
			changes: []simulate.Change{{Version: "v2"}, {After: 45 * time.Second, Version: "v3"}}},
		{name: "additionalbatch_back_in_the_middle", policy: v1alpha1.PolicyRollingWithAdditionalBatch, n: 4, want: plan.Idle, changes: back(45 * time.Second)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := simulate.Scenario{
				Instances: tc.n, From: "v1", Changes: tc.changes, Starts: tc.starts,
				Policy: settings.Rollout{Policy: tc.policy, BatchSize: intstr.FromString("30%"), GateSeconds: 30, TimeoutSeconds: 600},
			}
			if tc.batch != "" {
				s.Policy.BatchSize = intstr.FromString(tc.batch)
			}
			if s.Changes == nil {
				s.Changes = []simulate.Change{{Version: "v2"}}
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
		t.Fatalf("%v; make it with: go test ./internal/rollout/inplace -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the story changed; if that is right, run with -update (-want +got):\n%s", diff)
	}
}
