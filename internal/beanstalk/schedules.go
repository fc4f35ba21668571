// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package beanstalk

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// scheduleOptions of each scheduled action.
var scheduleOptions = map[string]func(*v1alpha1.ScalingSchedule, string) error{
	"MinSize": func(s *v1alpha1.ScalingSchedule, v string) error {
		return readNumber(v, 0, 10000, func(n int32) { s.Min = &n })
	},
	"MaxSize": func(s *v1alpha1.ScalingSchedule, v string) error {
		return readNumber(v, 0, 10000, func(n int32) { s.Max = &n })
	},
	"Recurrence": func(s *v1alpha1.ScalingSchedule, v string) error {
		s.Cron = strings.TrimSpace(v)
		if _, err := contract.ParseSchedule(s.Cron, "UTC"); err != nil {
			return fmt.Errorf("cannot be used: %w", err)
		}
		return nil
	},
	"StartTime": func(s *v1alpha1.ScalingSchedule, v string) error { return readTime(v, &s.StartTime) },
	"EndTime":   func(s *v1alpha1.ScalingSchedule, v string) error { return readTime(v, &s.EndTime) },
	"Suspend": func(s *v1alpha1.ScalingSchedule, v string) error {
		return truth(func(_ *draft, b bool) { s.Suspend = b })(nil, v)
	},
}

// scheduleOption returns what an option of an action does.
func scheduleOption(action, option string) (setter, error) {
	set, known := scheduleOptions[option]
	switch {
	case option == "DesiredCapacity":
		return nil, errors.New("has no counterpart: schedules bound the number of instances and do not set it once; use MinSize")
	case !known:
		return nil, errors.New("has no counterpart")
	case action == "" || len(action) > 63:
		return nil, errors.New("is of no action with a name; write a resource_name of at most 63 bytes")
	default:
		return func(d *draft, v string) error { return set(d.schedule(action), v) }, nil
	}
}

func readTime(v string, into *string) error {
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(v))
	if err != nil {
		return fmt.Errorf("is %q; write a time such as 2026-11-27T08:00:00Z", v)
	}
	*into = at.UTC().Format(time.RFC3339)
	return nil
}

// schedule by its name.
func (d *draft) schedule(name string) *v1alpha1.ScalingSchedule {
	for _, s := range d.schedules {
		if s.Name == name {
			return s
		}
	}
	s := &v1alpha1.ScalingSchedule{Name: name}
	d.schedules = append(d.schedules, s)
	return s
}

// finishSchedules takes over those that are whole.
func (d *draft) finishSchedules() {
	for _, s := range d.schedules {
		if lacking(*s) != "" {
			continue
		}
		if s.Cron == "" {
			s.EndTime = "" // Beanstalk takes one there and makes nothing of it
		}
		if d.capacity.Autoscaling == nil {
			d.capacity.Autoscaling = &v1alpha1.Autoscaling{}
		}
		d.capacity.Autoscaling.Schedules = append(d.capacity.Autoscaling.Schedules, *s)
	}
}

// lacking says why an action has no effect as a whole; empty when it has one.
func lacking(s v1alpha1.ScalingSchedule) string {
	switch {
	case s.Cron == "" && s.StartTime == "":
		return "has neither Recurrence nor StartTime"
	case s.Min == nil && s.Max == nil:
		return "has neither MinSize nor MaxSize"
	case s.Min != nil && s.Max != nil && *s.Min > *s.Max:
		return "has a MinSize that is larger than its MaxSize"
	case s.Cron != "" && s.StartTime != "" && s.EndTime != "" && s.StartTime >= s.EndTime: // both in UTC
		return "has a StartTime that is not before its EndTime"
	default:
		return ""
	}
}

// Incomplete says of which scheduled actions the options have no effect together, in sentences.
func Incomplete(settings []v1alpha1.OptionSetting) []string {
	d := newDraft(v1alpha1.EnvironmentSpec{})
	for _, s := range settings {
		if set, err := find(s); err == nil && strings.HasSuffix(s.Namespace, namespaceSchedule) {
			_ = set(d, s.Value) // Ignored says what cannot be read
		}
	}
	var out []string
	for _, s := range d.schedules {
		if why := lacking(*s); why != "" {
			out = append(out, "option "+s.Name+"."+namespaceSchedule+" "+why+", so the action has no effect")
		}
	}
	return out
}
