// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// observed is a deletion under policy Delete to which everybody agrees.
func observed(tweaks ...func(o *Observed)) Observed {
	o := Observed{
		Now: base, Namespace: "team", Claim: "shop", ClassName: "postgres", Resource: "StatefulSet shop-db", UID: uid, Requested: base.Add(-100 * time.Hour),
		Policy: v1alpha1.DatabaseDelete, Class: ClassAllows, Confirmation: uid, Provisioned: true, Provider: Present,
		RecordedID: "id-ours", FoundID: "id-ours", Mark: mark, OurMark: mark, NewSnapshot: "final-2",
	}
	for _, tweak := range tweaks {
		tweak(&o)
	}
	return o
}

// in is a record: a phase that began so long ago.
func in(phase v1alpha1.DatabaseDeletionPhase, ago time.Duration, snapshot string) func(o *Observed) {
	return func(o *Observed) {
		o.Record = v1alpha1.DatabaseDeletion{Phase: phase, Since: metav1.NewTime(o.Now.Add(-ago)), Snapshot: snapshot}
	}
}

func protected(o *Observed)                   { o.Protected = true }
func retained(o *Observed)                    { o.Policy = v1alpha1.DatabaseRetain }
func snapshotted(o *Observed)                 { o.Policy = v1alpha1.DatabaseSnapshot; o.Confirmation = "" }
func used(o *Observed)                        { o.Users = []string{"blue", "green"} }
func silent(o *Observed)                      { o.Provider, o.FoundID, o.Mark = Unknown, "", "" }
func absent(o *Observed)                      { o.Provider, o.FoundID, o.Mark = Absent, "", "" }
func replaced(o *Observed)                    { o.FoundID = "id-others" }
func rest(o *Observed)                        { o.FoundID = "" }
func unprovisioned(o *Observed)               { o.Provisioned, o.RecordedID = false, "" }
func state(s SnapshotState) func(o *Observed) { return func(o *Observed) { o.Snapshot = s } }
func absentFor(d time.Duration) func(o *Observed) {
	return func(o *Observed) { o.AbsentSince = new(o.Now.Add(-d)) }
}

const (
	cool     = v1alpha1.DeletionCooling
	destroy  = v1alpha1.DeletionDestroying
	snapping = v1alpha1.DeletionSnapshotting
	refused  = v1alpha1.DeletionRefused
	ease     = v1alpha1.DeletionReleasing
	hour     = time.Hour
)

