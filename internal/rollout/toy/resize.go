// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package toy

import (
	"math"
	"slices"
)

// resize follows a changed number of replicas, before any rollout goes on: a set that is alone gets all; in the middle of a
// rollout every set grows or shrinks in proportion, so that no revision alone bears the risk.
func (d *Deployment) resize(fresh *Set) bool {
	n := d.Spec.Replicas
	was := d.scaled
	d.scaled = &n
	if was == nil || *was == n || len(d.active()) == 0 {
		return false
	}
	active := d.active()
	if len(active) == 1 {
		active[0].Want = n
		return true
	}
	if fresh.Want == n && fresh.Status.Available == n {
		for _, s := range d.old(fresh) {
			s.Want = 0
		}
		return true
	}
	d.spread(active, *was)
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

// spread adds or takes instances in proportion to the sizes of the sets; the largest gets what rounding leaves. Among sets of one
// size the newer grows first and the older shrinks first.
func (d *Deployment) spread(active []*Set, was int32) {
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
	before := float64(was + d.surge(was))
	for _, s := range active {
		part := int32(math.Round(float64(s.Want)*float64(allowed)/before)) - s.Want
		if left > 0 {
			part = max(0, min(part, left))
		} else {
			part = min(0, max(part, left))
		}
		s.Want += part
		left -= part
	}
	active[0].Want = max(0, active[0].Want+left)
}
