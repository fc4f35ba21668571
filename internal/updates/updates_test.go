// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package updates_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/updates"
)

func at(t *testing.T, value string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, value)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// 29 November 2026 is a Sunday.
var sundayNight = v1alpha1.MaintenanceWindow{Day: "Sun", Start: "03:00"}

func TestLatest(t *testing.T) {
	t.Parallel()
	seoul := v1alpha1.MaintenanceWindow{Day: "Sun", Start: "03:00", TimeZone: "Asia/Seoul", DurationMinutes: ptr.To[int32](30)}
	berlin := v1alpha1.MaintenanceWindow{Day: "Sun", Start: "02:30", TimeZone: "Europe/Berlin"}
	for _, row := range []struct {
		name             string
		window           v1alpha1.MaintenanceWindow
		at               string
		start, end, next string
		open             bool
	}{
		{"a minute before", sundayNight, "2026-11-29T02:59:59Z", "2026-11-22T03:00:00Z", "2026-11-22T05:00:00Z", "2026-11-29T03:00:00Z", false},
		{"the first moment", sundayNight, "2026-11-29T03:00:00Z", "2026-11-29T03:00:00Z", "2026-11-29T05:00:00Z", "2026-12-06T03:00:00Z", true},
		{"the last moment", sundayNight, "2026-11-29T04:59:59Z", "2026-11-29T03:00:00Z", "2026-11-29T05:00:00Z", "2026-12-06T03:00:00Z", true},
		{"the end", sundayNight, "2026-11-29T05:00:00Z", "2026-11-29T03:00:00Z", "2026-11-29T05:00:00Z", "2026-12-06T03:00:00Z", false},
		{"on a Saturday", sundayNight, "2026-11-28T12:00:00Z", "2026-11-22T03:00:00Z", "2026-11-22T05:00:00Z", "2026-11-29T03:00:00Z", false},
		{"Sunday in Seoul is Saturday in UTC", seoul, "2026-11-28T18:10:00Z", "2026-11-28T18:00:00Z", "2026-11-28T18:30:00Z", "2026-12-05T18:00:00Z", true},
		{"past midnight", v1alpha1.MaintenanceWindow{Day: "Sat", Start: "23:30"}, "2026-11-29T00:30:00Z", "2026-11-28T23:30:00Z", "2026-11-29T01:30:00Z", "2026-12-05T23:30:00Z", true},
		{"clocks skip the start", berlin, "2026-03-29T01:40:00Z", "2026-03-29T01:30:00Z", "2026-03-29T03:30:00Z", "2026-04-05T00:30:00Z", true},
		{"clocks show the start twice", berlin, "2026-10-25T01:40:00Z", "2026-10-25T01:30:00Z", "2026-10-25T03:30:00Z", "2026-11-01T01:30:00Z", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, err := updates.Latest(row.window, at(t, row.at))
			if err != nil {
				t.Fatal(err)
			}
			want := updates.Span{Start: at(t, row.start), End: at(t, row.end), Next: at(t, row.next)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Latest (-want +got):\n%s", diff)
			}
			if open := got.Contains(at(t, row.at)); open != row.open {
				t.Errorf("open: got %v, want %v", open, row.open)
			}
		})
	}
}

