// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/simulate"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

var policies = []v1alpha1.DeploymentPolicy{
	v1alpha1.PolicyAllAtOnce, v1alpha1.PolicyRolling, v1alpha1.PolicyRollingWithAdditionalBatch, v1alpha1.PolicyImmutable, v1alpha1.PolicyTrafficSplitting,
}

// batches are some percentages, and all counts up to n; some of them when there are many.
func batches(n int32) []intstr.IntOrString {
	out := []intstr.IntOrString{intstr.FromString("1%"), intstr.FromString("30%"), intstr.FromString("50%"), intstr.FromString("100%"), intstr.FromInt32(n + 5)}
	for b := int32(1); b <= n; b++ {
		if n <= 8 || b%(n/3) == 1 || b == n {
			out = append(out, intstr.FromInt32(b))
		}
	}
	return out
}

// random is a policy with parameters of chance.
func random(policy v1alpha1.DeploymentPolicy, batch intstr.IntOrString, chance *rand.Rand) settings.Rollout {
	return settings.Rollout{
		Policy: policy, BatchSize: batch, GateSeconds: chance.Int32N(3) * 20, TimeoutSeconds: 300, MinStatus: v1alpha1.HealthWarning,
		HoldSeconds: chance.Int32N(3) * 30, Percent: 1 + chance.Int32N(100), EvaluationSeconds: chance.Int32N(3) * 60, OnFailure: v1alpha1.OnFailureRollback,
	}
}

// everywhere plays a story for every policy, size and batch, with instances that become ready in an order that a fixed seed
// decides. Whatever the story, no promise may be broken.
func everywhere(t *testing.T, story func(s *simulate.Scenario, chance *rand.Rand), check func(s simulate.Scenario, r simulate.Result) string) {
	t.Helper()
	for _, policy := range policies {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			for n := int32(1); n <= 20; n++ {
				if n > 12 && n%3 != 2 {
					continue // Large ones cost most and differ least.
				}
				for i, batch := range batches(n) {
					make := func() (simulate.Scenario, *rand.Rand) {
						chance := rand.New(rand.NewPCG(uint64(n), uint64(i)))
						s := simulate.Scenario{
							Instances: n, From: "v1", Changes: []simulate.Change{{Version: "v2"}}, Policy: random(policy, batch, chance),
							Starts:   func(string, int) int { return chance.IntN(120) },
							Weighted: chance.IntN(2) == 0, Forgetful: chance.IntN(4) == 0,
						}
						s.Worker = !s.Weighted && chance.IntN(3) == 0
						story(&s, chance)
						return s, chance
					}
					s, _ := make()
					r := simulate.Play(s)
					for _, v := range r.Violations[:min(3, len(r.Violations))] {
						t.Errorf("%d instances, batch %s: %s", n, batch.String(), v)
					}
					if wrong := check(s, r); wrong != "" {
						t.Errorf("%d instances, batch %s: %s", n, batch.String(), wrong)
					}
					if t.Failed() {
						again, _ := make()
						t.Fatalf("%+v\n%s", again.Policy, simulate.Story(again))
					}
				}
			}
		})
	}
}

// ends says what is wrong unless all instances run one version and the rollout is in one of some states.
func ends(version string, states ...plan.State) func(simulate.Scenario, simulate.Result) string {
	return func(s simulate.Scenario, r simulate.Result) string {
		if !slices.Contains(states, r.Last.State) || len(r.Healthy) != 1 || (r.Healthy[version] != s.Instances && s.Scaler == nil) || r.Healthy[version] == 0 {
			return fmt.Sprintf("ends %s with %v, want %v with %d of %s", r.Last.State, r.Healthy, states, s.Instances, version)
		}
		return ""
	}
}

func endsWith(version string) func(simulate.Scenario, simulate.Result) string {
	return ends(version, plan.Idle)
}

func after(seconds int) time.Duration { return time.Duration(seconds) * time.Second }

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
		s.Changes = append(s.Changes, simulate.Change{After: after(chance.IntN(400)), Version: "v3"})
	}, endsWith("v3"))
}

