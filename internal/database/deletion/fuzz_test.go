// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// FuzzNext asks what no single step may do, whatever it is told: with words that are no policy, class or phase, and any times.
func FuzzNext(f *testing.F) {
	agreed := []byte{2, 2, 1, 6, 0, 1, 1, 1, 1, 1, 1}
	f.Add(agreed, uint8(0), int64(80*3600), int64(0))
	f.Add([]byte{1, 2, 1, 6, 1, 0, 1, 1, 1, 1, 1}, uint8(16), int64(80*3600), int64(0))
	f.Add([]byte{2, 1, 2, 7, 0, 1, 1, 1, 0, 0, 1}, uint8(63), int64(-1), int64(40))
	f.Add([]byte{0, 0, 0, 4, 1}, uint8(16), int64(1<<40), int64(-1<<40))
	f.Fuzz(func(t *testing.T, choices []byte, bits uint8, age, absence int64) {
		pick := func(i int, words ...string) string {
			if i >= len(choices) {
				return ""
			}
			return words[int(choices[i])%len(words)]
		}
		policy, class, provider := pick(0, "Retain", "Snapshot", "Delete", "", "Shred"), pick(1, "", "Forbidden", "Allowed", "Perhaps"), pick(2, "", "Present", "Absent", "Maybe")
		phase := pick(3, "", "Protected", "InUse", "Unconfirmed", "Refused", "Snapshotting", "Cooling", "Destroying", "Releasing", "Dreaming")
		snapshot, confirmation, uid := pick(4, "", "s"), pick(5, "", "u", "v"), pick(6, "", "u")
		recorded, found, mark, ours := pick(7, "", "i", "j"), pick(8, "", "i", "j"), pick(9, "", "m", "n"), pick(10, "", "m")
		age, absence = age%(1<<32), absence%(1<<32) // a century both ways: more is no Duration
		flag := func(n int) bool { return bits>>n&1 == 1 }
		o := Observed{
			Now: base, UID: uid, Policy: v1alpha1.DatabaseDeletionPolicy(policy), Class: ClassAnswer(class), Provider: Answer(provider), Confirmation: confirmation,
			RecordedID: recorded, FoundID: found, Mark: mark, OurMark: ours, Protected: flag(0), External: flag(1), Provisioned: !flag(2), Edited: flag(3),
			Record:      v1alpha1.DatabaseDeletion{Phase: v1alpha1.DatabaseDeletionPhase(phase), Since: metav1.NewTime(base.Add(-time.Duration(age) * time.Second)), Snapshot: snapshot},
			AbsentSince: new(base.Add(-time.Duration(absence) * time.Second)), NewSnapshot: "new", Snapshot: SnapshotState(map[bool]string{true: "Usable"}[flag(4)]),
		}
		if flag(5) {
			o.Users = []string{"blue"}
		}
		if flag(6) {
			o.Brake = time.Second
		}
		step := Next(o)
		begins := step.Record.Phase == v1alpha1.DeletionDestroying && o.Record.Phase != v1alpha1.DeletionDestroying
		people := o.Class == ClassAllows && !o.Protected && o.Users == nil && !o.Edited && o.Brake == 0 &&
			(policy == "Delete" && uid != "" && confirmation == uid || policy == "Snapshot" && snapshot != "" && o.Snapshot == SnapshotUsable)
		pause := o.Record.Phase == v1alpha1.DeletionCooling && !o.Record.Since.Add(DefaultDelay).After(o.Now)
		same := ours != "" && mark == ours && o.Provider == Present
		switch {
		case begins && (o.External || !people || !pause || !same || found == "" || found != recorded):
			t.Errorf("began to destroy: %+v", o)
		case begins && step.Action != Nothing:
			t.Errorf("%s before Destroying is recorded", step.Action)
		case step.Action == Destroy && (o.External || o.Record.Phase != v1alpha1.DeletionDestroying || step.Record.Phase != v1alpha1.DeletionDestroying || !same || found != "" && found != recorded):
			t.Errorf("destroyed: %+v", o)
		case step.Action == LetGo && !o.External && o.Provisioned && (o.Provider != Absent || absence < 30):
			t.Errorf("let go: %+v", o)
		case step.Action == KeepRecord && (policy == "Snapshot" || policy == "Delete" || o.Protected):
			t.Errorf("kept: %+v", o)
		case step.Action == TakeSnapshot && (policy != "Snapshot" || !same || found != recorded || step.Record.Snapshot == ""):
			t.Errorf("took a snapshot: %+v", o)
		case step.Record.Phase == "" || step.Reason == "" || step.Message == "" || step.After < 0:
			t.Errorf("%+v says or records too little for %+v", step, o)
		}
		if again := Next(o); again.Action != step.Action || again.Record != step.Record {
			t.Errorf("%+v, and then %+v", step, again)
		}
	})
}
