// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rollout_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 123456789, time.FixedZone("KST", 9*3600))

// content is what runs.
var content = snapshot.Content{Revision: "r1", Template: "r1", Change: "r1", Configuration: "c1", Version: "v1", Digest: "sha256:1"}

// running is a slot that runs v1 on four instances and is done with deployment 7.
func running(tweak func(*snapshot.Slot)) snapshot.Slot {
	s := snapshot.Slot{
		Name: "a", Content: content, RolloutID: 7, RolloutType: "Restart", Policy: "Rolling",
		Batch: 2, StartedAt: noon.Add(-time.Hour), ProgressAt: noon.Add(-time.Minute), Settled: true, Wanted: 4, Total: 4, Updated: 4, Ready: 4, Available: 4, Complete: true,
	}
	if tweak != nil {
		tweak(&s)
	}
	return s
}

// wanted is what running already runs.
func wanted(tweak func(*plan.Target)) plan.Target {
	t := plan.Target{
		Content: content, Desired: 10, Scaled: true, Routed: true, LastID: 7,
		OnVersion:       settings.Rollout{Policy: v1alpha1.PolicyRolling, BatchSize: intstr.FromString("50%"), GateSeconds: 30, TimeoutSeconds: 600, OnFailure: v1alpha1.OnFailureRollback},
		OnConfiguration: settings.Rollout{Policy: v1alpha1.PolicyRollingWithAdditionalBatch, BatchSize: intstr.FromInt32(1), GateSeconds: 5, TimeoutSeconds: 60, OnFailure: v1alpha1.OnFailureRollback},
	}
	if tweak != nil {
		tweak(&t)
	}
	return t
}

func slots(s snapshot.Slot) snapshot.Snapshot {
	return snapshot.Snapshot{Slots: map[string]snapshot.Slot{"a": s}}
}

// TestBegins tables why a rollout begins, and with which policy.
func TestBegins(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		want func(*plan.Target)
		none bool
		kind v1alpha1.DeploymentType
		id   int64
		// byVersion says whose policy is used.
		byVersion bool
		batch     int32
	}{
		{"another version", func(w *plan.Target) { w.Revision, w.Version, w.Digest = "r2", "v2", "sha256:2" }, false, "Version", 8, true, 2},
		{"the same version under another digest", func(w *plan.Target) { w.Revision, w.Digest = "r2", "sha256:2" }, false, "Version", 8, true, 2},
		{"other settings", func(w *plan.Target) { w.Revision, w.Configuration = "r2", "c2" }, false, "Configuration", 8, false, 1},
		{"version and settings", func(w *plan.Target) { w.Revision, w.Version, w.Configuration = "r2", "v2", "c2" }, false, "Version", 8, true, 2},
		{"a restart", func(w *plan.Target) { w.Revision, w.Restart = "r2", "now" }, false, "Restart", 8, false, 1},
		{"a restart and other settings", func(w *plan.Target) { w.Revision, w.Restart, w.Configuration = "r2", "now", "c2" }, false, "Configuration", 8, false, 1},
		{"something that has no name", func(w *plan.Target) { w.Revision = "r2" }, false, "Configuration", 8, false, 1},
		{"a rebuild", func(w *plan.Target) { w.Rebuild = "now" }, false, "Rebuild", 8, false, 1},
		{"a rebuild with another version", func(w *plan.Target) { w.Rebuild, w.Revision, w.Version = "now", "r2", "v2" }, false, "Rebuild", 8, false, 1},
		{"all at once", func(w *plan.Target) { w.Revision, w.Version, w.OnVersion.Policy = "r2", "v2", v1alpha1.PolicyAllAtOnce }, false, "Version", 8, true, 4},
		{"the first", func(w *plan.Target) { w.LastID = 0 }, true, "Version", 1, true, 10},
		{"the Deployment was deleted by somebody", nil, true, "Version", 8, true, 10},
		{"the Deployment was deleted for a rebuild", func(w *plan.Target) { w.Rebuild = "now" }, true, "Rebuild", 8, false, 10},
		{"the first, with a rebuild token already there", func(w *plan.Target) { w.Rebuild, w.LastID = "now", 0 }, true, "Version", 1, true, 10},
		{"status knows a higher number than the slot", func(w *plan.Target) { w.Revision, w.LastID = "r2", 41 }, false, "Configuration", 42, false, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want, now := wanted(tc.want), slots(running(nil))
			if tc.none {
				now = snapshot.Snapshot{}
			}
			with := want.OnConfiguration
			if tc.byVersion {
				with = want.OnVersion
			}
			got := rollout.Next(want, now, noon)
			r := plan.Rollout{ID: tc.id, Type: tc.kind, Policy: with.Policy, Batch: tc.batch, StartedAt: time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)}
			if diff := cmp.Diff(r, got.Rollout); diff != "" {
				t.Errorf("rollout (-want +got):\n%s", diff)
			}
			if got.State != plan.InProgress || !got.Begins || len(got.Slots) != 1 || got.Slots[0].Name != "a" || got.Slots[0].Strategy.MinReadySeconds != with.GateSeconds {
				t.Errorf("step = %+v, want one in slot a that begins, with a gate of %d s", got, with.GateSeconds)
			}
		})
	}
}

