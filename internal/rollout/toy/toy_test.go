// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package toy_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// settle plays until nothing moves any more, and returns when that is.
func settle(d *toy.Deployment, at time.Time, starts toy.Starts) time.Time {
	for {
		moved := d.Sync(at)
		for _, s := range d.Sets {
			moved = s.Sync(at, d.Gate(), starts) || moved
		}
		if moved {
			continue
		}
		next := d.Next(at)
		if next.Equal(toy.Never) {
			return at
		}
		at = next
	}
}

func deployment(replicas int32) *toy.Deployment {
	return &toy.Deployment{Generation: 1, Spec: toy.Spec{Revision: "v1", Replicas: replicas, Strategy: plan.Strategy{
		MaxSurge: intstr.FromInt32(1), MaxUnavailable: intstr.FromInt32(0), ProgressDeadlineSeconds: 60,
	}}}
}

func prompt(string, int) int { return 1 }

func TestScaling(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int32{0, 1, 3, 9} {
		d := deployment(4)
		at := settle(d, start, prompt)
		d.Spec.Replicas, d.Generation = replicas, 2
		settle(d, at, prompt)
		if d.Status != (toy.Counts{Total: replicas, Updated: replicas, Ready: replicas, Available: replicas}) || d.Observed != 2 {
			t.Errorf("scaled to %d: %+v", replicas, d.Status)
		}
	}
}

// TestScalingInTheMiddle scales while a new revision does not start: both sets change in proportion, and nothing is over the surge.
func TestScalingInTheMiddle(t *testing.T) {
	t.Parallel()
	stuck := func(revision string, _ int) int {
		if revision == "v2" {
			return -1
		}
		return 1
	}
	for _, tc := range []struct{ replicas, v1, v2 int32 }{{8, 7, 2}, {2, 2, 1}, {4, 4, 1}} {
		d := deployment(4)
		at := settle(d, start, stuck)
		d.Spec.Revision = "v2"
		at = settle(d, at, stuck)
		if d.Reason != toy.ReasonTimedOut {
			t.Fatalf("the rollout is %s", d.Reason)
		}
		d.Spec.Replicas = tc.replicas
		settle(d, at, stuck)
		if v1, v2 := d.Find("v1").Want, d.Find("v2").Want; v1 != tc.v1 || v2 != tc.v2 {
			t.Errorf("scaled to %d: %d of v1 and %d of v2, want %d and %d", tc.replicas, v1, v2, tc.v1, tc.v2)
		}
	}
}

func TestAutoscaler(t *testing.T) {
	t.Parallel()
	demand := int32(30)
	a := &toy.Autoscaler{Target: "blue-a", Min: 2, Max: 12, Demand: &demand}
	d := deployment(1)
	slots := map[string]*toy.Deployment{"blue-a": d, "blue-b": deployment(1)}
	at := start
	for _, want := range []int32{2, 6, 12, 12} {
		a.Sync(at, slots)
		if d.Spec.Replicas != want {
			t.Fatalf("%d replicas, want %d", d.Spec.Replicas, want)
		}
		if want > 2 && a.Sync(at, slots) {
			t.Fatalf("it grew twice in one period, to %d", d.Spec.Replicas)
		}
		at = a.Next(at, d.Spec.Replicas)
	}
	if !at.Equal(toy.Never) {
		t.Errorf("it is at its maximum and wants to act again at %s", at)
	}
	demand = 0
	if a.Sync(start, slots); d.Spec.Replicas != 2 {
		t.Errorf("%d replicas without any demand", d.Spec.Replicas)
	}
	d.Spec.Replicas = 0
	if a.Sync(start, slots) || slots["blue-b"].Spec.Replicas != 1 {
		t.Error("it woke a Deployment of none, or scaled the other slot")
	}
}
