// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"maps"
	"slices"
	"time"

	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// cluster is everything that exists for one environment.
type cluster struct {
	slots     map[string]*deployment
	service   service
	route     route
	releases  []*release
	revisions map[string]snapshot.Revision
	scaler    *toy.Autoscaler
	// versions and made say for every revision that was ever written which version it is and when its first instance was made.
	versions map[string]string
	made     map[string]time.Time
	// requests says for every slot that gets some since when.
	requests map[string]time.Time
	writes   int
	// scaledAt is when the autoscaler last changed a number.
	scaledAt time.Time
}

// deployment is a toy Deployment with the annotations that the operator wrote last.
type deployment struct {
	toy.Deployment
	record   snapshot.Slot
	deleting bool
}

// service is the Service: whom it selects, and since when.
type service struct {
	exists  bool
	traffic plan.Traffic
}

// route is the HTTPRoute: the share of the new set.
type route struct {
	weight int32
	since  time.Time
}

// release is the Job of a release command.
type release struct {
	snapshot.Release
	ends  time.Time
	fails bool
}

func (c *cluster) start(s Scenario) {
	*c = cluster{
		slots: map[string]*deployment{}, revisions: map[string]snapshot.Revision{}, versions: map[string]string{}, made: map[string]time.Time{},
		requests: map[string]time.Time{},
	}
	if s.Scaler != nil {
		c.scaler = &toy.Autoscaler{Target: snapshot.SlotA, Min: s.Scaler.Min, Max: s.Scaler.Max}
	}
}

// observe is what the operator sees, as internal/observe makes it.
func (c *cluster) observe() snapshot.Snapshot {
	now := snapshot.Snapshot{Slots: map[string]snapshot.Slot{}, Revisions: maps.Clone(c.revisions)}
	for name, d := range c.slots {
		now.Slots[name] = d.slot()
	}
	if c.service.exists {
		t := c.service.traffic
		now.Traffic = snapshot.Traffic{Slot: t.Slot, ServiceSince: t.ServiceSince, Weight: c.route.weight, RouteSince: c.route.since}
		if t.Other != "" {
			now.Traffic.Slot, now.Traffic.Both = "", true
		}
	}
	for _, r := range c.releases {
		now.Releases = append(now.Releases, r.Release)
	}
	return now
}

// slot is what the operator observes of a Deployment.
func (d *deployment) slot() snapshot.Slot {
	s := d.record
	s.Deleting = d.deleting
	s.Settled = d.Observed >= d.Generation
	s.Wanted = d.Spec.Replicas
	s.Total, s.Updated, s.Ready, s.Available = d.Status.Total, d.Status.Updated, d.Status.Ready, d.Status.Available
	all := s.Total == s.Updated && (s.Updated > 0 || s.Wanted == 0)
	s.Complete = s.Settled && all && d.Reason == toy.ReasonAvailable
	s.TimedOut = s.Settled && d.Reason == toy.ReasonTimedOut
	s.ProgressAt = d.ProgressAt
	return s
}

// sync lets every controller act once, and says whether anything moved.
func (c *cluster) sync(at time.Time, starts toy.Starts) bool {
	moved := false
	for _, name := range slices.Sorted(maps.Keys(c.slots)) {
		d := c.slots[name]
		if d.deleting {
			delete(c.slots, name)
			moved = true
			continue
		}
		moved = d.Sync(at) || moved
		for _, s := range d.Sets {
			moved = s.Sync(at, d.Gate(), starts) || moved
		}
	}
	c.releases = slices.DeleteFunc(c.releases, func(r *release) bool {
		moved = moved || r.Deleting
		return r.Deleting
	})
	for _, r := range c.releases {
		moved = r.sync(at) || moved
	}
	return c.scale(at) || moved
}

func (r *release) sync(at time.Time) bool {
	if r.Succeeded || r.Failed || at.Before(r.ends) {
		return false
	}
	r.Succeeded, r.Failed = !r.fails, r.fails
	if r.fails {
		r.Message = "Job has reached the specified backoff limit"
	}
	return true
}

// scale lets the autoscaler act.
func (c *cluster) scale(at time.Time) bool {
	if c.scaler == nil {
		return false
	}
	targets := map[string]*toy.Deployment{}
	for name, d := range c.slots {
		targets[name] = &d.Deployment
	}
	if !c.scaler.Sync(at, targets) {
		return false
	}
	c.scaledAt = at
	return true
}

// next is when anything happens by itself.
func (c *cluster) next(at time.Time) time.Time {
	next := toy.Never
	for _, d := range c.slots {
		next = plan.Earliest(next, d.Next(at))
	}
	for _, r := range c.releases {
		if !r.Succeeded && !r.Failed {
			next = plan.Earliest(next, r.ends)
		}
	}
	if c.scaler != nil {
		if d := c.slots[c.scaler.Target]; d != nil {
			next = plan.Earliest(next, c.scaler.Next(at, d.Spec.Replicas))
		}
	}
	return next
}

// serving says whether a slot gets requests, and how many percent of them by weight.
func (p *play) serving(name string) bool {
	t := p.service.traffic
	switch {
	case p.Worker:
		return p.slots[name] != nil
	case !p.service.exists:
		return false
	case t.Slot == name || t.Other == name:
		return true
	default:
		return p.route.weight > 0
	}
}
