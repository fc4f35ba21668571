// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package toy

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
)

// The reasons of a Deployment's Progressing condition.
const (
	ReasonCreated   = "NewReplicaSetCreated"
	ReasonUpdated   = "ReplicaSetUpdated"
	ReasonAvailable = "NewReplicaSetAvailable"
	ReasonTimedOut  = "ProgressDeadlineExceeded"
)

// Spec is what a Deployment is told.
type Spec struct {
	// Revision stands for the pod template.
	Revision string
	Replicas int32
	Strategy plan.Strategy
}

// Deployment is one Deployment and its controller.
type Deployment struct {
	// Spec may be changed at any time.
	Spec Spec
	// Generation counts writes, Observed is the last one that the controller has seen.
	Generation, Observed int64
	// Sets are the ReplicaSets, oldest first; one for each revision that ever ran.
	Sets []*Set
	// Status, Reason and ProgressAt are what the controller reports: counts, and the reason and last update of Progressing.
	Status     Counts
	Reason     string
	ProgressAt time.Time
}

// Counts are those of a Deployment's or a ReplicaSet's status.
type Counts struct{ Total, Updated, Ready, Available int32 }

// Sync is one pass of the Deployment controller: it scales once at most and then writes the status. It says whether anything
// changed.
func (d *Deployment) Sync(at time.Time) bool {
	fresh := d.Find(d.Spec.Revision)
	if fresh != nil {
		fresh.gate = d.gate()
	}
	d.adopt()
	if d.scalingEvent() {
		// Progress is not judged in such a pass, and a set for a new revision is not made.
		moved := d.resize(fresh)
		return d.recount(fresh) || moved
	}
	if fresh == nil {
		fresh = &Set{Revision: d.Spec.Revision, gate: d.gate()}
		d.Sets = append(d.Sets, fresh)
		d.scale(fresh, 0)
		d.Reason, d.ProgressAt = ReasonCreated, at
	}
	moved := d.scaleUp(fresh) || d.scaleDown(fresh)
	return d.report(fresh, at) || moved
}

// Find returns the set of a revision, or nil.
func (d *Deployment) Find(revision string) *Set {
	for _, s := range d.Sets {
		if s.Revision == revision {
			return s
		}
	}
	return nil
}

// Gate is how long an instance must be ready before it counts as available.
func (d *Deployment) Gate() time.Duration {
	return time.Duration(d.Spec.Strategy.MinReadySeconds) * time.Second
}

func (d *Deployment) gate() *time.Duration {
	gate := d.Gate()
	return &gate
}

// Next is the next moment after this one at which an instance becomes ready, passes the gate, or the deadline passes; Never
// when there is none.
func (d *Deployment) Next(at time.Time) time.Time {
	next := Never
	for _, s := range d.Sets {
		next = earlier(next, s.Next(at, d.Gate()))
	}
	if d.Reason == ReasonCreated || d.Reason == ReasonUpdated {
		next = earlier(next, d.deadline().Add(time.Second))
	}
	return next
}

// scaleUp gives the new set what the surge allows, and takes what is more than wanted.
func (d *Deployment) scaleUp(fresh *Set) bool {
	if fresh.Want > d.Spec.Replicas {
		return d.scale(fresh, d.Spec.Replicas)
	}
	room := d.Spec.Replicas + d.surge(d.Spec.Replicas) - d.wanted()
	return d.scale(fresh, fresh.Want+max(0, min(room, d.Spec.Replicas-fresh.Want)))
}

// scaleDown takes from the old sets what availability allows: first instances that are not healthy, oldest set first.
func (d *Deployment) scaleDown(fresh *Set) bool {
	least := d.Spec.Replicas - d.unavailable()
	room := d.wanted() - least - (fresh.Want - fresh.Status.Available)
	if room <= 0 {
		return false
	}
	// Sets that were emptied before do not count, even if their last instances are still seen.
	old := d.old(fresh)
	available := fresh.Status.Available
	for _, s := range old {
		available += s.Status.Available
	}
	var taken int32
	for _, s := range old {
		if taken == room {
			break
		}
		if s.Status.Available > s.Want {
			// Its controller is behind: instances that still count are going. Kubernetes gives the pass up.
			return taken > 0
		}
		unhealthy := min(room-taken, s.Want-s.Status.Available)
		d.scale(s, s.Want-unhealthy)
		taken += unhealthy
	}
	spare := available - least
	for _, s := range old {
		healthy := max(0, min(spare, s.Want))
		d.scale(s, s.Want-healthy)
		spare -= healthy
		taken += healthy
	}
	return taken > 0
}

// report writes the status, with the controller's own rules for the Progressing condition.
func (d *Deployment) report(fresh *Set, at time.Time) bool {
	was, reason := d.Status, d.Reason
	moved := d.recount(fresh)
	now := d.Status
	n := d.Spec.Replicas
	complete := Counts{Total: n, Updated: n, Ready: now.Ready, Available: n}
	switch {
	case now.Total == now.Updated && reason == ReasonAvailable:
		// It completed before; the controller does not look at progress until old instances are seen again.
	case now == complete:
		d.Reason, d.ProgressAt = ReasonAvailable, at
	case now.progressed(was):
		d.Reason, d.ProgressAt = ReasonUpdated, at
	case reason != ReasonAvailable && reason != ReasonTimedOut && at.After(d.deadline()):
		d.Reason, d.ProgressAt = ReasonTimedOut, at
	}
	return moved || d.Reason != reason
}

// recount writes the counts and the generation, and says whether they changed. The new set may not exist yet.
func (d *Deployment) recount(fresh *Set) bool {
	was, observed := d.Status, d.Observed
	var now Counts
	for _, s := range d.Sets {
		now.Total += s.Status.Total
		now.Ready += s.Status.Ready
		now.Available += s.Status.Available
	}
	if fresh != nil {
		now.Updated = fresh.Status.Total
	}
	d.Status, d.Observed = now, d.Generation
	return d.Status != was || d.Observed != observed
}

// progressed says whether new instances came, old ones went, or any became ready or available.
func (c Counts) progressed(was Counts) bool {
	return c.Updated > was.Updated || c.Total-c.Updated < was.Total-was.Updated || c.Ready > was.Ready || c.Available > was.Available
}

// deadline is when the controller gives up.
func (d *Deployment) deadline() time.Time {
	return d.ProgressAt.Add(time.Duration(d.Spec.Strategy.ProgressDeadlineSeconds) * time.Second)
}

// old are the sets of other revisions that have instances.
func (d *Deployment) old(fresh *Set) []*Set {
	return slices.DeleteFunc(d.active(), func(s *Set) bool { return s == fresh })
}

func (d *Deployment) wanted() int32 {
	var sum int32
	for _, s := range d.Sets {
		sum += s.Want
	}
	return sum
}

// unavailable is maxUnavailable as the controller resolves it: never zero together with the surge, unless there is nothing.
func (d *Deployment) unavailable() int32 {
	n := share(d.Spec.Strategy.MaxUnavailable, d.Spec.Replicas, false)
	if n == 0 && d.surge(d.Spec.Replicas) == 0 {
		n = 1
	}
	return min(n, d.Spec.Replicas)
}

func (d *Deployment) surge(n int32) int32 { return share(d.Spec.Strategy.MaxSurge, n, true) }

func share(v intstr.IntOrString, n int32, up bool) int32 {
	out, err := intstr.GetScaledValueFromIntOrPercent(&v, int(n), up)
	if err != nil {
		return 0
	}
	return int32(out)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
