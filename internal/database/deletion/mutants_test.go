// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import (
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// mutant is an operator with one guard less.
type mutant struct {
	name string
	// sees is what Next is told instead of the truth; says is what is made of its step. Both are optional.
	sees func(o *Observed)
	says func(o Observed, s *Step)
	// blind and hasty are duties of the controller that it forgets.
	blind, hasty bool
	// region is where the exploration finds it. rare says that histories need too much luck to find it too.
	region string
	rare   bool
}

// keepPause does not end a pause that a step ends for one of these reasons.
func keepPause(reasons ...string) func(o Observed, s *Step) {
	return func(o Observed, s *Step) {
		for _, r := range reasons {
			if s.Reason == r && o.Record.Phase == v1alpha1.DeletionCooling {
				s.Record = o.Record
			}
		}
	}
}

var mutants = []mutant{
	{name: "protection is not asked", sees: func(o *Observed) { o.Protected = false }, region: "people"},
	{name: "Environments are not asked", sees: func(o *Observed) { o.Users = nil }, region: "people"},
	{name: "a confirmation is not asked", sees: func(o *Observed) { o.Confirmation = o.UID }, region: "people"},
	{name: "any confirmation does", sees: func(o *Observed) {
		if o.Confirmation != "" {
			o.Confirmation = o.UID
		}
	}, region: "people"},
	{name: "the class is not asked", sees: func(o *Observed) { o.Class = ClassAllows }, region: "people"},
	{name: "the pause is short", sees: func(o *Observed) { o.Delay = AbsentPause }, region: "people"},
	{name: "the brake is not asked", sees: func(o *Observed) { o.Brake = 0 }, region: "people"},
	{name: "an edit there and back is not seen", sees: func(o *Observed) { o.Edited = false }, region: "people"},
	{name: "the record of another deletion counts", sees: func(o *Observed) { o.Requested = time.Time{} }, region: "people"},
	{name: "a snapshot that was asked for is usable", sees: func(o *Observed) {
		if o.Snapshot == SnapshotRunning {
			o.Snapshot = SnapshotUsable
		}
	}, region: "people"},
	{name: "a failed snapshot is usable", sees: func(o *Observed) {
		if o.Snapshot == SnapshotFailed {
			o.Snapshot = SnapshotUsable
		}
	}, region: "people"},
	{name: "a snapshot from before is usable", says: func(o Observed, s *Step) {
		if s.Reason == v1alpha1.ReasonInUse && o.Record.Phase == v1alpha1.DeletionSnapshotting {
			s.Record = o.Record
		}
	}, region: "people", rare: true},
	{name: "use does not end the pause", says: keepPause(v1alpha1.ReasonInUse), region: "people"},
	{name: "a confirmation taken back does not end the pause", says: keepPause(v1alpha1.ReasonUnconfirmed), region: "people"},
	{name: "a class that forbids does not end the pause", says: keepPause(v1alpha1.ReasonClassRefuses, v1alpha1.ReasonClassNotFound), region: "people"},
	{name: "it destroys and then records", says: func(_ Observed, s *Step) {
		if s.Record.Phase == v1alpha1.DeletionDestroying && s.Action == Nothing {
			s.Action = Destroy
		}
	}, region: "people"},
	{name: "Retain destroys", sees: func(o *Observed) {
		if o.Policy == v1alpha1.DatabaseRetain {
			o.Policy = v1alpha1.DatabaseDelete
		}
	}, region: "people"},
	{name: "it lets go of Delete at once", says: func(o Observed, s *Step) {
		if s.Reason == v1alpha1.ReasonUnconfirmed {
			s.Action = LetGo
		}
	}, region: "people"},
	{name: "the id is not asked", sees: func(o *Observed) {
		if o.FoundID != "" {
			o.FoundID = o.RecordedID
		}
	}, region: "providers"},
	{name: "the mark is not asked", sees: func(o *Observed) { o.Mark = o.OurMark }, region: "providers"},
	{name: "silence is absence", sees: func(o *Observed) {
		if o.Provider == Unknown {
			o.Provider = Absent
		}
	}, region: "providers"},
	{name: "one read is enough", sees: func(o *Observed) { o.AbsentSince = new(o.Now.Add(-AbsentPause)) }, region: "providers"},
	{name: "what is left without a main object is nothing", sees: func(o *Observed) {
		if o.Provider == Present && o.FoundID == "" {
			o.Provider = Absent
		}
	}, region: "providers"},
	{name: "status is written blindly", blind: true, region: "caches"},
	{name: "it destroys without a live read of the claim", hasty: true, region: "caches"},
}

func (m mutant) operator(delay int16) *operator {
	return &operator{delay: delay, blind: m.blind, hasty: m.hasty, next: func(o Observed) Step {
		if m.sees != nil {
			m.sees(&o)
		}
		step := Next(o)
		if m.says != nil {
			m.says(o, &step)
		}
		return step
	}}
}

// TestMutants takes one guard away at a time. The exploration must notice each.
func TestMutants(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range regions {
				if r.name != m.region {
					continue
				}
				out := explore(r, m.operator(2), func(world) string { return "" })
				if out.wrong == "" {
					t.Fatalf("nothing was wrong in %d states", out.states)
				}
				t.Log(out.wrong)
			}
		})
	}
}
