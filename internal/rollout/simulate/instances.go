// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"cmp"
	"slices"
	"time"
)

// never is a moment that does not come.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// set is one ReplicaSet and its controller.
type set struct {
	revision, version string
	want              int32
	instances         []*instance
	// made counts the instances that it ever had.
	made int
	// status is what the Deployment controller sees.
	status counts
}

// instance is one pod: it becomes ready at a certain moment and counts once it was ready for the health gate.
type instance struct {
	number int
	ready  time.Time
}

// sync makes or removes instances and writes the status.
func (s *set) sync(at time.Time, gate time.Duration, starts func(version string, n int) int) bool {
	was, before := s.status, s.made
	for int32(len(s.instances)) < s.want {
		ready := never
		if seconds := starts(s.version, s.made); seconds >= 0 {
			ready = at.Add(time.Duration(seconds) * time.Second)
		}
		s.instances = append(s.instances, &instance{number: s.made, ready: ready})
		s.made++
	}
	if int32(len(s.instances)) > s.want {
		// As the ReplicaSet controller does: those that are not ready go first, then the youngest.
		slices.SortFunc(s.instances, func(a, b *instance) int { return cmp.Or(a.ready.Compare(b.ready), cmp.Compare(a.number, b.number)) })
		s.instances = s.instances[:s.want]
	}
	s.status = s.count(at, gate)
	return s.status != was || s.made != before
}

// count is what is true at a moment, however late a status is.
func (s *set) count(at time.Time, gate time.Duration) counts {
	c := counts{total: int32(len(s.instances))}
	for _, i := range s.instances {
		if !i.ready.After(at) {
			c.ready++
		}
		if !i.ready.Add(gate).After(at) {
			c.available++
		}
	}
	return c
}

// next is the next moment after this one at which an instance becomes ready or passes the gate.
func (s *set) next(at time.Time, gate time.Duration) time.Time {
	out := never
	for _, i := range s.instances {
		for _, moment := range []time.Time{i.ready, i.ready.Add(gate)} {
			if moment.After(at) && moment.Before(out) {
				out = moment
			}
		}
	}
	return out
}
