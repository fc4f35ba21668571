// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"cmp"
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/schedule"
)

// Schedules are what the scaling schedules of an Environment say at the time of the Layers.
type Schedules struct {
	// Count is true where there are schedules that can change something.
	Count bool
	// Unclear is true when what they say cannot be read or contradicts the spec. What runs must then keep its size.
	Unclear bool
	schedule.State
}

// scheduled is a capacity with the min and max of the schedules that are in force. They are no part of the revision: no instance
// restarts because an hour has come.
func (s *Settings) scheduled(own *v1alpha1.Capacity, at time.Time) (v1alpha1.Capacity, []Problem) {
	var c v1alpha1.Capacity
	if own != nil {
		c = *own
	}
	if c.Autoscaling == nil || len(c.Autoscaling.Schedules) == 0 || c.Type == v1alpha1.SingleInstance || at.IsZero() {
		return c, nil
	}
	state, wrong := schedule.At(c.Autoscaling.Schedules, at)
	var problems []Problem
	for _, w := range wrong {
		problems = append(problems, Problem{Field: scheduleField(w.Name, w.Field), Message: w.Message})
	}
	least, most := cmp.Or(state.Min.Value, c.Min), cmp.Or(state.Max.Value, c.Max)
	if least != nil && most != nil && *least > *most {
		problems = append(problems, contradiction(state, *least, *most))
		least, most = c.Min, c.Max
	}
	s.Schedules = Schedules{Count: true, Unclear: len(problems) > 0, State: state}
	c.Min, c.Max = least, most
	return c, problems
}

// contradiction names the schedule that came last of those that a min above the max is from.
func contradiction(state schedule.State, least, most int32) Problem {
	low, high := source(state.Min, "min"), source(state.Max, "max")
	field, other := scheduleField(state.Min.Since.Name, "min"), "max"
	if state.Min.Value == nil || state.Max.Since.At.After(state.Min.Since.At) {
		field, other = scheduleField(state.Max.Since.Name, "max"), "min"
	}
	return Problem{Field: field, Message: fmt.Sprintf(
		"since %s the min is %d (%s) and the max is %d (%s); set %s in this schedule too. The number of instances stays as it is until then",
		state.Last.At.Format(time.RFC3339), least, low, most, high, other)}
}

func source(n schedule.Number, field string) string {
	if n.Value == nil {
		return "spec.capacity." + field
	}
	return "schedule " + n.Since.Name
}

// scheduleField is the path of a field of a schedule, by the schedule's name: those of a bundle have no place in the list of the spec.
func scheduleField(name, field string) string {
	return fmt.Sprintf("spec.capacity.autoscaling.schedules[%s].%s", name, field)
}

// bound keeps a number that nothing scales inside what schedules say; the spec's own min and max do not bound it.
func (s Schedules) bound(n int32) int32 {
	if s.Max.Value != nil && !s.Unclear {
		n = min(n, *s.Max.Value)
	}
	if s.Min.Value != nil && !s.Unclear {
		n = max(n, *s.Min.Value)
	}
	return n
}
