// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package schedule says what the scaling schedules of an Environment ask for at a moment. Pure: the same list and the same time always
// give the same answer, so nothing is missed by an operator that was down, and nothing has to be remembered. internal/settings asks it.
package schedule

import (
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// Moment is a schedule and a time at which it comes; the zero value: none does.
type Moment struct {
	// Name of the schedule.
	Name string
	// At is in UTC.
	At time.Time
}

// Number is what schedules ask for, and which of them; the zero value: none has asked yet.
type Number struct {
	// Value is nil when none has asked.
	Value *int32
	// Since is the schedule that asked last, and when.
	Since Moment
}

// State is what the schedules ask for at a moment. Min and Max are apart: a schedule that sets one of them leaves the other as the
// schedules before it did.
type State struct {
	Min, Max Number
	// Last is the schedule that came last, Next the one that comes next.
	Last, Next Moment
}

// Problem is a schedule that cannot be read. It is left out of the State.
type Problem struct {
	// Name of the schedule, Field of it.
	Name, Field string
	// Message is a sentence with the next step.
	Message string
}

// At is the state at a time. A schedule counts from the moment at which it comes, however long ago that was, until another one that
// sets the same number comes. Of two that come at once the one further down in the list counts.
func At(list []v1alpha1.ScalingSchedule, now time.Time) (State, []Problem) {
	var out State
	var problems []Problem
	var low, high, last, next firing
	for i, s := range list {
		a, problem := read(s)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		if s.Suspend {
			continue
		}
		if f := a.last(now).of(i); f.comes() {
			last = later(last, f)
			if s.Min != nil {
				low = later(low, f)
			}
			if s.Max != nil {
				high = later(high, f)
			}
		}
		if f := a.next(now).of(i); f.comes() && (!next.comes() || f.at.Before(next.at) || f.at.Equal(next.at) && later(f, next) == f) {
			next = f
		}
	}
	out.Last, out.Next = last.moment(list), next.moment(list)
	if low.comes() {
		out.Min = Number{Value: list[low.index].Min, Since: low.moment(list)}
	}
	if high.comes() {
		out.Max = Number{Value: list[high.index].Max, Since: high.moment(list)}
	}
	return out, problems
}

// read makes a schedule one that times can be computed of.
func read(s v1alpha1.ScalingSchedule) (action, *Problem) {
	var a action
	var err error
	if a.start, err = instant(s.StartTime); err != nil {
		return a, &Problem{Name: s.Name, Field: "startTime", Message: err.Error()}
	}
	if a.end, err = instant(s.EndTime); err != nil {
		return a, &Problem{Name: s.Name, Field: "endTime", Message: err.Error()}
	}
	if s.Cron == "" {
		return a, nil
	}
	parsed, err := contract.ParseSchedule(s.Cron, s.TimeZone)
	if err == nil {
		a.cron = &parsed
		return a, nil
	}
	field := "cron"
	if _, wrong := contract.ParseSchedule("* * * * *", s.TimeZone); wrong != nil {
		field = "timeZone"
	}
	return a, &Problem{Name: s.Name, Field: field, Message: err.Error()}
}

// instant reads a time with its offset; nothing is the zero time.
func instant(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time that there is; write one such as 2026-11-27T08:00:00Z", text)
	}
	return at.UTC(), nil
}
