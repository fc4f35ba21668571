// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package toy

import (
	"cmp"
	"slices"
	"time"
)

// Never is a moment that does not come.
var Never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Set is one ReplicaSet and its controller.
type Set struct {
	Revision string
	// Want is how many instances the Deployment controller asks for.
	Want int32
	// Instances that exist. Whoever loses one takes it out.
	Instances []*Instance
	// Made counts the instances that it ever had.
	Made int
	// Status is what the Deployment controller sees.
	Status Counts

	// gate is that of the Deployment when this was its new set; nil before the Deployment controller saw it.
	gate *time.Duration
	note *note
}

// Instance is one pod.
type Instance struct {
	// Number counts the instances of a set, from 0.
	Number int
	// Ready is when it becomes ready, or Never. It may be changed at any time.
	Ready time.Time
}

// Starts says after how many seconds the n-th instance (from 0) of a revision is ready; negative: never.
type Starts func(revision string, n int) int

// through is the gate for this set: an old set keeps the gate that it had as the new one.
func (s *Set) through(gate time.Duration) time.Duration {
	if s.gate != nil {
		return *s.gate
	}
	return gate
}

// Sync is one pass of the ReplicaSet controller: it makes or removes instances and writes the status. It says whether anything
// changed.
func (s *Set) Sync(at time.Time, gate time.Duration, starts Starts) bool {
	was, before := s.Status, s.Made
	for int32(len(s.Instances)) < s.Want {
		ready := Never
		if seconds := starts(s.Revision, s.Made); seconds >= 0 {
			ready = at.Add(time.Duration(seconds) * time.Second)
		}
		s.Instances = append(s.Instances, &Instance{Number: s.Made, Ready: ready})
		s.Made++
	}
	if int32(len(s.Instances)) > s.Want {
		// As the ReplicaSet controller does: those that are not ready go first, then the youngest.
		slices.SortFunc(s.Instances, func(a, b *Instance) int { return cmp.Or(a.Ready.Compare(b.Ready), cmp.Compare(a.Number, b.Number)) })
		s.Instances = s.Instances[:s.Want]
	}
	s.Status = s.Count(at, gate)
	return s.Status != was || s.Made != before
}

// Count is what is true at a moment, however late a status is.
func (s *Set) Count(at time.Time, gate time.Duration) Counts {
	gate = s.through(gate)
	c := Counts{Total: int32(len(s.Instances))}
	for _, i := range s.Instances {
		if !i.Ready.After(at) {
			c.Ready++
		}
		if !i.Ready.Add(gate).After(at) {
			c.Available++
		}
	}
	return c
}

// Next is the next moment after this one at which an instance becomes ready or passes the gate; Never when there is none.
func (s *Set) Next(at time.Time, gate time.Duration) time.Time {
	gate = s.through(gate)
	out := Never
	for _, i := range s.Instances {
		for _, moment := range []time.Time{i.Ready, i.Ready.Add(gate)} {
			if moment.After(at) && moment.Before(out) {
				out = moment
			}
		}
	}
	return out
}
