// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// The reasons of a Deployment's Progressing condition.
const (
	reasonCreated   = "NewReplicaSetCreated"
	reasonUpdated   = "ReplicaSetUpdated"
	reasonAvailable = "NewReplicaSetAvailable"
	reasonTimedOut  = "ProgressDeadlineExceeded"
)

// deployment is one Deployment and its controller.
type deployment struct {
	// record is what the operator wrote last: annotations, and the revision of the pod template.
	record   snapshot.Slot
	strategy plan.Strategy
	replicas int32
	// sets are the ReplicaSets, oldest first; one for each revision that ever ran.
	sets []*set

	// generation counts writes, observed is the last one that the controller has seen.
	generation, observed int64
	status               counts
	reason               string
	progressAt           time.Time
}

// counts are those of a Deployment's or a ReplicaSet's status.
type counts struct{ total, updated, ready, available int32 }

// sync is one pass of the Deployment controller: it scales one set at most and then writes the status.
func (d *deployment) sync(at time.Time) bool {
	fresh := d.find(d.record.Revision)
	if fresh == nil {
		fresh = &set{revision: d.record.Revision, version: d.record.Version}
		d.sets = append(d.sets, fresh)
		d.reason, d.progressAt = reasonCreated, at
	}
	scaled := d.scaleUp(fresh) || d.scaleDown(fresh)
	return d.report(fresh, at) || scaled
}

func (d *deployment) find(revision string) *set {
	for _, s := range d.sets {
		if s.revision == revision {
			return s
		}
	}
	return nil
}

// scaleUp gives the new set what the surge allows.
func (d *deployment) scaleUp(fresh *set) bool {
	room := d.replicas + scaled(d.strategy.MaxSurge, d.replicas, true) - d.wanted()
	more := min(room, d.replicas-fresh.want)
	if more <= 0 {
		return false
	}
	fresh.want += more
	return true
}

// scaleDown takes from the old sets what availability allows: first instances that are not healthy, oldest set first.
func (d *deployment) scaleDown(fresh *set) bool {
	least := d.replicas - d.unavailable()
	room := d.wanted() - least - (fresh.want - fresh.status.available)
	if room <= 0 {
		return false
	}
	var taken int32
	for _, s := range d.old(fresh) {
		unhealthy := max(0, min(room-taken, s.want-s.status.available))
		s.want -= unhealthy
		taken += unhealthy
	}
	spare := d.available() - least
	for _, s := range d.old(fresh) {
		healthy := max(0, min(spare, s.want))
		s.want -= healthy
		spare -= healthy
		taken += healthy
	}
	return taken > 0
}

// report writes the status, with the controller's own rules for the Progressing condition.
func (d *deployment) report(fresh *set, at time.Time) bool {
	was, reason, observed := d.status, d.reason, d.observed
	now := counts{updated: fresh.status.total}
	for _, s := range d.sets {
		now.total += s.status.total
		now.ready += s.status.ready
		now.available += s.status.available
	}
	d.status, d.observed = now, d.generation
	complete := counts{total: d.replicas, updated: d.replicas, ready: now.ready, available: d.replicas}
	switch {
	case now.total == now.updated && reason == reasonAvailable:
		// It completed before; the controller does not look at progress until old instances are seen again.
	case now == complete:
		d.reason, d.progressAt = reasonAvailable, at
	case now.progressed(was):
		d.reason, d.progressAt = reasonUpdated, at
	case reason != reasonAvailable && reason != reasonTimedOut && at.After(d.deadline()):
		d.reason, d.progressAt = reasonTimedOut, at
	}
	return d.status != was || d.reason != reason || d.observed != observed
}

// progressed says whether new instances came, old ones went, or any became ready or available.
func (c counts) progressed(was counts) bool {
	return c.updated > was.updated || c.total-c.updated < was.total-was.updated || c.ready > was.ready || c.available > was.available
}

// deadline is when the controller gives up.
func (d *deployment) deadline() time.Time {
	return d.progressAt.Add(time.Duration(d.strategy.ProgressDeadlineSeconds) * time.Second)
}

func (d *deployment) old(fresh *set) []*set {
	var out []*set
	for _, s := range d.sets {
		if s != fresh {
			out = append(out, s)
		}
	}
	return out
}

func (d *deployment) wanted() int32 {
	var sum int32
	for _, s := range d.sets {
		sum += s.want
	}
	return sum
}

func (d *deployment) available() int32 {
	var sum int32
	for _, s := range d.sets {
		sum += s.status.available
	}
	return sum
}

// unavailable is maxUnavailable as the controller resolves it: never zero together with the surge.
func (d *deployment) unavailable() int32 {
	n := scaled(d.strategy.MaxUnavailable, d.replicas, false)
	if n == 0 && scaled(d.strategy.MaxSurge, d.replicas, true) == 0 {
		return 1
	}
	return min(n, d.replicas)
}

func scaled(v intstr.IntOrString, n int32, up bool) int32 {
	out, err := intstr.GetScaledValueFromIntOrPercent(&v, int(n), up)
	if err != nil {
		return 0
	}
	return int32(out)
}

// slot is what the operator observes of the Deployment, as internal/observe does.
func (d *deployment) slot() snapshot.Slot {
	s := d.record
	s.Settled = d.observed >= d.generation
	s.Wanted = d.replicas
	s.Total, s.Updated, s.Ready, s.Available = d.status.total, d.status.updated, d.status.ready, d.status.available
	all := s.Total == s.Updated && (s.Updated > 0 || s.Wanted == 0)
	s.Complete = s.Settled && all && d.reason == reasonAvailable
	s.TimedOut = s.Settled && d.reason == reasonTimedOut
	s.ProgressAt = d.progressAt
	return s
}
