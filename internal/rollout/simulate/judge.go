// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"slices"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// gateOfNewSets is the shortest gate of a second set, as package twoslot documents it.
const gateOfNewSets = 5

// asked notes what the user changed.
func (p *play) asked(was wish) {
	if p.want.change() != was.change() {
		p.news, p.failed = true, ""
	}
	stopped := p.last.State == plan.Failed && p.last.Failure.Reason != v1alpha1.ReasonReleaseCommandFailed
	if p.want.restart != was.restart && (stopped || p.failed == p.good.Change) {
		// Nothing came back, or what failed was a restart: this one is another.
		p.failed = ""
	}
	p.abort = p.abort || p.want.abort != was.abort
}

// policy is the one for the rollout of a step.
func (p *play) policy(step plan.Step) settings.Rollout {
	if step.Rollout.Type == v1alpha1.DeploymentVersion || p.Configuration == nil {
		return p.Policy
	}
	return *p.Configuration
}

// judge checks what a step says.
func (p *play) judge(step plan.Step, now snapshot.Snapshot) {
	p.judgeNumber(step)
	p.judgeChoice(step)
	p.judgeAbort(step)
	p.judgeCounts(step)
	p.judgeGate(step)
	p.judgePlaces(step, now)
	p.unseen(step, now)
	if len(step.Slots) < 2 {
		p.old = nil
	}
	p.news, p.abort = false, false
	switch step.State {
	case plan.Idle:
		p.good = step.Target
		p.finished, p.old = true, nil
	case plan.RolledBack:
		p.finished = true
	}
	if step.Failure != nil {
		p.failed, p.old = p.want.change(), nil
	}
	if p.policy(step).OnFailure == v1alpha1.OnFailureIgnore && step.Rollout.Ignored > 0 {
		p.waived = true
	}
}

// unseen notes a rollout that ends well while the release command of the next one runs.
func (p *play) unseen(step plan.Step, now snapshot.Snapshot) {
	slot, ok := now.Slots[step.Stable]
	whole := slot.Settled && slot.Total == slot.Wanted && slot.Updated == slot.Wanted && slot.Available == slot.Wanted
	if ok && step.Release != nil && whole && len(step.Slots) == 1 && slot.Failed.Change == "" && p.judged() == (plan.Judgement{Status: v1alpha1.HealthOk}) {
		p.good = slot.Content
	}
}

func (p *play) judgeNumber(step plan.Step) {
	if step.Rollout.ID < p.newestID {
		p.broken("the step is about deployment %d although %d has begun", step.Rollout.ID, p.newestID)
	}
	if step.Begins && step.Rollout.ID <= p.newestID {
		p.broken("deployment %d begins a second time", step.Rollout.ID)
	}
	if step.Begins && len(step.Slots) > 0 && step.Release == nil && step.Peak > p.announced(step) {
		p.broken("deployment %d announces %d instances, more than the policy may have", step.Rollout.ID, step.Peak)
	}
}

// announced is the largest number of instances that a rollout may announce.
func (p *play) announced(step plan.Step) int32 {
	return max(promise(step.Rollout.Policy, step.Rollout.Batch, step.Desired).Ceiling, step.Desired)
}

// judgeChoice checks what the step is about.
func (p *play) judgeChoice(step plan.Step) {
	back := step.State == plan.RollingBack || step.State == plan.RolledBack
	if back && step.Failure != nil && step.Failure.Reason == v1alpha1.ReasonAborted && p.runs(step.Target.Change) {
		// Who aborts gets what ran before, good or not.
		p.good = step.Target
	}
	if p.news && step.Target.Change != p.want.change() {
		p.broken("the user wants %s, and the next step is about %s", p.want.change(), step.Target.Change)
	}
	if step.Begins && step.Target.Change == p.failed {
		p.broken("%s begins again although it failed", step.Target.Change)
	}
	if back && step.Target.Change != p.good.Change {
		p.broken("it goes back to %s although %s was good", step.Target.Change, p.good.Change)
	}
	if back && step.Failure == nil {
		p.broken("it goes back and does not say why")
	}
	for _, s := range step.Slots {
		if s.Change != p.want.change() && s.Change != p.good.Change && !p.had(s) {
			p.broken("slot %s gets %s, which nobody wants", s.Name, s.Change)
		}
	}
}

