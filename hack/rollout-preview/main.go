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
//	-policy     AllAtOnce, Rolling or RollingWithAdditionalBatch
//	-instances  how many run
//	-batch      how many change at a time: a count or a percentage
//	-gate       seconds for which a new instance must stay healthy
//	-timeout    seconds that one batch may take
//	-start      seconds until a new instance is ready
//	-fail       the first instance of the new version that never becomes healthy, from 1; 0: all become healthy
//	-back       seconds after which the user asks for the old version again; 0: never
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/simulate"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

const (
	oldVersion = "v1"
	newVersion = "v2"
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
	policy, batch                               string
	instances, gate, timeout, start, fail, back int
}

// run prints the story that the flags ask for.
func run(args []string, out, usage io.Writer) error {
	var o options
	flags := flag.NewFlagSet("rollout-preview", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&o.policy, "policy", string(v1alpha1.PolicyRollingWithAdditionalBatch), "AllAtOnce, Rolling or RollingWithAdditionalBatch")
	flags.IntVar(&o.instances, "instances", 4, "how many instances run")
	flags.StringVar(&o.batch, "batch", "30%", "how many change at a time: a count or a percentage")
	flags.IntVar(&o.gate, "gate", 30, "seconds for which a new instance must stay healthy")
	flags.IntVar(&o.timeout, "timeout", 600, "seconds that one batch may take")
	flags.IntVar(&o.start, "start", 10, "seconds until a new instance is ready")
	flags.IntVar(&o.fail, "fail", 0, "the first instance of the new version that never becomes healthy, from 1; 0: all become healthy")
	flags.IntVar(&o.back, "back", 0, "seconds after which the user asks for the old version again; 0: never")
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
	case v1alpha1.PolicyAllAtOnce, v1alpha1.PolicyRolling, v1alpha1.PolicyRollingWithAdditionalBatch:
	default:
		return fmt.Errorf("-policy is AllAtOnce, Rolling or RollingWithAdditionalBatch, not %q", o.policy)
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
		},
		Starts: func(version string, n int) int {
			if version == newVersion && o.fail > 0 && n+1 >= o.fail {
				return -1
			}
			return o.start
		},
	}
	if o.back > 0 {
		s.Changes = append(s.Changes, simulate.Change{After: time.Duration(o.back) * time.Second, Version: oldVersion})
	}
	return s
}