// onPlatform is what runs, from a bundle.
func onPlatform(s *snapshot.Slot) {
	s.Platform, s.Image = "python/3.11/3.11.1", "python:1"
}

// TestPlatformUpdate tables what counts as an update of the platform. One is always Immutable and comes back when it fails, whatever
// the policies are, with the health gate of a version.
func TestPlatformUpdate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		want func(*plan.Target)
		kind v1alpha1.DeploymentType
	}{
		{"another version of the branch", func(w *plan.Target) { w.Platform, w.Digest, w.Stamp = "python/3.11/3.11.2", "sha256:2", "now" }, "PlatformUpdate"},
		{"the same artifact on another version", func(w *plan.Target) { w.Platform = "python/3.11/3.11.2" }, "PlatformUpdate"},
		{"a refresh", func(w *plan.Target) { w.Stamp = "now" }, "PlatformUpdate"},
		{"with a restart", func(w *plan.Target) { w.Stamp, w.Restart = "now", "now" }, "PlatformUpdate"},
		{"another branch", func(w *plan.Target) { w.Platform = "python/3.12/3.12.0" }, "Version"},
		{"another platform", func(w *plan.Target) { w.Platform = "ruby/3.11/3.11.2" }, "Version"},
		{"no platform any more", func(w *plan.Target) { w.Platform = "" }, "Version"},
		{"another artifact on the same version", func(w *plan.Target) { w.Digest = "sha256:2" }, "Version"},
		{"with another version", func(w *plan.Target) { w.Platform, w.Version, w.Stamp = "python/3.11/3.11.2", "v2", "now" }, "Version"},
		{"with other settings", func(w *plan.Target) { w.Platform, w.Configuration, w.Stamp = "python/3.11/3.11.2", "c2", "now" }, "Configuration"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want := wanted(func(w *plan.Target) {
				w.Revision, w.Change, w.Platform, w.Image, w.OnVersion.OnFailure, w.Release = "r2", "r2", "python/3.11/3.11.1", "python:1", v1alpha1.OnFailureIgnore, false
				tc.want(w)
			})
			got := rollout.Next(want, slots(running(onPlatform)), noon)
			if got.Rollout.Type != tc.kind || !got.Begins {
				t.Fatalf("began %t, type %s, want %s", got.Begins, got.Rollout.Type, tc.kind)
			}
			if tc.kind == v1alpha1.DeploymentPlatformUpdate && (got.Rollout.Policy != v1alpha1.PolicyImmutable || len(got.Slots) != 2 || got.Slots[1].Strategy.MinReadySeconds != 30) {
				t.Errorf("step = %+v, want a second set by Immutable with a gate of 30 s", got)
			}
		})
	}
}

// TestFailedPlatformUpdate proves that an update which failed is not tried again under its stamp, that nothing begins when its time is
// over, and that the next one does.
func TestFailedPlatformUpdate(t *testing.T) {
	t.Parallel()
	failed := running(func(s *snapshot.Slot) {
		onPlatform(s)
		s.RolloutType, s.Policy = "PlatformUpdate", "Immutable"
		s.StageAt = noon.Add(-time.Minute)
		s.Failed = snapshot.Failure{Change: "u1", Version: "v1", Platform: "python/3.11/3.11.2", Reason: "TimedOut", Message: "it was slow"}
	})
	update := func(change string) func(*plan.Target) {
		return func(w *plan.Target) {
			w.Platform, w.Image, w.Revision, w.Change, w.Template, w.Stamp = "python/3.11/3.11.2", "python:2", change, change, change, change
		}
	}
	still := func(w *plan.Target) { w.Platform, w.Image = failed.Platform, failed.Image }
	for _, tc := range []struct {
		name  string
		want  func(*plan.Target)
		state plan.State
		kind  v1alpha1.DeploymentType
	}{
		{"the same window", update("u1"), plan.RolledBack, "PlatformUpdate"},
		{"the window is over", still, plan.RolledBack, "PlatformUpdate"},
		{"a request is written down", func(w *plan.Target) { still(w); w.Request = "x" }, plan.RolledBack, "PlatformUpdate"},
		{"the next window", update("u2"), plan.InProgress, "PlatformUpdate"},
		{"another version", func(w *plan.Target) { still(w); w.Version, w.Revision, w.Change = "v2", "r2", "r2" }, plan.InProgress, "Version"},
		{"a restart", func(w *plan.Target) { still(w); w.Restart, w.Revision = "now", "r2" }, plan.InProgress, "Restart"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want := wanted(tc.want)
			got := rollout.Next(want, slots(failed), noon)
			if got.State != tc.state || got.Rollout.Type != tc.kind {
				t.Errorf("%s %s, want %s %s", got.State, got.Rollout.Type, tc.state, tc.kind)
			}
			if got.State == plan.RolledBack && (got.Begins || got.Slots[0].Failed != failed.Failed || got.Slots[0].Request != want.Request) {
				t.Errorf("step = %+v, want what is there with its memory", got)
			}
		})
	}
}

