// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rollout_test

import (
	"strings"
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

// running is a slot that runs v1 on four instances and is done with deployment 7.
func running(tweak func(*snapshot.Slot)) snapshot.Slot {
	s := snapshot.Slot{
		Name: "a", Revision: "r1", Configuration: "c1", Version: "v1", Digest: "sha256:1", RolloutID: 7, RolloutType: "Restart", Policy: "Rolling",
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
		Revision: "r1", Configuration: "c1", Version: "v1", Digest: "sha256:1", Desired: 10, LastID: 7,
		OnVersion:       settings.Rollout{Policy: v1alpha1.PolicyRolling, BatchSize: intstr.FromString("50%"), GateSeconds: 30, TimeoutSeconds: 600},
		OnConfiguration: settings.Rollout{Policy: v1alpha1.PolicyRollingWithAdditionalBatch, BatchSize: intstr.FromInt32(1), GateSeconds: 5, TimeoutSeconds: 60},
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
			if got.State != plan.InProgress || !got.Begins || got.Slot != "a" || got.Strategy.MinReadySeconds != with.GateSeconds {
				t.Errorf("step = %+v, want one in slot a that begins, with a gate of %d s", got, with.GateSeconds)
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

func TestUnsupportedPolicy(t *testing.T) {
	t.Parallel()
	for _, policy := range []v1alpha1.DeploymentPolicy{v1alpha1.PolicyImmutable, v1alpha1.PolicyTrafficSplitting} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			want := wanted(func(w *plan.Target) { w.OnVersion.Policy = policy })
			change := want
			change.Revision, change.Version = "r2", "v2"
			got := rollout.Next(change, slots(running(nil)), noon)
			if got.State != plan.Unsupported || got.Begins || got.Rollout.ID != 7 || !strings.Contains(got.Reason, "policy "+string(policy)+" is not supported") {
				t.Errorf("changing the version: step = %+v, want it refused with deployment 7 kept", got)
			}
			if got := rollout.Next(want, snapshot.Snapshot{}, noon); got.State != plan.InProgress || !got.Begins {
				t.Errorf("first deployment: step = %+v, want it to begin: nothing runs that a second slot would protect", got)
			}
			if got := rollout.Next(want, slots(running(nil)), noon); got.State != plan.Idle {
				t.Errorf("nothing to change: step = %+v, want idle", got)
			}
			restart := want
			restart.Revision, restart.Restart = "r2", "now"
			if got := rollout.Next(restart, slots(running(nil)), noon); !got.Begins {
				t.Errorf("restart under the other policy: step = %+v, want it to begin", got)
			}
		})
	}
}
