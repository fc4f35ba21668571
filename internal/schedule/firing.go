// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// firing is a time at which a schedule comes; the zero value: never.
type firing struct {
	at time.Time
	// early is how long before the end of a skipped hour the wall clock would have shown it; 0: it was shown.
	early time.Duration
	// index of the schedule in its list.
	index int
}

func (f firing) comes() bool { return !f.at.IsZero() }

func (f firing) of(index int) firing {
	f.index = index
	return f
}

func (f firing) moment(list []v1alpha1.ScalingSchedule) Moment {
	if !f.comes() {
		return Moment{}
	}
	return Moment{Name: list[f.index].Name, At: f.at.UTC()}
}

// later is the one that counts. All times that a change of clocks skips come at once, and among themselves as they are written.
func later(a, b firing) firing {
	switch {
	case !a.at.Equal(b.at):
		if a.at.After(b.at) {
			return a
		}
		return b
	case a.early != b.early:
		if a.early < b.early {
			return a
		}
		return b
	case a.index > b.index:
		return a
	default:
		return b
	}
}

// action is a schedule that was read.
type action struct {
	// cron is nil for one that comes once, at start.
	cron *contract.Schedule
	// start and end bound what cron repeats; zero: they do not.
	start, end time.Time
}

// last is when the action came last, now included.
func (a action) last(now time.Time) firing {
	if a.cron == nil {
		if a.start.After(now) {
			return firing{}
		}
		return firing{at: a.start}
	}
	until := now
	if !a.end.IsZero() && a.end.Before(now) {
		until = a.end
	}
	f := previous(*a.cron, until)
	if f.at.Before(a.start) {
		return firing{}
	}
	return f
}

// next is when the action comes next, now excluded.
func (a action) next(now time.Time) firing {
	if a.cron == nil {
		if a.start.After(now) {
			return firing{at: a.start}
		}
		return firing{}
	}
	after := now
	if a.start.After(now) {
		after = a.start.Add(-time.Nanosecond)
	}
	f := following(*a.cron, after)
	if !a.end.IsZero() && f.at.After(a.end) {
		return firing{}
	}
	return f
}

// previous is the last time not later than now. What a change of clocks skips comes at the change: who would run small at night must
// not do so for a day more because one night has no such minute.
func previous(s contract.Schedule, now time.Time) firing {
	shown := s.Previous(now)
	for at := now; ; {
		change, _ := at.In(s.Zone()).ZoneBounds()
		if change.IsZero() || !change.After(shown) {
			return firing{at: shown}
		}
		if early := skipped(s, change); early > 0 {
			return firing{at: change, early: early}
		}
		at = change.Add(-time.Nanosecond)
	}
}

// following is the first time after another, by the rules of previous.
func following(s contract.Schedule, after time.Time) firing {
	shown := s.Next(after)
	for at := after; ; {
		_, change := at.In(s.Zone()).ZoneBounds()
		if change.IsZero() || !change.Before(shown) {
			return firing{at: shown}
		}
		if early := skipped(s, change); early > 0 {
			return firing{at: change, early: early}
		}
		at = change
	}
}

// skipped looks for the last minute that fits among those that a change of clocks skips, and returns how long before the end of the
// skipped time it is; 0 when there is none.
func skipped(s contract.Schedule, change time.Time) time.Duration {
	_, before := change.Add(-time.Nanosecond).In(s.Zone()).Zone()
	_, after := change.In(s.Zone()).Zone()
	gap := time.Duration(after-before) * time.Second
	old := time.FixedZone("", before)
	for early := time.Minute; early <= gap; early += time.Minute {
		if s.Fits(change.Add(gap - early).In(old)) {
			return early
		}
	}
	return 0
}
