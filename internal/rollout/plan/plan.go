// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan holds what the rollout policies share: what is wanted (Target), what to do next (Step), and the batch
// arithmetic. Pure; policy folders and internal/rollout import it, internal/desired reads Steps.
package plan

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Target is what should run, with everything else that the decision depends on.
type Target struct {
	// Content that should run.
	snapshot.Content
	// Desired is how many instances a new slot starts with; every slot has as many, unless a scaler decides (Scaled).
	Desired int32
	Scaled  bool
	// OnVersion and OnConfiguration are the policies for the two kinds of change.
	OnVersion, OnConfiguration settings.Rollout
	// LastID is the highest rollout id that status records, GoodID the last one that it records as a success.
	LastID, GoodID int64
	// Abort is the token of the abort that was asked for; empty: none.
	Abort string
	// Release is true when the version has a release command.
	Release bool
	// Routed is true when requests come through a Service, Weighted when a route can split them exactly.
	Routed, Weighted bool
	// Judged is how the instances of the newest rollout are.
	Judged Judgement
}

// Judgement is what health says of the instances of one slot.
type Judgement struct {
	// Status of these instances alone; empty when there are none to judge.
	Status v1alpha1.HealthStatus
	// Crash explains that one crashes again and again; empty when none does.
	Crash string
}

// State is how far a rollout is.
type State string

// The states.
const (
	// Idle: the wanted revision runs everywhere.
	Idle State = "Idle"
	// InProgress: instances are being changed.
	InProgress State = "InProgress"
	// Failed: the rollout failed and stopped; what ran before keeps running as far as the policy left it.
	Failed State = "Failed"
	// RollingBack: the rollout failed, and what ran before is coming back.
	RollingBack State = "RollingBack"
	// RolledBack: the rollout failed, and what ran before runs again. Nothing is tried until the wanted change is another one.
	RolledBack State = "RolledBack"
	// RollbackFailed: what ran before did not come back either.
	RollbackFailed State = "RollbackFailed"
)

// Rollout identifies one numbered deployment. It is recorded on the slot's Deployment in the request that begins it.
type Rollout struct {
	ID        int64
	Type      v1alpha1.DeploymentType
	Policy    v1alpha1.DeploymentPolicy
	Batch     int32
	StartedAt time.Time
	// Instances, StageAt, Ignored and Abort; see snapshot.Slot.
	Instances int32
	StageAt   time.Time
	Ignored   int32
	Abort     string
}

// Recorded is the rollout that a slot records.
func Recorded(s snapshot.Slot) Rollout {
	return Rollout{
		ID: s.RolloutID, Type: v1alpha1.DeploymentType(s.RolloutType), Policy: v1alpha1.DeploymentPolicy(s.Policy),
		Batch: max(1, s.Batch), StartedAt: s.StartedAt, Instances: s.Instances, StageAt: s.StageAt, Ignored: s.Ignored, Abort: s.Abort,
	}
}

// Strategy is what the Deployment of a slot is told.
type Strategy struct {
	MaxSurge, MaxUnavailable intstr.IntOrString
	// MinReadySeconds is the health gate.
	MinReadySeconds int32
	// ProgressDeadlineSeconds is the time for one batch.
	ProgressDeadlineSeconds int32
}

// Slot is what one slot should be.
type Slot struct {
	Name string
	snapshot.Content
	Rollout  Rollout
	Strategy Strategy
	// Good and Failed; see snapshot.Slot.
	Good   string
	Failed snapshot.Failure
	// Replicas is how many instances a set has that no scaler may touch; nil: what the settings or the scaler say.
	Replicas *int32
}

// Kept is a slot as it is, with the strategy that it should have.
func Kept(s snapshot.Slot, strategy Strategy) Slot {
	return Slot{Name: s.Name, Content: s.Content, Rollout: Recorded(s), Strategy: strategy, Good: s.Good, Failed: s.Failed}
}