func TestLatestRefuses(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]v1alpha1.MaintenanceWindow{
		`day "Someday" is none of Sun, Mon, Tue, Wed, Thu, Fri and Sat`:                              {Day: "Someday", Start: "03:00"},
		`timeZone "Mars/Olympus" is not known; name one as in the IANA database, such as Asia/Seoul`: {Day: "Sun", Start: "03:00", TimeZone: "Mars/Olympus"},
		`timeZone "Local" is not known; name one as in the IANA database, such as Asia/Seoul`:        {Day: "Sun", Start: "03:00", TimeZone: "Local"},
		`start "3 am" is not HH:MM`: {Day: "Sun", Start: "3 am"},
	} {
		if _, err := updates.Latest(w, at(t, "2026-11-29T03:00:00Z")); err == nil || err.Error() != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	const open, shut = "2026-11-29T03:10:00Z", "2026-11-29T05:00:00Z"
	managed := func(level v1alpha1.UpdateLevel, refresh bool) *v1alpha1.ManagedUpdates {
		return &v1alpha1.ManagedUpdates{Enabled: true, Level: level, Window: &sundayNight, InstanceRefresh: &refresh}
	}
	old := updates.Running{Version: "3.12.7", Since: at(t, "2026-11-01T00:00:00Z")}
	fresh := updates.Running{Version: "3.12.8", Since: at(t, "2026-11-29T03:05:00Z")}
	patches := []string{"3.12.8", "3.12.7"}
	const stamp = "2026-11-29T03:00:00Z"
	const available = "Platform version 3.12.8 is available. Set annotation beanpod.dev/update-requested to install it now, or spec.managedUpdates for every week."
	const newest = "The newest platform version runs."
	next := at(t, "2026-12-06T03:00:00Z")
	for _, row := range []struct {
		name string
		want updates.Want
		at   string
		got  updates.Decision
	}{
		{"something new gets the recommended version", updates.Want{Versions: patches, Request: "a"}, shut, updates.Decision{Version: "3.12.8", Request: "a"}},
		{"a platform without versions", updates.Want{}, shut, updates.Decision{}},
		{"nobody updates by itself", updates.Want{Versions: patches, Running: old}, open, updates.Decision{Version: "3.12.7", Available: "3.12.8", Reason: "UpdateAvailable", Message: available}},
		{
			"outside the window", updates.Want{Versions: patches, Running: old, Managed: managed("", false)}, shut,
			updates.Decision{Version: "3.12.7", Available: "3.12.8", Wake: next, Reason: "UpdateScheduled", Message: "Platform version 3.12.8 is installed in the window that opens Sun 6 Dec 03:00 UTC."},
		},
		{
			"inside the window", updates.Want{Versions: patches, Running: old, Managed: managed("", false)}, open,
			updates.Decision{Version: "3.12.8", Stamp: stamp, Available: "3.12.8", Wake: next, Reason: "UpdateScheduled", Message: "Platform version 3.12.8 is installed in the window that opens Sun 6 Dec 03:00 UTC."},
		},
		{
			"what began in the window goes on after it", updates.Want{Versions: patches, Running: updates.Running{Version: "3.12.8", Stamp: stamp, Since: fresh.Since}, Managed: managed("", false)}, shut,
			updates.Decision{Version: "3.12.8", Stamp: stamp, Wake: next, Reason: "UpToDate", Message: "The newest platform version runs."},
		},
		{
			"level Patch does not take a minor version", updates.Want{Versions: []string{"3.13.0", "3.12.7"}, Running: old, Managed: managed("Patch", false)}, open,
			updates.Decision{Version: "3.12.7", Wake: next, Reason: "UpdateBlockedByLevel", Message: "Platform version 3.13.0 is newer, but spec.managedUpdates.level is Patch."},
		},
		{
			"level Minor takes it", updates.Want{Versions: []string{"4.0.0", "3.13.0", "3.12.9", "3.12.7"}, Running: old, Managed: managed("Minor", false)}, open,
			updates.Decision{Version: "3.13.0", Stamp: stamp, Available: "3.13.0", Wake: next, Reason: "UpdateScheduled", Message: "Platform version 3.13.0 is installed in the window that opens Sun 6 Dec 03:00 UTC."},
		},
		{
			"never another major version", updates.Want{Versions: []string{"4.0.0", "3.12.7"}, Running: old, Managed: managed("", false)}, open,
			updates.Decision{Version: "3.12.7", Wake: next, Reason: "UpToDate", Message: "The newest platform version runs."},
		},
		{
			"never an older version", updates.Want{Versions: []string{"3.12.6"}, Running: old, Managed: managed("", false)}, open,
			updates.Decision{Version: "3.12.7", Wake: next, Reason: "UpToDate", Message: "The newest platform version runs."},
		},
		{
			"a retired branch gets none", updates.Want{Versions: patches, Retired: true, Running: old, Managed: managed("", false)}, open,
			updates.Decision{Version: "3.12.7", Wake: next, Reason: "BranchRetired", Message: "The platform branch is retired and gets no updates; choose another in spec.platformRef.branch."},
		},
		{
			"a refresh replaces old instances", updates.Want{Versions: patches, Running: updates.Running{Version: "3.12.8", Since: old.Since}, Managed: managed("", true)}, open,
			updates.Decision{Version: "3.12.8", Stamp: stamp, Wake: next, Reason: "UpToDate", Message: "The newest platform version runs; instances are replaced in the window that opens Sun 6 Dec 03:00 UTC."},
		},
		{
			"a refresh leaves instances of this window", updates.Want{Versions: patches, Running: fresh, Managed: managed("", true)}, open,
			updates.Decision{Version: "3.12.8", Wake: next, Reason: "UpToDate", Message: "The newest platform version runs; instances are replaced in the window that opens Sun 6 Dec 03:00 UTC."},
		},
		{
			"on request, outside the window", updates.Want{Versions: patches, Running: old, Managed: managed("", false), Request: "b"}, shut,
			updates.Decision{Version: "3.12.8", Stamp: "b", Request: "b", Available: "3.12.8", Reason: "UpdateAvailable", Message: available},
		},
		{
			"a request counts once", updates.Want{Versions: patches, Running: updates.Running{Version: "3.12.7", Request: "b", Since: old.Since}, Request: "b"}, shut,
			updates.Decision{Version: "3.12.7", Request: "b", Available: "3.12.8", Reason: "UpdateAvailable", Message: available},
		},
		{
			"a request that was removed does nothing", updates.Want{Versions: patches, Running: updates.Running{Version: "3.12.8", Request: "b", Since: old.Since}}, shut,
			updates.Decision{Version: "3.12.8", Request: "b", Reason: "UpToDate", Message: newest},
		},
		{
			"a request with nothing newer is done", updates.Want{Versions: patches, Running: fresh, Request: "b"}, shut,
			updates.Decision{Version: "3.12.8", Request: "b", Reason: "UpToDate", Message: newest},
		},
		{
			"what the window brings answers a request too", updates.Want{Versions: patches, Running: updates.Running{Version: "3.12.8", Since: old.Since}, Managed: managed("", true), Request: "b"}, open,
			updates.Decision{Version: "3.12.8", Stamp: stamp, Request: "b", Wake: next, Reason: "UpToDate", Message: "The newest platform version runs; instances are replaced in the window that opens Sun 6 Dec 03:00 UTC."},
		},
		{"turned off", updates.Want{Versions: patches, Running: old, Managed: &v1alpha1.ManagedUpdates{Window: &sundayNight}}, open, updates.Decision{Version: "3.12.7", Available: "3.12.8", Reason: "UpdateAvailable", Message: available}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.want.At = at(t, row.at)
			got, err := updates.Decide(row.want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.got, got); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecideKeepsWhatRunsWhenTheWindowIsWrong(t *testing.T) {
	t.Parallel()
	got, err := updates.Decide(updates.Want{
		Managed:  &v1alpha1.ManagedUpdates{Enabled: true, Window: &v1alpha1.MaintenanceWindow{Day: "Sun", Start: "03:00", TimeZone: "Nowhere"}},
		Versions: []string{"2.0.0"}, Running: updates.Running{Version: "1.0.0", Stamp: "s", Request: "r"}, At: at(t, "2026-11-29T03:10:00Z"),
	})
	if want := `spec.managedUpdates.window: timeZone "Nowhere" is not known; name one as in the IANA database, such as Asia/Seoul`; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if diff := cmp.Diff(updates.Decision{Version: "1.0.0", Stamp: "s", Request: "r", Reason: "UpToDate", Message: "The newest platform version runs."}, got); diff != "" {
		t.Errorf("Decide (-want +got):\n%s", diff)
	}
}
