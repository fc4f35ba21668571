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
	// maxInstances keeps the output readable and the answer quick.
	maxInstances = 1000
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "rollout-preview:", err)
		os.Exit(2)
	}
}

// run prints the story that the flags ask for.
func run(args []string, out, usage io.Writer) error {
	flags := flag.NewFlagSet("rollout-preview", flag.ContinueOnError)
	flags.SetOutput(usage)
	policy := flags.String("policy", string(v1alpha1.PolicyRollingWithAdditionalBatch), "AllAtOnce, Rolling or RollingWithAdditionalBatch")
	instances := flags.Int("instances", 4, "how many instances run")
	batch := flags.String("batch", "30%", "how many change at a time: a count or a percentage")
	gate := flags.Int("gate", 30, "seconds for which a new instance must stay healthy")
	timeout := flags.Int("timeout", 600, "seconds that one batch may take")
	start := flags.Int("start", 10, "seconds until a new instance is ready")
	fail := flags.Int("fail", 0, "the first instance of the new version that never becomes healthy, from 1; 0: all become healthy")
	back := flags.Int("back", 0, "seconds after which the user asks for the old version again; 0: never")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %q? All is said by flags", flags.Arg(0))
	}
	with, err := rolloutOf(*policy, *batch, *gate, *timeout)
	if err != nil {
		return err
	}
	if *instances < 1 || *instances > maxInstances || *start < 0 || *fail < 0 || *back < 0 {
		return fmt.Errorf("-instances is a number from 1 to %d; -start, -fail and -back are not negative", maxInstances)
	}
	s := simulate.Scenario{
		Instances: int32(*instances), Policy: with, From: oldVersion, Changes: []simulate.Change{{Version: newVersion}},
		Starts: func(version string, n int) int {
			if version == newVersion && *fail > 0 && n+1 >= *fail {
				return -1
			}
			return *start
		},
	}
	if *back > 0 {
		s.Changes = append(s.Changes, simulate.Change{After: time.Duration(*back) * time.Second, Version: oldVersion})
	}
	_, err = io.WriteString(out, simulate.Story(s))
	return err
}

var batchPattern = regexp.MustCompile(`^([1-9][0-9]{0,4}|([1-9][0-9]?|100)%)$`)

func rolloutOf(policy, batch string, gate, timeout int) (settings.Rollout, error) {
	out := settings.Rollout{Policy: v1alpha1.DeploymentPolicy(policy), BatchSize: intstr.Parse(batch), GateSeconds: int32(gate), TimeoutSeconds: int32(timeout)}
	switch out.Policy {
	case v1alpha1.PolicyAllAtOnce, v1alpha1.PolicyRolling, v1alpha1.PolicyRollingWithAdditionalBatch:
	default:
		return out, fmt.Errorf("-policy is AllAtOnce, Rolling or RollingWithAdditionalBatch, not %q", policy)
	}
	if !batchPattern.MatchString(batch) {
		return out, fmt.Errorf("-batch is a count, or a percentage from 1%% to 100%%, not %q", batch)
	}
	if gate < 0 || gate > 3600 || timeout < 1 || timeout > 7200 {
		return out, errors.New("-gate is from 0 to 3600, -timeout from 1 to 7200")
	}
	return out, nil
}
