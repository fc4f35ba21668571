// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"
)

func TestParseCron(t *testing.T) {
	t.Parallel()
	const head = "version: 1\ncron:\n"
	task := func(name, url, schedule string) string {
		return fmt.Sprintf(" - name: %q\n   url: %q\n   schedule: %q\n", name, url, schedule)
	}
	for _, tc := range []struct {
		name, text, says string
		want             []Task
	}{
		{name: "Beanstalk's example", text: head + task("backup-job", "/backup", "0 */12 * * *") + task("audit", "/audit", "0 23 * * *"),
			want: []Task{{Name: "backup-job", Path: "/backup", Schedule: "0 */12 * * *"}, {Name: "audit", Path: "/audit", Schedule: "0 23 * * *"}}},
		{name: "comments, JSON", text: "# x\n{\"version\": 1, \"cron\": [{\"name\": \"a b\", \"url\": \"/\", \"schedule\": \"1-5 2,3 ? JAN MON-FRI\"}]}",
			want: []Task{{Name: "a b", Path: "/", Schedule: "1-5 2,3 ? JAN MON-FRI"}}},
		{name: "alias", text: head + " - &a {name: a, url: &u /x, schedule: 1 2 3 4 5}\n - {name: b, url: *u, schedule: 1 2 3 4 5}\n",
			want: []Task{{Name: "a", Path: "/x", Schedule: "1 2 3 4 5"}, {Name: "b", Path: "/x", Schedule: "1 2 3 4 5"}}},
		{name: "no tasks", text: "version: 1\n"},
		{name: "null tasks", text: "version: 1\ncron:\n"},
		{name: "empty list", text: "version: 1\ncron: []\n"},
		{name: "empty", says: "cron.yaml is empty; write version: 1"},
		{name: "only comments", text: "# soon\n", says: "cron.yaml is empty"},
		{name: "null", text: "~\n", says: "cron.yaml is empty"},
		{name: "no version", text: "cron: []", says: "cron.yaml has no version; write version: 1"},
		{name: "version 2", text: "\nversion: 2", says: `line 2 of cron.yaml: version is "2", and only 1 is known; write version: 1`},
		{name: "version as text", text: `version: "1"`, says: "only 1 is known"},
		{name: "no YAML", text: "version: 1\n\tcron", says: "cron.yaml is not YAML: line 2"},
		{name: "a list", text: "- a", says: "line 1 of cron.yaml: cron.yaml does not consist of keys and values"},
		{name: "two documents", text: "version: 1\n---\nversion: 1", says: "more than one document"},
		{name: "unknown key", text: "version: 1\ntasks: []", says: `line 2 of cron.yaml: cron.yaml has a key "tasks"`},
		{name: "key twice", text: "version: 1\nversion: 1", says: `line 2`},
		{name: "cron is a map", text: "version: 1\ncron: {a: b}", says: "line 2 of cron.yaml: cron is not a list"},
		{name: "task is a word", text: head + " - a", says: "line 3 of cron.yaml: task 1 does not consist"},
		{name: "unknown key of a task", text: head + task("a", "/", "* * * * *") + "   timezone: UTC\n", says: `line 6 of cron.yaml: task 1 has a key "timezone"`},
		{name: "no url", text: head + " - {name: a, schedule: 1 2 3 4 5}", says: "line 3 of cron.yaml: task a has no url; write"},
		{name: "no name", text: head + " - {url: /, schedule: 1 2 3 4 5}", says: "line 3 of cron.yaml: task 1 has no name"},
		{name: "names", text: head + task("a", "/", "* * * * *") + task("a", "/b", "* * * * *"), says: "line 6 of cron.yaml: task a has the name of the task in line 3"},
		{name: "bad name", text: head + task("a\nb", "/", "* * * * *"), says: "printable ASCII"},
		{name: "host", text: head + task("a", "http://x/y", "* * * * *"), says: `task a: url "http://x/y" is not a path; write`},
		{name: "bad escape", text: head + task("a", "/%zz", "* * * * *"), says: "is not a path"},
		{name: "schedule", text: head + task("a", "/", "61 * * * *"), says: `line 3 of cron.yaml: task a: schedule "61 * * * *" cannot be read: end of range (61) above maximum (59): 61; write five fields`},
		{name: "four fields", text: head + task("a", "/", "* * * *"), says: "does not have five fields"},
		{name: "six fields", text: head + task("a", "/", "0 * * * * *"), says: "does not have five fields"},
		{name: "macro", text: head + task("a", "/", "@daily"), says: "is a macro, and there are none"},
		{name: "zone inside", text: head + task("a", "/", "TZ=UTC * * * *"), says: "does not have five fields"},
		{name: "never", text: head + task("a", "/", "0 0 30 2 *"), says: "never comes"},
		{name: "long", text: head + strings.Repeat("#\n", 40000), says: "the limit is 65536"},
		{name: "many", text: head + strings.Repeat(" - {}\n", 101), says: "cron has 101 tasks, the limit is 100"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseCron([]byte(tc.text))
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidateZone(t *testing.T) {
	t.Parallel()
	for zone, ok := range map[string]bool{"": true, "UTC": true, "Asia/Seoul": true, "Local": false, "Mars/Base": false, "../etc": false} {
		if err := Validate(Task{Name: "a", Path: "/", Schedule: "* * * * *", TimeZone: zone}); (err == nil) != ok {
			t.Errorf("%q: %v", zone, err)
		}
	}
}

// Where clocks change: the parser's own rules, except that a day whose midnight is skipped keeps its other times.
func TestNext(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, schedule, zone, after string
		want                        []string
	}{
		{"every minute", "* * * * *", "", "2026-01-01T00:00:30Z", []string{"2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"}},
		{"zone", "0 9 * * *", "Asia/Seoul", "2026-01-01T00:00:00Z", []string{"2026-01-02T00:00:00Z"}},
		{"half hours", "0 9 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", []string{"2026-01-01T03:30:00Z"}},
		{"skipped in spring", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-30T00:30:00Z"}},
		{"hourly in spring", "0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		{"twice in autumn", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
		{"no midnight", "0 12 * * SUN", "America/Santiago", "2026-08-31T12:00:00Z", []string{"2026-09-06T15:00:00Z", "2026-09-13T15:00:00Z"}},
		{"leap day", "0 0 29 2 *", "", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"either day", "0 0 13 * FRI", "", "2026-01-01T00:00:00Z", []string{"2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"}},
		{"a step restricts", "0 0 */2 * FRI", "", "2026-01-01T00:00:00Z", []string{"2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"}},
	} {
		s, err := ParseSchedule(tc.schedule, tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		at := when(t, tc.after)
		for _, want := range tc.want {
			if at = s.Next(at); at != when(t, want) {
				t.Errorf("%s: got %s, want %s", tc.name, at, want)
			}
		}
		if last := s.Latest(when(t, tc.after), at); last != at {
			t.Errorf("%s: the latest is %s, not %s", tc.name, last, at)
		}
	}
}

func when(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// FuzzNext compares with the parser's own search, in a zone without changes of clocks.
func FuzzNext(f *testing.F) {
	for _, seed := range []string{"* * * * *", "0 */12 * * *", "1-5/2 0 1,15 JAN-MAR ?", "0 0 31 * MON", "*/7 3 29 2 *", "TZ= * * * *", "@every 1s"} {
		f.Add(seed, int64(1_780_000_000))
	}
	f.Fuzz(func(t *testing.T, schedule string, seconds int64) {
		s, err := ParseSchedule(schedule, "UTC")
		if err != nil {
			return
		}
		after := time.Unix(seconds%4_000_000_000, 0).UTC()
		got := s.Next(after)
		if got.IsZero() {
			t.Fatalf("%q was taken and never comes", schedule)
		}
		reference, err := cron.ParseStandard(schedule)
		if err != nil {
			t.Fatal(err)
		}
		if want := reference.Next(after); !want.IsZero() && !want.Equal(got) {
			t.Errorf("%q after %s: got %s, want %s", schedule, after, got, want)
		}
	})
}

// FuzzAround compares both searches with each other and with every minute around, where clocks change.
func FuzzAround(f *testing.F) {
	for i, zone := range []string{"", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia", "Asia/Beirut", "America/St_Johns", "Africa/Casablanca"} {
		for _, schedule := range []string{"* * * * *", "30 2 * * *", "15 0 * * *", "0 */12 1-7 * SUN", "0 0 29 2 *", "59 23 31 12 *", "0 3 * 10 *", "*/20 0-3 30 * *"} {
			f.Add(schedule, zone, int64(1_774_742_400+i*86_400))
			f.Add(schedule, zone, int64(1_792_886_400+i*3_600))
			f.Add(schedule, zone, int64(1_325_142_000+i*7_200))
		}
	}
	f.Fuzz(func(t *testing.T, schedule, zone string, seconds int64) {
		s, err := ParseSchedule(schedule, zone)
		if err != nil {
			return
		}
		now := time.Unix(max(0, seconds)%4_000_000_000, 0)
		last, next := s.Previous(now), s.Next(now)
		if last.IsZero() || next.IsZero() || last.After(now) || !next.After(now) {
			t.Fatalf("%q in %q at %s: %s and %s", schedule, zone, now.UTC(), last, next)
		}
		if again := s.Next(last); again != next {
			t.Errorf("%q in %q: after %s comes %s, not %s", schedule, zone, last, again, next)
		}
		for at := now.Truncate(time.Minute).Add(-36 * time.Hour); at.Before(now.Add(36 * time.Hour)); at = at.Add(time.Minute) {
			between := at.After(last) && at.Before(next)
			if due := s.Fits(at.In(s.Zone())); due && between || !due && (at.Equal(last) || at.Equal(next)) {
				t.Fatalf("%q in %q at %s, between %s and %s: due is %t", schedule, zone, at.UTC(), last, next, due)
			}
		}
	})
}

func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{
		"version: 1\ncron:\n - name: a\n   url: /a\n   schedule: \"0 */12 * * *\"\n", "version: 1", "", "~", "- a", "version: 1\n---\n", "version: 1\ncron: [{}]",
		"version: 1\ncron: &a [*a]", "version: 1\ncron:\n - &x {name: a, url: /, schedule: 1 2 3 4 5}\n - *x", "version: 1\ncron:\n - <<: {name: a}", "? [a]\n: b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseCron([]byte(text))
		if err != nil && (got != nil || err.Error() == "" || len(err.Error()) > 2000) {
			t.Errorf("%q gave %v and an error of %d bytes", text, got, len(err.Error()))
		}
		names := map[string]bool{}
		for _, task := range got {
			if err := Validate(task); err != nil || names[task.Name] {
				t.Errorf("%q gave %+v: %v", text, task, err)
			}
			names[task.Name] = true
		}
	})
}