// TestContinues proves that what the slot records stays, whatever the settings say meanwhile.
func TestContinues(t *testing.T) {
	t.Parallel()
	got := rollout.Next(wanted(func(w *plan.Target) {
		w.OnConfiguration.Policy, w.OnConfiguration.BatchSize, w.LastID = v1alpha1.PolicyAllAtOnce, intstr.FromInt32(4), 99
	}), slots(running(func(s *snapshot.Slot) { s.Complete, s.Updated, s.Available = false, 2, 4 })), noon)
	want := plan.Rollout{ID: 7, Type: "Restart", Policy: "Rolling", Batch: 2, StartedAt: noon.Add(-time.Hour)}
	if diff := cmp.Diff(want, got.Rollout); diff != "" {
		t.Errorf("rollout (-want +got):\n%s", diff)
	}
	if got.State != plan.InProgress || got.Begins || got.Updated != 2 {
		t.Errorf("step = %+v, want one in progress with 2 updated", got)
	}
}

func TestIdleWhenDone(t *testing.T) {
	t.Parallel()
	got := rollout.Next(wanted(nil), slots(running(nil)), noon)
	if got.State != plan.Idle || got.Begins || got.Updated != 4 || got.Rollout.ID != 7 {
		t.Errorf("step = %+v, want idle", got)
	}
}

// TestNewerTargetBegins proves that neither a running nor a failed rollout holds the next one back.
func TestNewerTargetBegins(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		tweak func(*snapshot.Slot)
	}{
		{"unsettled", func(s *snapshot.Slot) { s.Settled, s.Complete = false, false }},
		{"in progress", func(s *snapshot.Slot) { s.Complete, s.Updated = false, 1 }},
		{"timed out", func(s *snapshot.Slot) { s.Complete, s.TimedOut = false, true }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := rollout.Next(wanted(func(w *plan.Target) { w.Revision, w.Version = "r2", "v2" }), slots(running(tc.tweak)), noon)
			if !got.Begins || got.Rollout.ID != 8 || got.State != plan.InProgress {
				t.Errorf("step = %+v, want deployment 8 to begin", got)
			}
		})
	}
}

func TestTimedOut(t *testing.T) {
	t.Parallel()
	got := rollout.Next(wanted(nil), slots(running(func(s *snapshot.Slot) { s.Complete, s.TimedOut, s.Updated, s.Available = false, true, 2, 2 })), noon)
	if got.State != plan.Failed || got.Rollout.ID != 7 || got.Begins {
		t.Errorf("step = %+v, want deployment 7 failed", got)
	}
}

// failed is a slot to which v1 came back after v2 failed.
func failed(s *snapshot.Slot) {
	s.Failed = snapshot.Failure{Change: "r2", Version: "v2", Reason: v1alpha1.ReasonTimedOut, Message: "too slow"}
	s.Good = "r1"
}

func change(revision, version string) func(*plan.Target) {
	return func(w *plan.Target) {
		w.Revision, w.Template, w.Change, w.Version = revision, revision, revision, version
	}
}

// beside is the set of deployment 8, started beside the one of deployment 7.
func beside(tweak func(*snapshot.Slot)) snapshot.Slot {
	s := running(func(s *snapshot.Slot) {
		s.Name, s.RolloutID, s.RolloutType, s.Policy, s.Instances, s.Good = "b", 8, "Version", "Immutable", 4, "r1"
		s.Revision, s.Template, s.Change, s.Version = "r2", "r2", "r2", "v2"
		s.StartedAt, s.StageAt = noon.Add(-time.Minute).UTC(), noon.Add(-time.Minute).UTC()
	})
	if tweak != nil {
		tweak(&s)
	}
	return s
}

