// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rollout decides which step brings an Environment from what runs to what should run. Pure: the same input always
// gives the same step; it reads no cluster and no clock. Called by the environment controller; the design is in
// docs/architecture.md.
package rollout

import (
	"slices"
	"time"

	"github.com/beanpod-dev/beanpod/internal/rollout/inplace"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/twoslot"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Next is the next step from now to want. A newer target pre-empts whatever is under way, because nothing but the slots
// themselves is remembered.
func Next(want plan.Target, now snapshot.Snapshot, at time.Time) plan.Step {
	s := look(want, now, at)
	step := s.decide()
	s.holdOn(&step)
	return step
}

// holdOn keeps the autoscaler held until a set that goes is gone. Both in one step would let it scale one of two sets when the
// operator dies before it deletes the other.
func (s scene) holdOn(step *plan.Step) {
	for name, slot := range s.now.Slots {
		listed := slices.ContainsFunc(step.Slots, func(k plan.Slot) bool { return k.Name == name })
		if s.want.Scaled && !listed && !slot.Deleting && len(step.Slots) > 0 {
			step.Scaler.Hold = s.now.Slots[step.Scaler.Slot].Wanted
		}
	}
}

func (s scene) decide() plan.Step {
	switch {
	case s.refused != nil && (s.unfinished() || !s.changed()):
		return s.releaseFailed()
	case s.changed():
		return s.begin()
	case s.blocked:
		return s.rolledBack()
	default:
		return s.goOn()
	}
}

// goOn continues the rollout that the current slot records.
func (s scene) goOn() plan.Step {
	if s.other == nil {
		return s.inPlace(inplace.Next(s.aim(), s.current, s.recorded, s.with, s.at))
	}
	return s.twoSlots(twoslot.Next(s.aim(), twoslot.Sides{Fresh: s.current, Old: *s.other, Traffic: s.now.Traffic}, s.with, s.at))
}

// aim is the target with the content that this rollout is really about.
func (s scene) aim() plan.Target {
	want := s.want
	want.Content = s.goal
	return want
}

// inPlace makes a step of the progress of the slot that is changed in place.
func (s scene) inPlace(p plan.Progress) plan.Step {
	slot := plan.Slot{
		Name: s.current.Name, Content: s.goal, Rollout: p.Rollout, Strategy: p.Strategy, Good: s.current.Good, Failed: s.current.Failed,
	}
	step := s.step(p, slot)
	step.Slots = []plan.Slot{slot}
	step.Traffic, step.Scaler = s.requests(slot.Name), plan.Scaler{Slot: slot.Name}
	if s.aborts(p) {
		p.State, p.Failure = plan.Failed, aborted()
	}
	if p.State == plan.Failed {
		return s.fail(step, *p.Failure)
	}
	return step
}

// step has what both kinds of policies have in common.
func (s scene) step(p plan.Progress, slot plan.Slot) plan.Step {
	return plan.Step{
		Current: slot.Name, Stable: slot.Name, Target: slot.Content, State: p.State, Rollout: p.Rollout,
		Updated: p.Updated, Desired: p.Desired, Peak: p.Peak, Deadline: p.Deadline, Wake: p.Wake, Reason: p.Reason,
	}
}

// requests go to one slot; when they have, what is recorded of it stays.
func (s scene) requests(slot string) plan.Traffic {
	t := plan.Traffic{Slot: slot}
	if s.now.Traffic.Slot == slot {
		t.ServiceSince = s.now.Traffic.ServiceSince
	}
	return t
}

// twoSlots makes a step of the progress of a new set.
func (s scene) twoSlots(p plan.Progress) plan.Step {
	fresh := plan.Slot{Name: s.current.Name, Content: s.goal, Rollout: p.Rollout, Strategy: p.Strategy, Replicas: p.Replicas, Good: s.current.Good}
	old := *s.other
	// Requests move first, and all that follows on it waits until they have: while the Service cannot be written, nothing changes.
	moved := p.Moved && (s.now.Traffic.Slot == fresh.Name || !s.want.Routed)
	if moved {
		// It is the environment now: it gets the strategy of any other slot, and its size is the scaler's again.
		fresh.Strategy, fresh.Replicas = s.rest(s.current, p.Rollout), nil
	}
	step := s.step(p, fresh)
	step.Slots = s.pair(fresh, plan.Kept(old, s.rest(old, plan.Recorded(old))))
	step.Stable, step.Traffic = old.Name, s.requests(old.Name)
	step.Scaler = plan.Scaler{Slot: old.Name, Hold: p.Desired}
	if moved {
		step.Scaler.Slot = fresh.Name
	}
	switch {
	case p.Moved:
		step.Stable = fresh.Name
		step.Traffic = plan.Traffic{Slot: fresh.Name, ServiceSince: p.MovedSince}
	case p.Split > 0 && s.want.Weighted:
		step.Traffic.Other, step.Traffic.Percent, step.Traffic.Exact, step.Traffic.RouteSince = fresh.Name, p.Split, true, p.SplitSince
	case p.Split > 0:
		step.Traffic = plan.Traffic{Slot: old.Name, Other: fresh.Name, Percent: p.Split, ServiceSince: p.SplitSince}
	}
	if p.Settled {
		step.Slots, step.Scaler.Hold = []plan.Slot{fresh}, 0
	}
	if s.aborts(p) {
		p.State, p.Failure = plan.Failed, aborted()
	}
	if p.State == plan.Failed {
		return s.fail(step, *p.Failure)
	}
	return step
}

// changing is the strategy of a slot that is changed in place, rest the one of a slot that is not.
func (s scene) changing(slot snapshot.Slot, r plan.Rollout) plan.Strategy {
	return inplace.Strategy(r.Policy, r.Batch, slot.Wanted, r.Ignored, s.policy(r.Type))
}

func (s scene) rest(slot snapshot.Slot, r plan.Rollout) plan.Strategy {
	return inplace.Resting(s.changing(slot, r), s.want.Scaled)
}

func (s scene) pair(one, two plan.Slot) []plan.Slot {
	if one.Name > two.Name {
		one, two = two, one
	}
	return []plan.Slot{one, two}
}

// other is the name of the other slot.
func other(name string) string {
	if name == snapshot.SlotA {
		return snapshot.SlotB
	}
	return snapshot.SlotA
}

// restarted is content with another restart token.
func restarted(c snapshot.Content, token string) snapshot.Content {
	if token == "" || token == c.Restart {
		return c
	}
	c.Revision, c.Restart = settings.Restarted(c.Template, token), token
	return c
}
