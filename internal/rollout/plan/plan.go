// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan holds what the rollout policies share: what is wanted (Target), what to do next (Step), and the batch
// arithmetic. Pure; policy folders and internal/rollout import it, internal/desired reads Steps.
package plan

import (
	"math"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Target is what should run.
type Target struct {
	// Revision, Configuration, Version, Digest and Restart of what should run; see settings.Settings.
	Revision, Configuration, Version, Digest, Restart string
	// Rebuild is the token for which children must have been made.
	Rebuild string
	// Desired is how many instances a new slot starts with.
	Desired int32
	// OnVersion and OnConfiguration are the policies for the two kinds of change.
	OnVersion, OnConfiguration settings.Rollout
	// LastID is the highest rollout id that was ever recorded.
	LastID int64
}

// State is how far a rollout is.
type State string

// The states.
const (
	// Idle: the wanted revision runs everywhere.
	Idle State = "Idle"
	// InProgress: instances are being changed.
	InProgress State = "InProgress"
	// Failed: a batch missed its time; what ran before keeps running as far as the policy left it.
	Failed State = "Failed"
	// Unsupported: this release cannot carry out the policy; nothing is changed.
	Unsupported State = "Unsupported"
)

// Rollout identifies one numbered deployment. It is recorded on the slot's Deployment in the request that begins it.
type Rollout struct {
	ID        int64
	Type      v1alpha1.DeploymentType
	Policy    v1alpha1.DeploymentPolicy
	Batch     int32
	StartedAt time.Time
}

// Strategy is what the Deployment of a slot is told.
type Strategy struct {
	MaxSurge, MaxUnavailable intstr.IntOrString
	// MinReadySeconds is the health gate.
	MinReadySeconds int32
	// ProgressDeadlineSeconds is the time for one batch.
	ProgressDeadlineSeconds int32
}

// Step is what to do next, with its reason.
type Step struct {
	// Slot that runs the wanted revision, and Traffic the slot that gets requests.
	Slot, Traffic string
	State         State
	Rollout       Rollout
	Strategy      Strategy
	// Begins is true when this step is the first of its rollout.
	Begins bool
	// Updated of Desired instances are new and through the gate.
	Updated, Desired int32
	// Deadline is when the batch that runs times out; zero when none runs.
	Deadline time.Time
	// Reason is a sentence for people.
	Reason string
}

// Batch is how many of n instances change at a time: max(1, ceil(n*p/100)) for a percentage, min(count, n) for a count.
func Batch(size intstr.IntOrString, n int32) int32 {
	if n < 1 {
		return 1
	}
	if size.Type == intstr.Int {
		return max(1, min(size.IntVal, n))
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(size.StrVal, "%"))
	if err != nil {
		return 1
	}
	return max(1, int32(math.Ceil(float64(n)*float64(percent)/100)))
}
