// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command rollout-preview prints the steps that a deployment policy takes, on a toy cluster and at once: what runs at each
// moment, and what the operator says meanwhile. It needs no cluster.
//
//	go run ./hack/rollout-preview -policy Rolling -instances 4 -batch 25%
//
// The columns are the time in minutes and seconds, the instances of each version (healthy/existing), and the step with its
// reason. Flags:
//
//	-policy     AllAtOnce, Rolling, RollingWithAdditionalBatch, Immutable or TrafficSplitting
//	-instances  how many run
//	-batch      how many change at a time: a count or a percentage
//	-gate       seconds for which a new instance must stay healthy
//	-timeout    seconds that one batch may take
//	-start      seconds until a new instance is ready
//	-fail       the first instance of the new version that never becomes healthy, from 1; 0: all become healthy
//	-back       seconds after which the user asks for the old version again; 0: never
//	-hold       seconds that the old instances stay after the switch
//	-percent    percentage of the requests for the new instances while they are evaluated
//	-evaluation seconds of that evaluation
//	-weighted   a route splits the requests exactly
//	-onfailure  Rollback, Pause or Ignore
//	-release    seconds that the release command takes; 0: none
//	-scaled     an autoscaler owns the number of instances
//	-abort-after seconds after which the user aborts; 0: never
//	-crash      seconds after which the new version crashes; 0: never
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/simulate"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

const (
	oldVersion = "v1"
	newVersion = "v2"

	policyNames = "AllAtOnce, Rolling, RollingWithAdditionalBatch, Immutable or TrafficSplitting"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "rollout-preview:", err)
		os.Exit(2)
	}
}

// options are what the flags say.
type options struct {
	policy, batch, onFailure                    string
	instances, gate, timeout, start, fail, back int
	hold, percent, evaluation                   int
	release, abort, crash                       int
	weighted, scaled                            bool
}

// run prints the story that the flags ask for.
func run(args []string, out, usage io.Writer) error {
	var o options
	flags := flag.NewFlagSet("rollout-preview", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&o.policy, "policy", string(v1alpha1.PolicyRollingWithAdditionalBatch), policyNames)
	flags.IntVar(&o.instances, "instances", 4, "how many instances run")
	flags.StringVar(&o.batch, "batch", "30%", "how many change at a time: a count or a percentage")
	flags.IntVar(&o.gate, "gate", 30, "seconds for which a new instance must stay healthy")
	flags.IntVar(&o.timeout, "timeout", 600, "seconds that one batch may take")
	flags.IntVar(&o.start, "start", 10, "seconds until a new instance is ready")
	flags.IntVar(&o.fail, "fail", 0, "the first instance of the new version that never becomes healthy, from 1; 0: all become healthy")
	flags.IntVar(&o.back, "back", 0, "seconds after which the user asks for the old version again; 0: never")
	flags.IntVar(&o.hold, "hold", 60, "seconds that the old instances stay after the switch")
	flags.IntVar(&o.percent, "percent", 10, "percentage of the requests for the new instances while they are evaluated")
	flags.IntVar(&o.evaluation, "evaluation", 300, "seconds of that evaluation")
	flags.BoolVar(&o.weighted, "weighted", false, "a route splits the requests exactly")
	flags.StringVar(&o.onFailure, "onfailure", string(v1alpha1.OnFailureRollback), "Rollback, Pause or Ignore")
	flags.IntVar(&o.release, "release", 0, "seconds that the release command takes; 0: none")
	flags.BoolVar(&o.scaled, "scaled", false, "an autoscaler owns the number of instances")
	flags.IntVar(&o.abort, "abort-after", 0, "seconds after which the user aborts; 0: never")
	flags.IntVar(&o.crash, "crash", 0, "seconds after which the new version crashes; 0: never")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %q? All is said by flags", flags.Arg(0))
	}
	if err := o.check(); err != nil {
		return err
	}
	_, err := io.WriteString(out, simulate.Story(o.scenario()))
	return err
}

var batchPattern = regexp.MustCompile(`^([1-9][0-9]{0,4}|([1-9][0-9]?|100)%)$`)

// check refuses what an Environment may not have either.
func (o options) check() error {
	switch v1alpha1.DeploymentPolicy(o.policy) {
	case v1alpha1.PolicyAllAtOnce, v1alpha1.PolicyRolling, v1alpha1.PolicyRollingWithAdditionalBatch, v1alpha1.PolicyImmutable, v1alpha1.PolicyTrafficSplitting:
	default:
		return fmt.Errorf("-policy is %s, not %q", policyNames, o.policy)
	}
	switch v1alpha1.FailurePolicy(o.onFailure) {
	case v1alpha1.OnFailureRollback, v1alpha1.OnFailurePause, v1alpha1.OnFailureIgnore:
	default:
		return fmt.Errorf("-onfailure is Rollback, Pause or Ignore, not %q", o.onFailure)
	}
	if !batchPattern.MatchString(o.batch) {
		return fmt.Errorf("-batch is a count, or a percentage from 1%% to 100%%, not %q", o.batch)
	}
	for _, n := range []struct {
		name            string
		value, min, max int
	}{
		{"instances", o.instances, 1, 1000}, {"gate", o.gate, 0, 3600}, {"timeout", o.timeout, 1, 7200},
		{"start", o.start, 0, 7200}, {"fail", o.fail, 0, 1000}, {"back", o.back, 0, 1_000_000},
		{"hold", o.hold, 0, 86400}, {"percent", o.percent, 1, 100}, {"evaluation", o.evaluation, 0, 86400},
		{"release", o.release, 0, 86400}, {"abort-after", o.abort, 0, 1_000_000}, {"crash", o.crash, 0, 1_000_000},
	} {
		if n.value < n.min || n.value > n.max {
			return fmt.Errorf("-%s is a number from %d to %d, not %d", n.name, n.min, n.max, n.value)
		}
	}
	return nil
}

func (o options) scenario() simulate.Scenario {
	s := simulate.Scenario{
		Instances: int32(o.instances), From: oldVersion, Changes: []simulate.Change{{Version: newVersion}},
		Policy: settings.Rollout{
			Policy: v1alpha1.DeploymentPolicy(o.policy), BatchSize: intstr.Parse(o.batch), GateSeconds: int32(o.gate), TimeoutSeconds: int32(o.timeout),
			HoldSeconds: int32(o.hold), Percent: int32(o.percent), EvaluationSeconds: int32(o.evaluation), OnFailure: v1alpha1.FailurePolicy(o.onFailure),
			MinStatus: v1alpha1.HealthWarning,
		},
		Weighted: o.weighted,
		Starts: func(version string, n int) int {
			if version == newVersion && o.fail > 0 && n+1 >= o.fail {
				return -1
			}
			return o.start
		},
	}
	if o.back > 0 {
		s.Changes = append(s.Changes, simulate.Change{After: seconds(o.back), Version: oldVersion})
	}
	if o.abort > 0 {
		s.Changes = append(s.Changes, simulate.Change{After: seconds(o.abort), Abort: "now"})
	}
	slices.SortStableFunc(s.Changes, func(a, b simulate.Change) int { return cmp.Compare(a.After, b.After) })
	if o.crash > 0 {
		s.Troubles = map[string]simulate.Trouble{newVersion: {Crash: seconds(o.crash)}}
	}
	if o.release > 0 {
		s.Release = &simulate.Release{Seconds: o.release}
	}
	if o.scaled {
		s.Scaler = &simulate.Scaler{Min: 1, Max: 2 * s.Instances}
	}
	return s
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