// Traffic is where requests should go.
type Traffic struct {
	// Slot that gets them; Other gets Percent of them meanwhile, if it is not empty.
	Slot, Other string
	Percent     int32
	// Exact is true when a route splits by weight. Otherwise the Service selects both slots, and their sizes decide.
	Exact bool
	// ServiceSince is recorded on the Service, RouteSince on the route; zero: nothing is.
	ServiceSince, RouteSince time.Time
}

// Scaler is what the autoscaler should do.
type Scaler struct {
	// Slot that it scales.
	Slot string
	// Hold, when not zero, keeps it at that number.
	Hold int32
}

// Failure is why a rollout failed.
type Failure struct {
	// Reason is one word, Message a sentence.
	Reason, Message string
}

// Step is what to do next, with its reason. Its writes may be made in any order, and any of them may be missing when the operator
// dies: each state that this leaves is one that a rollout goes on from without breaking a promise. Only deletions must wait until all
// writes are made, and the status until all deletions are. While two sets exist, Scaler.Hold is set, also in the step that deletes one.
type Step struct {
	// Slots that should exist, ordered by name. One that is not listed is removed.
	Slots []Slot
	// Current is the slot that the rollout changes, Stable the one that requests rely on; the same for policies that work in place.
	Current, Stable string
	// Traffic and Scaler follow the slots.
	Traffic Traffic
	Scaler  Scaler
	// Release, when not nil, is the rollout whose release command should exist.
	Release *Rollout
	// Target is what the rollout is about: what is wanted, or what came back.
	Target  snapshot.Content
	State   State
	Rollout Rollout
	// Begins is true when this step is the first of its rollout.
	Begins bool
	// Failure is why the rollout failed; nil while it has not.
	Failure *Failure
	// Updated of Desired instances are new and through the gate. Peak is the largest number that exists at a time, Extra how many
	// of these do not exist yet when the rollout begins.
	Updated, Desired, Peak, Extra int32
	// Deadline is when the stage that runs times out; Wake is when to decide again although nothing changed; zero: never.
	Deadline, Wake time.Time
	// Reason is a sentence for people.
	Reason string
}

// Progress is what a policy makes of the slot that it changes.
type Progress struct {
	// State is InProgress, Idle or Failed.
	State State
	// Failure is why it failed; nil otherwise.
	Failure *Failure
	// Rollout, Strategy and Replicas are what the slot should have now.
	Rollout  Rollout
	Strategy Strategy
	Replicas *int32
	// Moved is true when all requests should go to the slot; MovedSince is when they did, zero when it was never recorded.
	Moved      bool
	MovedSince time.Time
	// Split is the share that it should get while it is evaluated; SplitSince is when it got it.
	Split      int32
	SplitSince time.Time
	// Settled is true once the other slot is not needed any more.
	Settled                bool
	Updated, Desired, Peak int32
	Deadline, Wake         time.Time
	Reason                 string
}

// Fresh is how many of the ready, or available, instances have the new revision at least. The Deployment counts both
// revisions together; all the old ones are taken to be among them, so that the number is never too high.
func Fresh(slot snapshot.Slot, healthy int32) int32 {
	return max(0, min(slot.Updated, healthy-(slot.Total-slot.Updated)))
}

// Limit is how long a stage may take: the health gate comes on top of the time for a batch.
func Limit(with settings.Rollout) time.Duration {
	return time.Duration(with.GateSeconds+with.TimeoutSeconds) * time.Second
}

// Whole is a moment as it is recorded: in seconds.
func Whole(at time.Time) time.Time { return at.UTC().Truncate(time.Second) }

// Later is the later of two moments.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Earliest is the first of the moments that are not zero.
func Earliest(moments ...time.Time) time.Time {
	var first time.Time
	for _, m := range moments {
		if !m.IsZero() && (first.IsZero() || m.Before(first)) {
			first = m
		}
	}
	return first
}

// Passes says whether a status is good enough. Info always is: it means that work is under way.
func Passes(status, least v1alpha1.HealthStatus) bool {
	order := []v1alpha1.HealthStatus{v1alpha1.HealthWarning, v1alpha1.HealthDegraded, v1alpha1.HealthSevere}
	return slices.Index(order, status) <= slices.Index(order, least)
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