// had says whether a slot has its content already.
func (p *play) had(s plan.Slot) bool {
	d := p.slots[s.Name]
	return d != nil && d.record.Change == s.Change
}

// judgeAbort checks that an abort ends what is under way at once.
func (p *play) judgeAbort(step plan.Step) {
	if !p.abort || p.news || p.last.State != plan.InProgress || len(p.slots) == 0 || step.State == plan.Idle {
		return
	}
	p.aborted++
	if step.Failure == nil || (step.Failure.Reason != v1alpha1.ReasonAborted && step.State == plan.InProgress) {
		p.broken("the abort is not heeded: %s: %s", step.State, step.Reason)
	}
}

// judgeCounts checks the numbers.
func (p *play) judgeCounts(step plan.Step) {
	d, passed := p.slots[step.Current], int32(0)
	if d != nil && d.record.Revision == step.Target.Revision {
		passed = p.ready(step.Current)
	}
	ignore := p.policy(step).OnFailure == v1alpha1.OnFailureIgnore
	if ended := step.State == plan.Idle || step.State == plan.RolledBack; ended && d != nil && !ignore {
		if n := min(p.low, d.Spec.Replicas); passed < n {
			p.broken("the step says %s although %d of %d instances are new and healthy", step.State, passed, n)
		}
	}
	if p.at.Equal(p.scaledAt) {
		// What the Deployment counts is older than what it is told.
		return
	}
	if step.Updated > passed && step.State != plan.Idle && step.State != plan.RolledBack {
		p.broken("the step counts %d updated instances, %d are", step.Updated, passed)
	}
}

// judgeGate checks that every instance has to pass the gate.
func (p *play) judgeGate(step plan.Step) {
	gate := p.policy(step).GateSeconds
	if step.Current != step.Stable && len(step.Slots) == 2 {
		gate = max(gate, gateOfNewSets)
	}
	for _, s := range step.Slots {
		if s.Name == step.Current && s.Rollout.ID == step.Rollout.ID && s.Strategy.MinReadySeconds < gate {
			p.broken("the health gate is %d s instead of %d s", s.Strategy.MinReadySeconds, gate)
		}
	}
}

// judgePlaces checks where requests go and what the autoscaler is told.
func (p *play) judgePlaces(step plan.Step, now snapshot.Snapshot) {
	listed := func(name string) bool {
		return slices.ContainsFunc(step.Slots, func(s plan.Slot) bool { return s.Name == name })
	}
	if len(step.Slots) > 0 && !listed(step.Traffic.Slot) {
		p.broken("requests go to slot %q, which is not there", step.Traffic.Slot)
	}
	if step.Traffic.Other != "" && !listed(step.Traffic.Other) {
		p.broken("some requests go to slot %q, which is not there", step.Traffic.Other)
	}
	if step.Traffic.Exact && step.Traffic.Other != "" && step.Traffic.Percent != p.policy(step).Percent {
		p.broken("the new instances get %d%% of the requests", step.Traffic.Percent)
	}
	if p.Scaler == nil {
		return
	}
	sets := len(step.Slots)
	for name, slot := range now.Slots {
		if sets > 0 && !slot.Deleting && !listed(name) {
			sets++
		}
	}
	if (sets == 2) != (step.Scaler.Hold > 0) {
		p.broken("the autoscaler is held at %d with %d sets", step.Scaler.Hold, sets)
	}
	// In the step that moves the requests, the autoscaler still has the slot that they come from.
	moving := len(step.Slots) == 2 && now.Traffic.Slot != step.Traffic.Slot
	if len(step.Slots) > 0 && step.Scaler.Slot != step.Traffic.Slot && !moving {
		p.broken("the autoscaler scales slot %s, requests go to slot %s", step.Scaler.Slot, step.Traffic.Slot)
	}
	for _, s := range step.Slots {
		if s.Replicas != nil && (len(step.Slots) == 1 || s.Name == step.Scaler.Slot) {
			p.broken("the operator sets the replicas of slot %s, which the autoscaler owns", s.Name)
		}
	}
	if d, ok := now.Slots[step.Scaler.Slot]; ok && step.Scaler.Hold > 0 && d.Wanted != step.Scaler.Hold {
		p.broken("the autoscaler is held at %d, slot %s has %d", step.Scaler.Hold, step.Scaler.Slot, d.Wanted)
	}
}