// TestGoingBackReturns asks for the old version again, in the middle of the rollout or long after it.
func TestGoingBackReturns(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		s.Changes = append(s.Changes, simulate.Change{After: after(chance.IntN(900)), Version: "v1"})
	}, endsWith("v1"))
}

// broken makes some instances of a version never healthy.
func broken(s *simulate.Scenario, chance *rand.Rand, version string) {
	works := chance.IntN(int(s.Instances))
	ready := s.Starts
	s.Starts = func(v string, n int) int {
		if v == version && n >= works {
			return -1
		}
		return ready(v, n)
	}
}

// TestBrokenVersionIsRolledBack deploys a version of which some instance never becomes healthy.
func TestBrokenVersionIsRolledBack(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) { broken(s, chance, "v2") }, ends("v1", plan.RolledBack))
}

// TestBrokenVersionIsFollowed deploys another version while one fails, or after it did.
func TestBrokenVersionIsFollowed(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "v3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
				broken(s, chance, "v2")
				s.Policy.OnFailure = []v1alpha1.FailurePolicy{v1alpha1.OnFailureRollback, v1alpha1.OnFailurePause, v1alpha1.OnFailureIgnore}[chance.IntN(3)]
				s.Changes = append(s.Changes, simulate.Change{After: after(chance.IntN(10000)), Version: version})
			}, endsWith(version))
		})
	}
}

// TestBrokenVersionPauses leaves everything as the failure left it.
func TestBrokenVersionPauses(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		broken(s, chance, "v2")
		s.Policy.OnFailure = v1alpha1.OnFailurePause
	}, func(s simulate.Scenario, r simulate.Result) string {
		if r.Last.State != plan.Failed || r.Last.Failure.Reason != v1alpha1.ReasonTimedOut || r.Last.Updated >= s.Instances || r.Deployments != 1 {
			return fmt.Sprintf("ends %s with %v after %d deployments, want Failed", r.Last.State, r.Healthy, r.Deployments)
		}
		if got := r.Healthy["v1"] + r.Healthy["v2"]; got < simulate.PromiseOf(s.Policy, s.Instances).Floor {
			return fmt.Sprintf("%d instances are left", got)
		}
		return ""
	})
}

// TestBrokenVersionIsIgnored goes on to the end.
func TestBrokenVersionIsIgnored(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		broken(s, chance, "v2")
		s.Policy.OnFailure = v1alpha1.OnFailureIgnore
	}, func(_ simulate.Scenario, r simulate.Result) string {
		if r.Last.State != plan.Idle || r.Last.Target.Version != "v2" || r.Healthy["v1"] > 0 {
			return fmt.Sprintf("ends %s with %v, want Idle without v1", r.Last.State, r.Healthy)
		}
		return ""
	})
}

// TestBrokenFirstDeploymentFails has nothing to go back to, and is not tried again.
func TestBrokenFirstDeploymentFails(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		s.From = ""
		broken(s, chance, "v2")
	}, func(_ simulate.Scenario, r simulate.Result) string {
		if r.Last.State != plan.Failed || r.Deployments != 1 {
			return fmt.Sprintf("ends %s after %d deployments, want Failed after one", r.Last.State, r.Deployments)
		}
		return ""
	})
}

// TestCrashIsRolledBack lets all instances of a version crash at any moment of its rollout, or after it, when nothing may be done.
func TestCrashIsRolledBack(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		s.Troubles = map[string]simulate.Trouble{"v2": {Crash: after(1 + chance.IntN(400))}}
	}, func(s simulate.Scenario, r simulate.Result) string {
		if r.Last.State == plan.Idle && r.Good == "v2" {
			return ""
		}
		return ends("v1", plan.RolledBack)(s, r)
	})
}

// TestBadHealthIsRolledBack lets the health of a version become bad after it got requests.
func TestBadHealthIsRolledBack(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		trouble := simulate.Trouble{Ill: after(1 + chance.IntN(200)), Status: v1alpha1.HealthSevere}
		if chance.IntN(2) == 0 {
			trouble.Well = after(1 + chance.IntN(200))
		}
		// Without status nobody knows that it ended well before.
		s.Troubles, s.Forgetful = map[string]simulate.Trouble{"v2": trouble}, false
	}, func(s simulate.Scenario, r simulate.Result) string {
		if r.Last.State == plan.Idle {
			return endsWith("v2")(s, r)
		}
		return ends("v1", plan.RolledBack)(s, r)
	})
}

