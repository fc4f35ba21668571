// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"cmp"
	"fmt"
	"time"
	_ "time/tzdata" // the operator's image has no time zones of its own

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// defaultMinutes is how long Beanstalk's window is: two hours.
const defaultMinutes = 120

var days = map[string]time.Weekday{
	"Sun": time.Sunday, "Mon": time.Monday, "Tue": time.Tuesday, "Wed": time.Wednesday, "Thu": time.Thursday, "Fri": time.Friday, "Sat": time.Saturday,
}

// Span is one week's occurrence of a window: from Start until before End. Next is when the following one starts.
type Span struct {
	Start, End, Next time.Time
}

// Contains says whether the span is open at a time.
func (s Span) Contains(at time.Time) bool { return !at.Before(s.Start) && at.Before(s.End) }

// Latest is the occurrence of the window that started last, which may be over. The start is a wall-clock time: where a change
// of clocks skips it, it is as much later as the clocks went forward; where it comes twice, the second counts.
func Latest(w v1alpha1.MaintenanceWindow, at time.Time) (Span, error) {
	day, ok := days[w.Day]
	if !ok {
		return Span{}, fmt.Errorf("day %q is none of Sun, Mon, Tue, Wed, Thu, Fri and Sat", w.Day)
	}
	zone, err := time.LoadLocation(cmp.Or(w.TimeZone, "UTC"))
	if err != nil || w.TimeZone == "Local" {
		return Span{}, fmt.Errorf("timeZone %q is not known; name one as in the IANA database, such as Asia/Seoul", w.TimeZone)
	}
	clock, err := time.Parse("15:04", w.Start)
	if err != nil {
		return Span{}, fmt.Errorf("start %q is not HH:MM", w.Start)
	}
	minutes := int32(defaultMinutes)
	if w.DurationMinutes != nil {
		minutes = *w.DurationMinutes
	}
	here := at.In(zone)
	back := (int(here.Weekday()) - int(day) + 7) % 7
	start := func(weeks int) time.Time {
		return time.Date(here.Year(), here.Month(), here.Day()-back+7*weeks, clock.Hour(), clock.Minute(), 0, 0, zone)
	}
	week := 0
	if start(0).After(at) {
		week = -1
	}
	return Span{Start: start(week), End: start(week).Add(time.Duration(minutes) * time.Minute), Next: start(week + 1)}, nil
}