// TestNext tables what follows from what exists.
func TestNext(t *testing.T) {
	t.Parallel()
	immutable := func(w *plan.Target) {
		change("r2", "v2")(w)
		w.OnVersion.Policy, w.OnVersion.HoldSeconds, w.LastID, w.GoodID = v1alpha1.PolicyImmutable, 60, 8, 7
	}
	two := func(tweak func(*snapshot.Slot), serves string) snapshot.Snapshot {
		now := slots(running(nil))
		now.Slots["b"] = beside(tweak)
		now.Traffic = snapshot.Traffic{Slot: serves, ServiceSince: noon.Add(-30 * time.Second).UTC()}
		return now
	}
	releases := func(r snapshot.Release) snapshot.Snapshot {
		now := slots(running(nil))
		now.Releases = []snapshot.Release{r}
		return now
	}
	wants := func(w *plan.Target) {
		change("r2", "v2")(w)
		w.Release, w.GoodID = true, 7
	}
	for _, tc := range []struct {
		name    string
		want    func(*plan.Target)
		now     snapshot.Snapshot
		state   plan.State
		id      int64
		slots   string
		serves  string
		hold    int32
		release bool
		version string
	}{
		{"a failed change is not tried again", change("r2", "v2"), slots(running(failed)), plan.RolledBack, 7, "a", "a", 0, false, "v1"},
		{"another change is", change("r3", "v3"), slots(running(failed)), plan.InProgress, 8, "a", "a", 0, false, "v3"},
		{"asking for what came back ends it", nil, slots(running(failed)), plan.InProgress, 8, "a", "a", 0, false, "v1"},
		{"a second set begins", immutable, slots(running(nil)), plan.InProgress, 9, "ab", "a", 4, false, "v2"},
		{"all new instances are healthy", immutable, two(nil, "a"), plan.InProgress, 8, "ab", "b", 4, false, "v2"},
		{"the hold", immutable, two(nil, "b"), plan.InProgress, 8, "ab", "b", 4, false, "v2"},
		{"an abort during the hold", func(w *plan.Target) { immutable(w); w.Abort = "now" }, two(nil, "b"), plan.RollingBack, 8, "a", "a", 4, false, "v1"},
		{"a crash of the new set", func(w *plan.Target) { immutable(w); w.Judged.Crash = "exit code 1" }, two(nil, "a"), plan.RollingBack, 8, "a", "a", 4, false, "v1"},
		{"a crash, paused", func(w *plan.Target) {
			immutable(w)
			w.Judged.Crash, w.OnVersion.OnFailure = "exit code 1", v1alpha1.OnFailurePause
		}, two(nil, "a"), plan.Failed, 8, "ab", "a", 4, false, "v2"},
		{"the hold is over", immutable, func() snapshot.Snapshot {
			now := two(nil, "b")
			now.Traffic.ServiceSince = noon.Add(-time.Minute).UTC()
			return now
		}(), plan.Idle, 8, "b", "b", 4, false, "v2"},
		{"a set that is left over goes", nil, func() snapshot.Snapshot {
			now := two(nil, "a")
			now.Slots["a"] = running(func(s *snapshot.Slot) { s.RolloutID = 9 })
			return now
		}(), plan.Idle, 9, "a", "a", 4, false, "v1"},
		{"the release command comes first", wants, slots(running(nil)), plan.InProgress, 8, "a", "a", 0, true, "v2"},
		{"it runs", wants, releases(snapshot.Release{ID: 8, Change: "r2"}), plan.InProgress, 8, "a", "a", 0, true, "v2"},
		{"it succeeded", wants, releases(snapshot.Release{ID: 8, Change: "r2", Succeeded: true}), plan.InProgress, 8, "a", "a", 0, false, "v2"},
		{"it failed", wants, releases(snapshot.Release{ID: 8, Change: "r2", Failed: true}), plan.Failed, 8, "a", "a", 0, true, "v2"},
		{"it failed, and the user goes back", func(w *plan.Target) { w.Release = true }, releases(snapshot.Release{ID: 8, Change: "r2", Failed: true}),
			plan.InProgress, 9, "a", "a", 0, false, "v1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.now.Revisions = map[string]snapshot.Revision{"r1": {Content: content}}
			got := rollout.Next(wanted(tc.want), tc.now, noon)
			names := ""
			for _, s := range got.Slots {
				names += s.Name
			}
			if got.State != tc.state || got.Rollout.ID != tc.id || names != tc.slots || got.Traffic.Slot != tc.serves || got.Scaler.Hold != tc.hold ||
				(got.Release != nil) != tc.release || got.Target.Version != tc.version {
				t.Errorf("%s, deployment %d of %s, slots %s, requests to %s, held at %d, release %t: %s", got.State, got.Rollout.ID, got.Target.Version, names,
					got.Traffic.Slot, got.Scaler.Hold, got.Release != nil, got.Reason)
			}
		})
	}
}
