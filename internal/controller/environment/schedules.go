// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/schedule"
)

// capacityStatus is what the schedules say now. What could not be read, or says two things at once, leaves what was in force.
func capacityStatus(p pass, before *v1alpha1.CapacityStatus) *v1alpha1.CapacityStatus {
	s := p.cfg.Schedules
	switch {
	case p.unread || s.Unclear:
		return before
	case !s.Count:
		return nil
	default:
		return &v1alpha1.CapacityStatus{Min: p.cfg.Min, Max: p.cfg.Max, Schedule: momentStatus(s.Last), Next: momentStatus(s.Next)}
	}
}

func momentStatus(m schedule.Moment) *v1alpha1.ScheduleMoment {
	if m.At.IsZero() {
		return nil
	}
	return &v1alpha1.ScheduleMoment{Name: m.Name, Time: metav1.NewTime(m.At)}
}

// capacityEvents tell once of a schedule that has taken effect: not when the same one comes again and changes nothing.
func capacityEvents(was, is *v1alpha1.CapacityStatus, add adder) {
	if is == nil || is.Schedule == nil {
		return
	}
	if was != nil && was.Schedule != nil && was.Schedule.Name == is.Schedule.Name {
		again := !was.Schedule.Time.Equal(&is.Schedule.Time)
		if !again || was.Min == is.Min && was.Max == is.Max {
			return
		}
	}
	next := "no schedule comes after it"
	if is.Next != nil {
		next = is.Next.Name + " comes next, " + is.Next.Time.UTC().Format(clockFormat)
	}
	add(false, "ScheduleInForce", "Scale", "Schedule %s of %s: %d to %d instances; %s", is.Schedule.Name, is.Schedule.Time.UTC().Format(clockFormat), is.Min, is.Max, next)
}

// clockFormat is how events tell a time.
const clockFormat = "Mon 2 Jan 15:04 MST"
