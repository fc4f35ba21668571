// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// list reads schedules as people write them.
func list(t *testing.T, text string) []v1alpha1.ScalingSchedule {
	t.Helper()
	var out []v1alpha1.ScalingSchedule
	if err := yaml.UnmarshalStrict([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func when(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// told is a state in one line: min/max, who came last and who comes next.
func told(s State) string {
	moment := func(m Moment) string {
		if m.At.IsZero() {
			return "-"
		}
		return m.Name + " " + m.At.Format("01-02T15:04")
	}
	number := func(n Number) string {
		if n.Value == nil {
			return "-"
		}
		return fmt.Sprint(*n.Value)
	}
	return fmt.Sprintf("%s/%s, %s, %s", number(s.Min), number(s.Max), moment(s.Last), moment(s.Next))
}

const (
	office = `[{name: day, cron: "0 7 * * MON-FRI", min: 4, max: 12}, {name: night, cron: "0 22 * * *", min: 1, max: 2}]`
	halves = `[{name: floor, cron: "0 6 * * *", min: 3}, {name: ceiling, cron: "0 12 * * *", max: 9}, {name: low, cron: "0 20 * * *", min: 1}]`
	berlin = `[{name: day, cron: "30 2 * * *", timeZone: Europe/Berlin, min: 5}, {name: night, cron: "0 22 * * *", timeZone: Europe/Berlin, min: 1}]`
	order  = `[{name: all, cron: "0 22 * * *", max: 3}, {name: saturday, cron: "0 22 * * SAT", max: 1}]`
	// Four times of one night, of which three are skipped in spring, in no order.
	night = `[{name: c, cron: "5 3 * * *", timeZone: Europe/Berlin, min: 3}, {name: b, cron: "40 2 * * *", timeZone: Europe/Berlin, min: 2}, {name: a, cron: "10 2 * * *", timeZone: Europe/Berlin, min: 1}]`
)

func TestAt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, list, now, want string }{
		{"none", `[]`, "2026-06-01T00:00:00Z", "-/-, -, -"},
		{"the second before", office, "2026-06-01T06:59:59Z", "1/2, night 05-31T22:00, day 06-01T07:00"},
		{"the moment itself", office, "2026-06-01T07:00:00Z", "4/12, day 06-01T07:00, night 06-01T22:00"},
		{"the weekend", office, "2026-06-06T12:00:00Z", "1/2, night 06-05T22:00, night 06-06T22:00"},
		{"after a month without operator", office, "2026-07-01T07:00:01Z", "4/12, day 07-01T07:00, night 07-01T22:00"},

		{"min and max are apart, in the morning", halves, "2026-06-01T06:00:00Z", "3/9, floor 06-01T06:00, ceiling 06-01T12:00"},
		{"min and max are apart, at noon", halves, "2026-06-01T12:00:00Z", "3/9, ceiling 06-01T12:00, low 06-01T20:00"},
		{"min and max are apart, at night", halves, "2026-06-01T20:00:00Z", "1/9, low 06-01T20:00, floor 06-02T06:00"},

		{"the one further down, when both come", order, "2026-06-06T22:00:00Z", "-/1, saturday 06-06T22:00, all 06-07T22:00"},
		{"the other one on the next day", order, "2026-06-07T22:00:00Z", "-/3, all 06-07T22:00, all 06-08T22:00"},
		{"the next one is the one that will count", order, "2026-06-06T21:00:00Z", "-/3, all 06-05T22:00, saturday 06-06T22:00"},

		{"once, before", `[{name: sale, startTime: "2026-11-27T08:00:30Z", min: 9}]`, "2026-11-27T08:00:29Z", "-/-, -, sale 11-27T08:00"},
		{"once, from then on", `[{name: sale, startTime: "2026-11-27T08:00:30Z", min: 9}]`, "2026-11-27T08:00:30Z", "9/-, sale 11-27T08:00, -"},
		{"once, years later", `[{name: sale, startTime: "2026-11-27T08:00:30Z", min: 9}]`, "2036-11-27T08:00:30Z", "9/-, sale 11-27T08:00, -"},
		{"an offset", `[{name: sale, startTime: "2026-11-27T08:00:00+09:00", min: 9}]`, "2026-11-26T23:00:00Z", "9/-, sale 11-26T23:00, -"},

		{"cron before its start", `[{name: x, cron: "0 22 * * *", startTime: "2026-06-02T00:00:00Z", min: 1}]`, "2026-06-01T23:00:00Z", "-/-, -, x 06-02T22:00"},
		{"cron whose start is its time", `[{name: x, cron: "0 22 * * *", startTime: "2026-06-02T22:00:00Z", min: 1}]`, "2026-06-02T21:00:00Z", "-/-, -, x 06-02T22:00"},
		{"cron whose start was just missed", `[{name: x, cron: "0 22 * * *", startTime: "2026-06-02T22:00:01Z", min: 1}]`, "2026-06-02T23:00:00Z", "-/-, -, x 06-03T22:00"},
		{"cron whose end is its time", `[{name: x, cron: "0 22 * * *", endTime: "2026-06-02T22:00:00Z", min: 1}]`, "2026-06-02T21:00:00Z", "1/-, x 06-01T22:00, x 06-02T22:00"},
		{"what cron set stays after its end", `[{name: x, cron: "0 22 * * *", endTime: "2026-06-02T22:00:00Z", min: 1}]`, "2027-06-02T21:00:00Z", "1/-, x 06-02T22:00, -"},
		{"no time between start and end", `[{name: x, cron: "0 22 * * *", startTime: "2026-06-02T22:01:00Z", endTime: "2026-06-03T21:59:00Z", min: 1}]`, "2026-06-09T00:00:00Z", "-/-, -, -"},

		{"suspended", `[{name: x, cron: "0 22 * * *", suspend: true, min: 1}, {name: d, cron: "0 7 * * *", min: 4}]`, "2026-06-01T23:00:00Z", "4/-, d 06-01T07:00, d 06-02T07:00"},
		{"to zero", `[{name: closed, cron: "0 22 * * *", min: 0, max: 0}]`, "2026-06-01T23:00:00Z", "0/0, closed 06-01T22:00, closed 06-02T22:00"},
		{"leap days", `[{name: x, cron: "0 0 29 2 *", min: 1}]`, "2026-06-01T00:00:00Z", "1/-, x 02-29T00:00, x 02-29T00:00"},

		{"in spring, before the hour that is skipped", berlin, "2026-03-29T00:59:59Z", "1/-, night 03-28T21:00, day 03-29T01:00"},
		{"in spring, when clocks change", berlin, "2026-03-29T01:00:00Z", "5/-, day 03-29T01:00, night 03-29T20:00"},
		{"in spring, the day after", berlin, "2026-03-30T00:30:00Z", "5/-, day 03-30T00:30, night 03-30T20:00"},
		{"what is skipped comes in its own order", night, "2026-03-29T01:00:00Z", "2/-, b 03-29T01:00, c 03-29T01:05"},
		{"and before what is not skipped", night, "2026-03-29T01:05:00Z", "3/-, c 03-29T01:05, a 03-30T00:10"},
		{"the next of those is the one that will count", night, "2026-03-29T00:00:00Z", "3/-, c 03-28T02:05, b 03-29T01:00"},
		{"in autumn, the first time", berlin, "2026-10-25T00:30:00Z", "5/-, day 10-25T00:30, day 10-25T01:30"},
		{"in autumn, the second time", berlin, "2026-10-25T01:30:00Z", "5/-, day 10-25T01:30, night 10-25T21:00"},
		{"a day whose midnight is skipped", `[{name: m, cron: "0 0 * * *", timeZone: America/Santiago, min: 1}]`, "2026-09-06T03:59:59Z", "1/-, m 09-05T04:00, m 09-06T04:00"},
		{"a day that is skipped", `[{name: m, cron: "0 12 30 12 *", timeZone: Pacific/Apia, min: 1}]`, "2011-12-30T10:00:00Z", "1/-, m 12-30T10:00, m 12-29T22:00"},
		{"half an hour", `[{name: m, cron: "15 2 * * *", timeZone: Australia/Lord_Howe, min: 1}]`, "2026-10-03T15:30:00Z", "1/-, m 10-03T15:30, m 10-04T15:15"},
		{"a time that is never skipped is only once there", `[{name: m, cron: "0 3 * * *", timeZone: Europe/Berlin, min: 1}]`, "2026-03-29T01:00:00Z", "1/-, m 03-29T01:00, m 03-30T01:00"},
		{"start between skipped time and change", `[{name: m, cron: "30 2 * * *", timeZone: Europe/Berlin, startTime: "2026-03-29T00:45:00Z", min: 1}]`, "2026-03-29T00:50:00Z", "-/-, -, m 03-29T01:00"},
		{"end before the change", `[{name: m, cron: "30 2 * * *", timeZone: Europe/Berlin, endTime: "2026-03-29T00:59:00Z", min: 1}]`, "2026-03-29T00:50:00Z", "1/-, m 03-28T01:30, -"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, problems := At(list(t, tc.list), when(t, tc.now))
			if told(got) != tc.want || len(problems) > 0 {
				t.Errorf("got %s, want %s; %v", told(got), tc.want, problems)
			}
		})
	}
}

// TestSince tells which schedule each number is from.
func TestSince(t *testing.T) {
	t.Parallel()
	got, _ := At(list(t, halves), when(t, "2026-06-01T21:00:00Z"))
	want := State{
		Min:  Number{ptr.To(int32(1)), Moment{"low", when(t, "2026-06-01T20:00:00Z")}},
		Max:  Number{ptr.To(int32(9)), Moment{"ceiling", when(t, "2026-06-01T12:00:00Z")}},
		Last: Moment{"low", when(t, "2026-06-01T20:00:00Z")}, Next: Moment{"floor", when(t, "2026-06-02T06:00:00Z")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	got, problems := At(list(t, `[
	  {name: never, cron: "0 0 30 2 *", min: 9}, {name: mars, cron: "0 0 * * *", timeZone: Mars, min: 9}, {name: here, cron: "0 0 * * *", timeZone: Local, min: 9},
	  {name: soon, startTime: "2026-02-30T00:00:00Z", min: 9}, {name: later, cron: "0 0 * * *", endTime: "2026-02-30T00:00:00Z", min: 9},
	  {name: words, cron: "at eight o'clock today", min: 9}, {name: asleep, cron: "0 0 31 4 *", suspend: true, min: 9}, {name: good, cron: "0 0 * * *", min: 2}]`), when(t, "2026-06-01T12:00:00Z"))
	if told(got) != "2/-, good 06-01T00:00, good 06-02T00:00" {
		t.Errorf("got %s: what cannot be read must be left out, and nothing else", told(got))
	}
	var fields []string
	for _, p := range problems {
		fields = append(fields, p.Name+" "+p.Field)
		if p.Message == "" {
			t.Errorf("%s: no message", p.Name)
		}
	}
	if got := strings.Join(fields, ", "); got != "never cron, mars timeZone, here timeZone, soon startTime, later endTime, words cron, asleep cron" {
		t.Errorf("got %s", got)
	}
}

// FuzzAt walks from firing to firing: what comes next is what came last when its time is there, and nothing changes in between.
func FuzzAt(f *testing.F) {
	for i, zone := range []string{"", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia", "Africa/Casablanca", "Asia/Beirut"} {
		for _, cron := range []string{"30 2 * * *", "0 0 * * *", "15 0-3 1-7 * SUN", "0 0 29 2 *", "*/30 * * 10 *", "5 3 31 * *"} {
			f.Add(cron, zone, "0 1 * * *", "UTC", int64(1_774_742_400+i*86_400), int64(0), int64(0))
			f.Add(cron, zone, "45 2 * * SUN", zone, int64(1_792_886_400+i*3_600), int64(1_792_880_000), int64(1_800_000_000))
		}
	}
	f.Fuzz(func(t *testing.T, one, zone, two, other string, seconds, start, end int64) {
		actions := []v1alpha1.ScalingSchedule{{Name: "one", Cron: one, TimeZone: zone, Min: ptr.To(int32(1))}, {Name: "two", Cron: two, TimeZone: other, Max: ptr.To(int32(2))}}
		if start > 0 {
			actions[0].StartTime = time.Unix(start%4_000_000_000, 0).UTC().Format(time.RFC3339)
		}
		if end > 0 {
			actions[0].EndTime = time.Unix(end%4_000_000_000, 0).UTC().Format(time.RFC3339)
		}
		now := time.Unix(max(0, seconds)%4_000_000_000, 0)
		for range 6 {
			s, problems := At(actions, now)
			if len(problems) > 0 {
				return
			}
			if s.Last.At.After(now) || !s.Next.At.IsZero() && !s.Next.At.After(now) {
				t.Fatalf("at %s: %s", now, told(s))
			}
			if s.Next.At.IsZero() {
				return
			}
			for _, at := range []time.Time{now.Add(s.Next.At.Sub(now) / 2), s.Next.At.Add(-time.Nanosecond)} {
				if between, _ := At(actions, at); cmp.Diff(s, between) != "" {
					t.Fatalf("at %s: %s, and at %s: %s", now, told(s), at, told(between))
				}
			}
			now = s.Next.At
			if then, _ := At(actions, now); then.Last != s.Next {
				t.Fatalf("%s was to come, and %s came", told(s), told(then))
			}
		}
	})
}

func BenchmarkAt(b *testing.B) {
	var actions []v1alpha1.ScalingSchedule
	for i := range 120 {
		actions = append(actions, v1alpha1.ScalingSchedule{Name: fmt.Sprint(i), Cron: "0 0 29 2 *", TimeZone: "Europe/Berlin", Min: ptr.To(int32(1))})
	}
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		if _, problems := At(actions, now); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}