func TestNext(t *testing.T) {
	t.Parallel()
	type tweaks = []func(o *Observed)
	for _, tc := range []struct {
		name   string
		tweaks tweaks
		// want is what is done, the phase that is recorded, its age, its snapshot, the reason, and when to look again.
		action   Action
		phase    v1alpha1.DatabaseDeletionPhase
		age      time.Duration
		snapshot string
		reason   string
		after    time.Duration
	}{
		{name: "protection is asked first", tweaks: tweaks{protected}, phase: v1alpha1.DeletionProtected, reason: "DeletionProtected"},
		{name: "also under Retain", tweaks: tweaks{protected, retained}, phase: v1alpha1.DeletionProtected, reason: "DeletionProtected"},
		{name: "also of an external database", tweaks: tweaks{protected, func(o *Observed) { o.External = true }}, phase: v1alpha1.DeletionProtected, reason: "DeletionProtected"},
		{name: "also of one that was never made", tweaks: tweaks{protected, unprovisioned, absent}, phase: v1alpha1.DeletionProtected, reason: "DeletionProtected"},
		{name: "protection ends a pause", tweaks: tweaks{protected, in(cool, 71*hour, "")}, phase: v1alpha1.DeletionProtected, reason: "DeletionProtected"},
		{name: "waiting keeps its beginning", tweaks: tweaks{protected, in(v1alpha1.DeletionProtected, hour, "")}, phase: v1alpha1.DeletionProtected, age: hour, reason: "DeletionProtected"},

		{name: "external", tweaks: tweaks{func(o *Observed) { o.External = true }, used, silent}, action: LetGo, phase: ease, reason: "Releasing", after: soon},
		{name: "external, whatever status says", tweaks: tweaks{func(o *Observed) { o.External = true }, in(destroy, hour, "")}, action: LetGo, phase: ease, reason: "Releasing", after: soon},
		{name: "never made", tweaks: tweaks{unprovisioned, absent}, action: LetGo, phase: ease, reason: "Releasing", after: soon},
		{name: "never made, and nobody can be asked", tweaks: tweaks{unprovisioned, silent, used}, action: LetGo, phase: ease, reason: "Releasing", after: soon},
		{name: "never made, and yet there is something", tweaks: tweaks{unprovisioned, func(o *Observed) { o.Mark = "" }}, phase: refused, reason: "NotOurs", after: poll},

		{name: "Retain", tweaks: tweaks{retained}, action: KeepRecord, phase: ease, reason: "Releasing", after: soon},
		{name: "Retain while in use, without a class, a provider or an answer", tweaks: tweaks{retained, used, silent, func(o *Observed) { o.Class = ClassMissing }}, action: KeepRecord, phase: ease, reason: "Releasing", after: soon},
		{name: "Retain ends a pause", tweaks: tweaks{retained, in(cool, 73*hour, "")}, action: KeepRecord, phase: ease, reason: "Releasing", after: soon},
		{name: "Retain of what somebody replaced", tweaks: tweaks{retained, replaced}, action: KeepRecord, phase: ease, reason: "Releasing", after: soon},
		{name: "Retain of what is gone", tweaks: tweaks{retained, absent}, action: KeepRecord, phase: ease, reason: "Releasing", after: soon},
		{name: "no policy is Retain", tweaks: tweaks{func(o *Observed) { o.Policy = "" }}, action: KeepRecord, phase: ease, reason: "Releasing", after: soon},
		{name: "an unknown policy is Retain", tweaks: tweaks{func(o *Observed) { o.Policy = "Shred" }}, action: KeepRecord, phase: ease, reason: "Releasing", after: soon},

		{name: "the class forbids", tweaks: tweaks{func(o *Observed) { o.Class = ClassForbids }, in(cool, 73*hour, "")}, phase: refused, reason: "ClassRefuses"},
		{name: "the class is gone", tweaks: tweaks{func(o *Observed) { o.Class = ClassMissing }, in(cool, 73*hour, "")}, phase: refused, reason: "ClassNotFound"},
		{name: "in use", tweaks: tweaks{used, in(cool, 73*hour, "")}, phase: v1alpha1.DeletionInUse, reason: "InUse"},
		{name: "in use under Snapshot", tweaks: tweaks{snapshotted, used, in(cool, 73*hour, "final-1"), state(SnapshotUsable)}, phase: v1alpha1.DeletionInUse, reason: "InUse"},

		{name: "not confirmed", tweaks: tweaks{func(o *Observed) { o.Confirmation = "" }}, phase: v1alpha1.DeletionUnconfirmed, reason: "Unconfirmed"},
		{name: "confirmed for another claim", tweaks: tweaks{func(o *Observed) { o.Confirmation = "uid-of-another" }}, phase: v1alpha1.DeletionUnconfirmed, reason: "Unconfirmed"},
		{name: "an empty confirmation of no UID", tweaks: tweaks{func(o *Observed) { o.Confirmation, o.UID = "", "" }}, phase: v1alpha1.DeletionUnconfirmed, reason: "Unconfirmed"},
		{name: "taken back", tweaks: tweaks{func(o *Observed) { o.Confirmation = "" }, in(cool, 73*hour, "")}, phase: v1alpha1.DeletionUnconfirmed, reason: "Unconfirmed"},
		{name: "confirmed: the pause begins", phase: cool, reason: "Cooling", after: DefaultDelay},
		{name: "confirmed after it was not", tweaks: tweaks{in(v1alpha1.DeletionUnconfirmed, 80*hour, "")}, phase: cool, reason: "Cooling", after: DefaultDelay},

		{name: "the pause goes on", tweaks: tweaks{in(cool, 71*hour, "")}, phase: cool, age: 71 * hour, reason: "Cooling", after: hour},
		{name: "another pause", tweaks: tweaks{in(cool, hour, ""), func(o *Observed) { o.Delay = 2 * hour }}, phase: cool, age: hour, reason: "Cooling", after: hour},
		{name: "no pause is the default one", tweaks: tweaks{in(cool, hour, ""), func(o *Observed) { o.Delay = -1 }}, phase: cool, age: hour, reason: "Cooling", after: 71 * hour},
		{name: "the pause is over", tweaks: tweaks{in(cool, 72*hour, "")}, phase: destroy, reason: "Destroying", after: soon},
		{name: "the brake", tweaks: tweaks{in(cool, 72*hour, ""), func(o *Observed) { o.Brake = time.Minute }}, phase: cool, age: 72 * hour, reason: "Cooling", after: time.Minute},
		{name: "a clock that went back", tweaks: tweaks{in(cool, -hour, "")}, phase: cool, reason: "Cooling", after: DefaultDelay},
		{name: "the spec was edited there and back", tweaks: tweaks{in(cool, 73*hour, ""), func(o *Observed) { o.Edited = true }}, phase: cool, reason: "Cooling", after: DefaultDelay},
		{name: "the record of another deletion", tweaks: tweaks{in(destroy, 101*hour, "")}, phase: cool, reason: "Cooling", after: DefaultDelay},
		{name: "a pause of policy Snapshot", tweaks: tweaks{in(cool, 73*hour, "final-1"), state(SnapshotUsable)}, phase: cool, reason: "Cooling", after: DefaultDelay},
		{name: "silence does not end a pause", tweaks: tweaks{in(cool, 73*hour, ""), silent}, phase: cool, age: 73 * hour, reason: "ProviderUnavailable", after: poll},
		{name: "silence begins none", tweaks: tweaks{silent}, phase: refused, reason: "ProviderUnavailable", after: poll},
		{name: "another id", tweaks: tweaks{in(cool, 73*hour, ""), replaced}, phase: refused, reason: "NotOurs", after: poll},
		{name: "another mark", tweaks: tweaks{in(cool, 73*hour, ""), func(o *Observed) { o.Mark = "other" }}, phase: refused, reason: "NotOurs", after: poll},
		{name: "no mark at all", tweaks: tweaks{in(cool, 73*hour, ""), func(o *Observed) { o.Mark, o.OurMark = "", "" }}, phase: refused, reason: "NotOurs", after: poll},
		{name: "no main object", tweaks: tweaks{in(cool, 73*hour, ""), rest}, phase: refused, reason: "NotOurs", after: poll},
		{name: "status was lost", tweaks: tweaks{func(o *Observed) { o.RecordedID = "" }}, phase: cool, reason: "Cooling", after: DefaultDelay},
		{name: "only the id was lost", tweaks: tweaks{in(cool, 73*hour, ""), func(o *Observed) { o.RecordedID = "" }}, phase: cool, reason: "Cooling", after: DefaultDelay},

		{name: "a snapshot is named first", tweaks: tweaks{snapshotted}, phase: snapping, snapshot: "final-2", reason: "Snapshotting", after: soon},
		{name: "then taken", tweaks: tweaks{snapshotted, in(snapping, hour, "final-1")}, action: TakeSnapshot, phase: snapping, age: hour, snapshot: "final-1", reason: "Snapshotting", after: poll},
		{name: "and waited for", tweaks: tweaks{snapshotted, in(snapping, hour, "final-1"), state(SnapshotRunning)}, phase: snapping, age: hour, snapshot: "final-1", reason: "Snapshotting", after: poll},
		{name: "and then the pause begins", tweaks: tweaks{snapshotted, in(snapping, hour, "final-1"), state(SnapshotUsable)}, phase: cool, snapshot: "final-1", reason: "Cooling", after: DefaultDelay},
		{name: "which ends", tweaks: tweaks{snapshotted, in(cool, 73*hour, "final-1"), state(SnapshotUsable)}, phase: destroy, snapshot: "final-1", reason: "Destroying", after: soon},
		{name: "it failed", tweaks: tweaks{snapshotted, in(snapping, hour, "final-1"), state(SnapshotFailed)}, phase: snapping, age: hour, snapshot: "final-1", reason: "SnapshotFailed", after: poll},
		{name: "another attempt after an edit", tweaks: tweaks{snapshotted, in(snapping, hour, "final-1"), state(SnapshotFailed), func(o *Observed) { o.Edited = true }}, phase: snapping, snapshot: "final-2", reason: "Snapshotting", after: soon},
		{name: "it vanished", tweaks: tweaks{snapshotted, in(cool, 73*hour, "final-1")}, action: TakeSnapshot, phase: snapping, snapshot: "final-1", reason: "Snapshotting", after: poll},
		{name: "it is running again", tweaks: tweaks{snapshotted, in(cool, 73*hour, "final-1"), state(SnapshotRunning)}, phase: snapping, snapshot: "final-1", reason: "Snapshotting", after: poll},
		{name: "it failed after all", tweaks: tweaks{snapshotted, in(cool, 73*hour, "final-1"), state(SnapshotFailed)}, phase: snapping, snapshot: "final-1", reason: "SnapshotFailed", after: poll},
		{name: "after use another one is taken", tweaks: tweaks{snapshotted, in(v1alpha1.DeletionInUse, hour, "")}, phase: snapping, snapshot: "final-2", reason: "Snapshotting", after: soon},
		{name: "a pause of policy Delete", tweaks: tweaks{snapshotted, in(cool, 73*hour, "")}, phase: snapping, snapshot: "final-2", reason: "Snapshotting", after: soon},
		{name: "no snapshot of somebody else's database", tweaks: tweaks{snapshotted, in(snapping, hour, "final-1"), replaced}, phase: refused, reason: "NotOurs", after: poll},

		{name: "destroy", tweaks: tweaks{in(destroy, 0, "")}, action: Destroy, phase: destroy, reason: "Destroying", after: poll},
		{name: "destroy again", tweaks: tweaks{in(destroy, hour, "")}, action: Destroy, phase: destroy, age: hour, reason: "Destroying", after: poll},
		{name: "what is left too", tweaks: tweaks{in(destroy, hour, ""), rest}, action: Destroy, phase: destroy, age: hour, reason: "Destroying", after: poll},
		{name: "it cannot be called back", tweaks: tweaks{in(destroy, hour, ""), protected, retained, used, func(o *Observed) { o.Confirmation, o.Class, o.Edited = "", ClassForbids, true }}, action: Destroy, phase: destroy, age: hour, reason: "Destroying", after: poll},
		{name: "without an answer", tweaks: tweaks{in(destroy, hour, ""), silent}, phase: destroy, age: hour, reason: "ProviderUnavailable", after: poll},
		{name: "without a class", tweaks: tweaks{in(destroy, hour, ""), func(o *Observed) { o.Class = ClassMissing }}, phase: destroy, age: hour, reason: "ClassNotFound"},
		{name: "somebody else's by id", tweaks: tweaks{in(destroy, hour, "final-1"), replaced}, phase: refused, snapshot: "final-1", reason: "NotOurs", after: poll},
		{name: "somebody else's by mark", tweaks: tweaks{in(destroy, hour, ""), func(o *Observed) { o.Mark = "" }}, phase: refused, reason: "NotOurs", after: poll},
		{name: "the id is not known any more", tweaks: tweaks{in(destroy, hour, ""), func(o *Observed) { o.RecordedID = "" }}, phase: refused, reason: "NotOurs", after: poll},
		{name: "once gone is not gone", tweaks: tweaks{in(destroy, hour, ""), absent}, phase: destroy, age: hour, reason: "Missing", after: AbsentPause},
		{name: "nor a moment later", tweaks: tweaks{in(destroy, hour, ""), absent, absentFor(29 * time.Second)}, phase: destroy, age: hour, reason: "Missing", after: time.Second},
		{name: "nor when the clock went back", tweaks: tweaks{in(destroy, hour, ""), absent, absentFor(-hour)}, phase: destroy, age: hour, reason: "Missing", after: AbsentPause},
		{name: "twice is", tweaks: tweaks{in(destroy, hour, ""), absent, absentFor(AbsentPause)}, action: LetGo, phase: ease, reason: "Releasing", after: soon},

		{name: "deleted behind our back", tweaks: tweaks{absent}, phase: refused, reason: "Missing", after: AbsentPause},
		{name: "in a pause", tweaks: tweaks{absent, in(cool, hour, "")}, phase: cool, age: hour, reason: "Missing", after: AbsentPause},
		{name: "in a pause that is called back", tweaks: tweaks{absent, in(cool, hour, ""), used}, phase: refused, reason: "Missing", after: AbsentPause},
		{name: "nothing to confirm", tweaks: tweaks{absent, absentFor(hour), used, func(o *Observed) { o.Confirmation = "" }}, action: LetGo, phase: ease, reason: "Releasing", after: soon},
		{name: "no snapshot of it", tweaks: tweaks{absent, snapshotted, absentFor(hour)}, phase: refused, reason: "Missing", after: poll},
		{name: "no named snapshot of it", tweaks: tweaks{absent, snapshotted, absentFor(hour), state(SnapshotUsable)}, phase: refused, reason: "Missing", after: poll},
		{name: "no finished snapshot of it", tweaks: tweaks{absent, snapshotted, absentFor(hour), in(snapping, hour, "final-1"), state(SnapshotRunning)}, phase: snapping, age: hour, snapshot: "final-1", reason: "Missing", after: poll},
		{name: "a usable snapshot of it", tweaks: tweaks{absent, snapshotted, absentFor(hour), in(cool, hour, "final-1"), state(SnapshotUsable)}, action: LetGo, phase: ease, reason: "Releasing", after: soon},
		{name: "and no snapshot any more", tweaks: tweaks{absent, snapshotted, absentFor(hour), in(cool, hour, "final-1")}, phase: refused, snapshot: "final-1", reason: "Missing", after: poll},
		{name: "gone after it was destroyed and replaced", tweaks: tweaks{absent, snapshotted, absentFor(hour), in(refused, hour, "final-1"), state(SnapshotUsable)}, action: LetGo, phase: ease, reason: "Releasing", after: soon},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := Next(observed(tc.tweaks...))
			want := Step{Action: tc.action, Reason: tc.reason, After: tc.after, Record: v1alpha1.DatabaseDeletion{
				Phase: tc.phase, Since: metav1.NewTime(base.Add(-tc.age)), Snapshot: tc.snapshot,
			}}
			if got.Message == "" {
				t.Error("says nothing")
			}
			got.Message, got.ResourceID, got.AbsentSince = "", "", nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("step (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResourceID(t *testing.T) {
	t.Parallel()
	lost := func(o *Observed) { o.RecordedID = "" }
	for _, tc := range []struct {
		name string
		o    Observed
		want string
	}{
		{"what was recorded stays", observed(replaced), "id-ours"},
		{"what was lost is found by its mark", observed(lost), "id-ours"},
		{"also while protected", observed(lost, protected), "id-ours"},
		{"what has no mark is not ours", observed(lost, func(o *Observed) { o.Mark = "" }), ""},
		{"nothing is found in silence", observed(lost, silent), ""},
	} {
		if got := Next(tc.o).ResourceID; got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestAbsentSince(t *testing.T) {
	t.Parallel()
	if got := Next(observed(absent)).AbsentSince; got == nil || !got.Equal(base) {
		t.Errorf("the first absence is at %v, want %v", got, base)
	}
	if got := Next(observed(absent, absentFor(time.Second))).AbsentSince; got == nil || !got.Equal(base.Add(-time.Second)) {
		t.Errorf("the first absence moved to %v", got)
	}
	for _, tweak := range []func(o *Observed){silent, func(*Observed) {}} {
		if got := Next(observed(tweak, absentFor(time.Second))).AbsentSince; got != nil {
			t.Errorf("an answer that is not absence keeps %v", got)
		}
	}
}

// A clock behind the API server's must not make every record look older than the deletion.
func TestClockBehindTheServer(t *testing.T) {
	t.Parallel()
	o := observed(func(o *Observed) { o.Requested = o.Now.Add(time.Minute) })
	for range 3 {
		step := Next(o)
		if want := o.Requested; step.Record.Phase != cool || !step.Record.Since.Time.Equal(want) {
			t.Fatalf("recorded %s since %s, want Cooling since %s", step.Record.Phase, step.Record.Since, want)
		}
		o.Record = step.Record
	}
	o.Now = o.Requested.Add(DefaultDelay)
	if step := Next(o); step.Record.Phase != destroy {
		t.Errorf("after the pause it is %s", step.Record.Phase)
	}
}

// Messages name the object, the field and the next step.
func TestMessages(t *testing.T) {
	t.Parallel()
	patch := "kubectl patch databaseclaim shop -n team --type=merge -p "
	many := func(o *Observed) { o.Users = strings.Split("a b c d e f g", " ") }
	for _, tc := range []struct {
		name string
		o    Observed
		want []string
	}{
		{"protected", observed(protected), []string{"spec.deletionProtection", "policy Delete", patch + `'{"spec":{"deletionProtection":false}}'`}},
		{"protected without a policy", observed(protected, func(o *Observed) { o.Policy = "" }), []string{"policy Retain"}},
		{"in use", observed(used), []string{"blue, green.", "spec.databases", patch + `'{"spec":{"deletionPolicy":"Retain"}}'`}},
		{"in use by many", observed(many), []string{"a, b, c, d, e and 2 more."}},
		{"unconfirmed", observed(func(o *Observed) { o.Confirmation = "" }), []string{"72h after a confirmation", "kubectl annotate databaseclaim shop -n team --overwrite beanpod.dev/confirm-deletion=" + uid}},
		{"confirmed wrongly", observed(func(o *Observed) { o.Confirmation = "other" }), []string{`"other", which is not the UID`}},
		{"class gone", observed(func(o *Observed) { o.Class = ClassMissing }), []string{`DatabaseClass "postgres" does not exist`, patch}},
		{"class forbids", observed(func(o *Observed) { o.Class = ClassForbids }), []string{`DatabaseClass "postgres" does not allow spec.deletionPolicy Delete`, patch}},
		{"silent", observed(silent), []string{"StatefulSet shop-db", "nothing is destroyed", patch}},
		{"silent while destroying", observed(silent, in(destroy, hour, "")), []string{"whether StatefulSet shop-db is gone"}},
		{"not ours", observed(replaced), []string{`id "id-others"`, `"id-ours"`, "not touched", patch}},
		{"cooling", observed(in(cool, hour, "")), []string{"StatefulSet shop-db is deleted after 2026-12-02T11:00:00Z", patch + `'{"spec":{"deletionProtection":true}}'`}},
		{"braked", observed(in(cool, 73*hour, ""), func(o *Observed) { o.Brake = 90 * time.Second }), []string{"1m30s more"}},
		{"snapshot", observed(snapshotted, in(snapping, 0, "final-1")), []string{"Snapshot final-1", "StatefulSet shop-db"}},
		{"snapshot failed", observed(snapshotted, in(snapping, 0, "final-1"), state(SnapshotFailed), func(o *Observed) { o.SnapshotMessage = "disk full." }),
			[]string{"Snapshot final-1 failed: disk full. Nothing is deleted.", "true and back to false", patch}},
		{"missing", observed(absent), []string{"StatefulSet shop-db was not found"}},
		{"missing without a snapshot", observed(absent, snapshotted), []string{"no snapshot", "Delete or Retain", patch}},
		{"without a name", observed(absent, func(o *Observed) { o.Resource = "" }), []string{"The database was not found"}},
	} {
		got := Next(tc.o).Message
		for _, want := range tc.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q does not say %q", tc.name, got, want)
			}
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{72 * hour: "72h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 10 * time.Second: "10s", 90 * time.Second: "1m30s", 0: "0s"} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestSnapshotName(t *testing.T) {
	t.Parallel()
	if got, want := SnapshotName("shop-db", base), "shop-db-final-20261129-120000"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
