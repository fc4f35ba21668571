// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the images have no time zones of their own

	"github.com/robfig/cron/v3"
)

const fiveFields = "write five fields: minute, hour, day of month, month and day of week, such as 0 2 * * *"

// horizon is the longest way to a time that comes: from one 29 February over a century to the next.
const horizon = 8 * 366 * day

const day = 24 * time.Hour

var fields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Schedule says when a task is due.
type Schedule struct {
	spec *cron.SpecSchedule
	zone *time.Location
}

// ParseSchedule reads five fields and the IANA name of a time zone; no zone is UTC. There are no macros such as @daily, no seconds,
// and Sunday is 0.
func ParseSchedule(schedule, zone string) (Schedule, error) {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return Schedule{}, fmt.Errorf("timeZone %q is not known; name one as in the IANA database, such as Asia/Seoul", zone)
	}
	switch {
	case len(schedule) > 100:
		return Schedule{}, fmt.Errorf("schedule has %d bytes, the limit is 100; %s", len(schedule), fiveFields)
	case strings.HasPrefix(schedule, "@"):
		return Schedule{}, fmt.Errorf("schedule %q is a macro, and there are none; %s", schedule, fiveFields)
	case len(strings.Fields(schedule)) != 5 || strings.Contains(schedule, "TZ="):
		return Schedule{}, fmt.Errorf("schedule %q does not have five fields; %s", schedule, fiveFields)
	}
	parsed, err := fields.Parse(schedule)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q cannot be read: %w; %s", schedule, err, fiveFields)
	}
	out := Schedule{spec: parsed.(*cron.SpecSchedule), zone: location}
	if out.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q never comes: no such month has such a day; choose another day", schedule)
	}
	return out, nil
}

// Next is the first time after another at which the task is due, in UTC; zero if there is none in eight years. It is the first
// minute whose wall clock in the task's zone fits: a time that a change of clocks skips does not come on that day, and one that comes
// twice is due twice. Whoever minds chooses another hour, or UTC.
func (s Schedule) Next(after time.Time) time.Time {
	at := after.Truncate(time.Minute).Add(time.Minute).In(s.zone)
	for end := at.Add(horizon); at.Before(end); {
		switch {
		case !s.month(at) && at.Day() < 27:
			at = at.Add(time.Duration(27-at.Day()) * day) // no month ends before, also when clocks change
		case !s.day(at) && at.Hour() < 20:
			at = at.Add(time.Duration(20-at.Hour()) * time.Hour) // no day ends before, though clocks go forward by two hours at Troll
		case !s.day(at) || s.spec.Hour&(1<<at.Hour()) == 0:
			at = at.Add(time.Duration(60-at.Minute()) * time.Minute)
		case s.spec.Minute&(1<<at.Minute()) == 0:
			at = at.Add(time.Minute)
		default:
			return at.UTC()
		}
	}
	return time.Time{}
}

// Previous is the last time at which the task was due, now included, by the rules of Next; zero if there is none in eight years.
func (s Schedule) Previous(now time.Time) time.Time {
	at := now.Truncate(time.Minute).In(s.zone)
	for end := at.Add(-horizon); at.After(end); {
		switch {
		case !s.month(at) && at.Day() > 2:
			at = at.Add(time.Duration(2-at.Day()) * day)
		case !s.day(at) && at.Hour() > 3:
			at = at.Add(time.Duration(3-at.Hour()) * time.Hour)
		case !s.day(at) || s.spec.Hour&(1<<at.Hour()) == 0:
			at = at.Add(-time.Duration(at.Minute()+1) * time.Minute)
		case s.spec.Minute&(1<<at.Minute()) == 0:
			at = at.Add(-time.Minute)
		default:
			return at.UTC()
		}
	}
	return time.Time{}
}

// Latest is the last time later than after, and not later than now, at which the task was due; zero if there is none.
func (s Schedule) Latest(after, now time.Time) time.Time {
	if last := s.Previous(now); last.After(after) {
		return last
	}
	return time.Time{}
}

// Fits says whether the wall clock shows a time at which the task is due. The zone of wall is not looked at.
func (s Schedule) Fits(wall time.Time) bool {
	return s.day(wall) && s.spec.Hour&(1<<wall.Hour()) != 0 && s.spec.Minute&(1<<wall.Minute()) != 0
}

// Zone is where the wall clock hangs.
func (s Schedule) Zone() *time.Location { return s.zone }

func (s Schedule) month(at time.Time) bool { return s.spec.Month&(1<<at.Month()) != 0 }

// day follows cron: where both the day of the month and the day of the week are restricted, one of them is enough.
func (s Schedule) day(at time.Time) bool {
	const star = 1 << 63 // so the parser marks a field that is not restricted
	if !s.month(at) {
		return false
	}
	ofMonth, ofWeek := s.spec.Dom&(1<<at.Day()) != 0, s.spec.Dow&(1<<at.Weekday()) != 0
	if s.spec.Dom&star != 0 || s.spec.Dow&star != 0 {
		return ofMonth && ofWeek
	}
	return ofMonth || ofWeek
}
