// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/simulate"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

var policies = []v1alpha1.DeploymentPolicy{v1alpha1.PolicyAllAtOnce, v1alpha1.PolicyRolling, v1alpha1.PolicyRollingWithAdditionalBatch}

// batches are all counts up to n, and some percentages.
func batches(n int32) []intstr.IntOrString {
	out := []intstr.IntOrString{intstr.FromString("1%"), intstr.FromString("30%"), intstr.FromString("50%"), intstr.FromString("100%"), intstr.FromInt32(n + 5)}
	for b := range n {
		out = append(out, intstr.FromInt32(b+1))
	}
	return out
}

// everywhere plays a story for every policy, size and batch, with instances that become ready in an order that a fixed seed
// decides. Whatever the story, no promise may be broken.
func everywhere(t *testing.T, story func(s *simulate.Scenario, chance *rand.Rand), check func(s simulate.Scenario, r simulate.Result) string) {
	t.Helper()
	for _, policy := range policies {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			for n := int32(1); n <= 20; n++ {
				for i, batch := range batches(n) {
					chance := rand.New(rand.NewPCG(uint64(n), uint64(i)))
					s := simulate.Scenario{
						Instances: n, From: "v1", Changes: []simulate.Change{{Version: "v2"}},
						Policy: settings.Rollout{Policy: policy, BatchSize: batch, GateSeconds: chance.Int32N(3) * 20, TimeoutSeconds: 300},
						Starts: func(string, int) int { return chance.IntN(120) },
					}
					story(&s, chance)
					again := s
					r := simulate.Play(s)
					for _, v := range r.Violations {
						t.Errorf("%d instances, batch %s: %s", n, batch.String(), v)
					}
					if wrong := check(s, r); wrong != "" {
						t.Errorf("%d instances, batch %s: %s", n, batch.String(), wrong)
					}
					if t.Failed() {
						again.Starts = nil
						t.Fatalf("the same with instances that are ready after 10 s:\n%s", simulate.Story(again))
					}
				}
			}
		})
	}
}

// endsWith says what is wrong unless all instances run one version and the rollout is done.
func endsWith(version string) func(simulate.Scenario, simulate.Result) string {
	return func(s simulate.Scenario, r simulate.Result) string {
		if r.Last.State != plan.Idle || len(r.Healthy) != 1 || r.Healthy[version] != s.Instances {
			return fmt.Sprintf("ends %s with %v, want Idle with %d of %s", r.Last.State, r.Healthy, s.Instances, version)
		}
		return ""
	}
}

func TestUpdateKeepsItsPromise(t *testing.T) {
	t.Parallel()
	everywhere(t, func(*simulate.Scenario, *rand.Rand) {}, endsWith("v2"))
}

func TestFirstDeploymentEnds(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, _ *rand.Rand) { s.From = "" }, endsWith("v2"))
}

// TestNewerTargetPreempts changes the target once more at any moment of a rollout.
func TestNewerTargetPreempts(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		s.Changes = append(s.Changes, simulate.Change{After: time.Duration(chance.IntN(400)) * time.Second, Version: "v3"})
	}, endsWith("v3"))
}

// TestGoingBackReturns asks for the old version again, in the middle of the rollout or long after it.
func TestGoingBackReturns(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		s.Changes = append(s.Changes, simulate.Change{After: time.Duration(chance.IntN(900)) * time.Second, Version: "v1"})
	}, endsWith("v1"))
}

// TestBrokenVersionStops deploys a version of which some instance never becomes healthy: the rollout fails in its time, and what
// the policy promises still runs. The old version then returns.
func TestBrokenVersionStops(t *testing.T) {
	t.Parallel()
	broken := func(s *simulate.Scenario, chance *rand.Rand) {
		works := chance.IntN(int(s.Instances))
		ready := s.Starts
		s.Starts = func(version string, n int) int {
			if version == "v2" && n >= works {
				return -1
			}
			return ready(version, n)
		}
	}
	t.Run("fails", func(t *testing.T) {
		t.Parallel()
		everywhere(t, broken, func(s simulate.Scenario, r simulate.Result) string {
			if r.Last.State != plan.Failed || r.Last.Updated >= s.Instances {
				return fmt.Sprintf("ends %s with %v, want Failed", r.Last.State, r.Healthy)
			}
			if got := r.Healthy["v1"] + r.Healthy["v2"]; got < simulate.PromiseOf(s.Policy, s.Instances).Floor {
				return fmt.Sprintf("%d instances are left", got)
			}
			return ""
		})
	})
	t.Run("goes back", func(t *testing.T) {
		t.Parallel()
		everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
			broken(s, chance)
			s.Changes = append(s.Changes, simulate.Change{After: time.Duration(chance.IntN(10000)) * time.Second, Version: "v1"})
		}, endsWith("v1"))
	})
}

// TestManyChanges changes the target many times at random.
func TestManyChanges(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		at := 0
		for range 12 {
			at += chance.IntN(200)
			s.Changes = append(s.Changes, simulate.Change{After: time.Duration(at) * time.Second, Version: fmt.Sprintf("v%d", 1+chance.IntN(5))})
		}
		s.Changes = append(s.Changes, simulate.Change{After: time.Duration(at+50) * time.Second, Version: "v9"})
	}, endsWith("v9"))
}
