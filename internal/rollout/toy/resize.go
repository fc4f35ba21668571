// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package toy

import (
	"math"
	"slices"
)

// note is what the Deployment controller writes on a set as annotations whenever it scales it.
type note struct {
	// replicas of the Deployment, and the most that all sets together might have then.
	replicas, most int32
}

// scale gives a set its size, and says whether it had another one.
func (d *Deployment) scale(s *Set, n int32) bool {
	if s.Want == n && s.note != nil {
		return false
	}
	s.Want, s.note = n, &note{replicas: d.Spec.Replicas, most: d.Spec.Replicas + d.surge(d.Spec.Replicas)}
	return true
}

// adopt notes on the sets that a caller made by hand that they have the size for what is asked for now.
func (d *Deployment) adopt() {
	for _, s := range d.Sets {
		if s.note == nil {
			d.scale(s, s.Want)
		}
	}
}

// scalingEvent says whether a set has a size for another number of replicas. As in Kubernetes, empty sets do not count, and a
// set that stays alone with the right size goes on to say so.
func (d *Deployment) scalingEvent() bool {
	return slices.ContainsFunc(d.active(), func(s *Set) bool { return s.note.replicas != d.Spec.Replicas })
}

// resize follows a changed number of replicas, before any rollout goes on: a set that is alone gets all; in the middle of a
// rollout every set grows or shrinks in proportion, so that no revision alone bears the risk.
func (d *Deployment) resize(fresh *Set) bool {
	n, active := d.Spec.Replicas, d.active()
	switch {
	case len(active) == 1:
		return d.scale(active[0], n)
	case fresh != nil && fresh.Want == n && fresh.note.replicas == n && fresh.Status.Available == n:
		for _, s := range d.old(fresh) {
			d.scale(s, 0)
		}
	default:
		d.spread(active)
	}
	return true
}

func (d *Deployment) active() []*Set {
	var out []*Set
	for _, s := range d.Sets {
		if s.Want > 0 {
			out = append(out, s)
		}
	}
	return out
}

// spread adds or takes instances in proportion to what the sets were a part of; the largest gets what rounding leaves. Among sets
// of one size the newer grows first and the older shrinks first.
func (d *Deployment) spread(active []*Set) {
	n := d.Spec.Replicas
	allowed := int32(0)
	if n > 0 {
		allowed = n + d.surge(n)
	}
	left := allowed - d.wanted()
	if left > 0 {
		slices.Reverse(active)
	}
	slices.SortStableFunc(active, func(a, b *Set) int { return int(b.Want - a.Want) })
	sizes := make([]int32, len(active))
	for i, s := range active {
		part := int32(math.Round(float64(s.Want)*float64(allowed)/float64(s.note.most))) - s.Want
		switch {
		case left > 0:
			part = min(part, left)
		case left < 0:
			part = max(part, left)
		default:
			part = 0
		}
		sizes[i] = s.Want + part
		left -= part
	}
	sizes[0] = max(0, sizes[0]+left)
	for i, s := range active {
		s.note = nil
		d.scale(s, sizes[i])
	}
}