// TestAbortReturns aborts at any moment of a rollout, whatever the user wants done with failures.
func TestAbortReturns(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		s.Policy.OnFailure = []v1alpha1.FailurePolicy{v1alpha1.OnFailureRollback, v1alpha1.OnFailurePause, v1alpha1.OnFailureIgnore}[chance.IntN(3)]
		if chance.IntN(2) == 0 {
			s.Release = &simulate.Release{Seconds: chance.IntN(100)}
		}
		s.Changes = append(s.Changes, simulate.Change{After: after(chance.IntN(400)), Abort: "now"})
	}, func(s simulate.Scenario, r simulate.Result) string {
		if r.Aborted == 0 {
			return endsWith("v2")(s, r)
		}
		return ends("v1", plan.RolledBack)(s, r)
	})
}

// TestReleaseCommand runs one before every version, which may fail.
func TestReleaseCommand(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fails bool
		later int
		check func(simulate.Scenario, simulate.Result) string
	}{
		{"succeeds", false, 0, endsWith("v2")},
		{"fails", true, 0, ends("v1", plan.Failed)},
		{"succeeds and is followed", false, 300, endsWith("v3")},
		{"fails and is followed", true, 300, endsWith("v3")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
				s.Release = &simulate.Release{Seconds: chance.IntN(200), Fails: func(version string) bool { return tc.fails && version == "v2" }}
				if tc.later > 0 {
					s.Changes = append(s.Changes, simulate.Change{After: after(chance.IntN(tc.later)), Version: "v3"})
				}
			}, tc.check)
		})
	}
}

// TestManyChanges changes everything many times at random: versions of which some are broken, configurations, restarts, aborts,
// and the load. The last version works, and runs at the end.
func TestManyChanges(t *testing.T) {
	t.Parallel()
	everywhere(t, chaos, endsWith("v9"))
}

// TestManyDeaths is the same while the operator dies at random writes.
func TestManyDeaths(t *testing.T) {
	t.Parallel()
	everywhere(t, func(s *simulate.Scenario, chance *rand.Rand) {
		chaos(s, chance)
		left := 40
		s.Dies = func(int) bool {
			dies := left > 0 && chance.IntN(3) == 0
			if dies {
				left--
			}
			return dies
		}
	}, endsWith("v9"))
}

func chaos(s *simulate.Scenario, chance *rand.Rand) {
	configuration := random(policies[chance.IntN(len(policies))], s.Policy.BatchSize, chance)
	s.Configuration = &configuration
	if chance.IntN(2) == 0 {
		s.Release = &simulate.Release{Seconds: chance.IntN(60), Fails: func(version string) bool { return version == "v5" }}
	}
	if chance.IntN(2) == 0 {
		s.Scaler = &simulate.Scaler{Min: 1, Max: 25}
	}
	broken(s, chance, "v3")
	s.Forgetful = false
	s.Troubles = map[string]simulate.Trouble{
		"v4": {Crash: after(1 + chance.IntN(100))},
		"v6": {Ill: after(1 + chance.IntN(60)), Status: v1alpha1.HealthSevere},
	}
	at := 0
	for i := range 12 {
		at += chance.IntN(400)
		c := simulate.Change{After: after(at)}
		switch chance.IntN(8) {
		case 0:
			c.Configuration = fmt.Sprintf("c%d", chance.IntN(3))
		case 1:
			c.Restart = fmt.Sprintf("restart %d", i)
		case 2:
			c.Abort = fmt.Sprintf("abort %d", i)
		case 3:
			c.Demand = 1 + chance.Int32N(25)
		default:
			c.Version = fmt.Sprintf("v%d", 1+chance.IntN(6))
		}
		s.Changes = append(s.Changes, c)
	}
	s.Changes = append(s.Changes, simulate.Change{After: after(at + 50), Version: "v9"})
}
