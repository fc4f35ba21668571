// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// checks is what the checks remember.
type checks struct {
	// good is the content of the last deployment that ended well.
	good snapshot.Content
	// failed is the change that failed last, while it is still the wanted one.
	failed string
	// newestID is the highest deployment number that was ever written, deployments how many were; jobs counts the release commands of each.
	newestID    int64
	deployments int
	jobs        map[int64]int
	// news is true when the user wants something else since the last step, abort when an abort came.
	news, abort bool
	aborted     int
	// finished is true when no rollout is under way. Otherwise running are those that are, the newest last: each that was pre-empted
	// has left its traces.
	finished bool
	running  []running
	// best is the largest number of healthy instances since the newest of them began: no promise can be kept before it could be. low
	// and high are the numbers of instances that were wanted meanwhile.
	best, low, high int32
	// passed are the instances that ever passed their gate, lost those that crashed after that.
	passed map[*toy.Instance]bool
	lost   int32
	lostAt time.Time
	// waived is true when the user ignores failures, so that nothing is promised.
	waived bool
	// old are the instances that a second set must leave alone.
	old []*toy.Instance
	// split and moved are when the new set got a share of the requests, and all.
	split, moved time.Time
}

// running is a rollout under way.
type running struct {
	id     int64
	policy v1alpha1.DeploymentPolicy
	batch  int32
	peak   int32
	beside bool
	// left is how many instances more than wanted existed when it began: what it pre-empted had them.
	left int32
}

func (c *checks) start() { c.jobs, c.passed = map[int64]int{}, map[*toy.Instance]bool{} }

// lose notes an instance that crashes.
func (c *checks) lose(i *toy.Instance, at time.Time) {
	if c.passed[i] {
		c.lost, c.lostAt = c.lost+1, at
	}
}

// watch checks what is promised against what is true now.
func (p *play) watch() {
	healthy, total := p.look()
	n := p.size()
	p.low, p.high = min(p.low, n), max(p.high, n)
	p.best = max(p.best, healthy)
	if p.finished && healthy >= n && total <= n {
		p.low, p.high, p.best, p.lost = n, n, n, 0
	}
	floor, ceiling := p.bounds()
	if healthy >= floor && p.at.After(p.lostAt) {
		// At the moment of a crash the controllers still act on what they saw before it.
		p.lost = 0
	}
	if floor = min(floor, p.best) - p.lost; healthy < floor && !p.waived {
		p.broken("%d instances are healthy, %d were promised", healthy, floor)
	}
	if total > ceiling {
		p.broken("%d instances exist, at most %d were promised", total, ceiling)
	}
	p.watchOld()
	if n := len(p.existing()); n == 2 && p.scaler != nil && p.scaler.Min != p.scaler.Max && p.whole {
		p.broken("the autoscaler is not held although two sets exist")
	}
}

// look counts the healthy instances that get requests and are not going away, and all that exist.
func (p *play) look() (healthy, total int32) {
	for name, d := range p.slots {
		serves := p.serving(name)
		if _, known := p.requests[name]; serves && !known {
			p.requests[name] = p.at
		} else if !serves {
			delete(p.requests, name)
		}
		for _, s := range d.Sets {
			for _, i := range s.Instances {
				if !i.Ready.Add(d.Gate()).After(p.at) {
					p.passed[i] = true
				}
				if p.passed[i] && i.Ready.Before(toy.Never) && serves && !d.deleting {
					healthy++
				}
			}
			total += int32(len(s.Instances))
		}
	}
	return healthy, total
}

// existing are the slots that are not going away.
func (p *play) existing() []*deployment {
	var out []*deployment
	for _, d := range p.slots {
		if !d.deleting {
			out = append(out, d)
		}
	}
	return out
}

// size is how many instances there should be.
func (p *play) size() int32 {
	slots := p.existing()
	switch {
	case len(slots) == 2:
		newer := slots[0]
		if slots[1].record.RolloutID > newer.record.RolloutID {
			newer = slots[1]
		}
		if newer.record.Instances > 0 {
			return newer.record.Instances
		}
		return newer.Spec.Replicas
	case len(slots) == 1:
		return slots[0].Spec.Replicas
	default:
		return p.Instances
	}
}

// bounds are the floor and the ceiling of the rollouts under way: those of the newest, as far as the ones that it pre-empted allow.
// What was under way in an old set goes on by its own policy while a new set is started beside it.
func (p *play) bounds() (floor, ceiling int32) {
	floor, ceiling = p.low, p.high
	var surge, beside int32
	for i, r := range p.running {
		surge = max(surge, r.left)
		for n := p.low; n <= p.high; n++ {
			bound := promise(r.policy, r.batch, n)
			if i == 0 && n == p.low {
				floor = bound.Floor
			}
			floor = min(floor, bound.Floor)
			if r.beside {
				beside = max(beside, bound.Ceiling-n)
			} else {
				surge = max(surge, bound.Ceiling-n)
			}
		}
	}
	ceiling += surge + beside
	if len(p.running) == 1 && p.running[0].left == 0 && p.scaler == nil {
		ceiling = min(ceiling, p.running[0].peak)
	}
	return floor, ceiling
}

// watchOld checks that the old set is left alone until the requests go to the new one.
func (p *play) watchOld() {
	if len(p.old) == 0 || !p.moved.IsZero() {
		return
	}
	alive := map[*toy.Instance]bool{}
	for _, d := range p.slots {
		for _, s := range d.Sets {
			for _, i := range s.Instances {
				alive[i] = true
			}
		}
	}
	var left int32
	for _, i := range p.old {
		if alive[i] {
			left++
		}
	}
	if n := p.size(); left < n {
		p.broken("%d of the %d old instances are left, before the requests went to the new ones", left, n)
		p.old = nil
	}
}

// wroteSlot checks a write to a Deployment.
func (p *play) wroteSlot(step plan.Step, s plan.Slot, exists bool) {
	d := p.slots[s.Name]
	fresh := !exists || d.record.Revision != s.Revision
	if fresh {
		delete(p.requests, s.Name)
	}
	if fresh && p.Release != nil && s.Change == p.want.change() && !p.runs(s.Change) && !p.released(s.Rollout.ID) {
		p.broken("deployment %d changes slot %s before its release command has succeeded", s.Rollout.ID, s.Name)
	}
	if fresh && exists && s.Failed.Change != "" {
		p.running = append(p.running, running{policy: inPlace(step.Rollout.Policy), batch: s.Rollout.Batch})
	}
	if s.Rollout.ID <= p.newestID {
		return
	}
	p.newestID = s.Rollout.ID
	p.deployments++
	p.began(step)
}

// runs says whether a slot has a change already.
func (p *play) runs(change string) bool {
	for _, d := range p.slots {
		if d.record.Change == change {
			return true
		}
	}
	return false
}

// began notes a rollout that begins to change slots.
func (p *play) began(step plan.Step) {
	healthy, total := p.look()
	p.best = healthy
	beside := len(step.Slots) == 2
	p.old = nil
	if beside && p.finished {
		if d := p.slots[step.Stable]; d != nil {
			for _, s := range d.Sets {
				p.old = append(p.old, s.Instances...)
			}
		}
	}
	policy := step.Rollout.Policy
	if !beside {
		policy = inPlace(policy)
	}
	if p.finished && total <= p.size() {
		p.running = nil
	}
	p.finished, p.waived = false, false
	p.running = append(p.running, running{id: step.Rollout.ID, policy: policy, batch: step.Rollout.Batch, peak: step.Peak, beside: beside, left: max(0, total-p.size())})
	p.split, p.moved = time.Time{}, time.Time{}
}

// inPlace is what a policy does in one slot: those that want a second set start a batch beside the others.
func inPlace(policy v1alpha1.DeploymentPolicy) v1alpha1.DeploymentPolicy {
	if settings.TwoSlots(policy) {
		return v1alpha1.PolicyRollingWithAdditionalBatch
	}
	return policy
}

// released says whether the release command of a deployment has succeeded.
func (p *play) released(id int64) bool {
	for _, r := range p.releases {
		if r.ID == id && r.Succeeded {
			return true
		}
	}
	return false
}

func (p *play) wroteRelease(id int64) {
	if p.jobs[id]++; p.jobs[id] > 1 {
		p.broken("deployment %d has a second release command", id)
	}
	p.newestID = max(p.newestID, id-1)
}

// wroteTraffic checks a change of where requests go.
func (p *play) wroteTraffic(step plan.Step) {
	back := step.State == plan.RollingBack || step.State == plan.RolledBack || step.State == plan.RollbackFailed
	d := p.slots[step.Current]
	if back || step.Begins || d == nil || len(step.Slots) < 2 || !p.serving(step.Current) {
		return
	}
	p.look()
	ready := p.ready(step.Current)
	ignore := p.policy(step).OnFailure == v1alpha1.OnFailureIgnore
	p.waived = p.waived || ignore
	if ready < d.Spec.Replicas && !ignore {
		p.broken("slot %s gets requests although %d of its %d instances are healthy", step.Current, ready, d.Spec.Replicas)
	}
	if p.service.traffic.Slot != step.Current {
		if p.split.IsZero() {
			p.split = p.at
		}
		return
	}
	p.switched(step, ready, ignore)
}

// switched checks the one write that sends all requests to the new set.
func (p *play) switched(step plan.Step, ready int32, ignore bool) {
	if !p.moved.IsZero() {
		return
	}
	p.moved = p.at
	if n := step.Rollout.Instances; ready < n && !ignore {
		p.broken("all requests go to %d new instances of %d", ready, n)
	}
	with := p.policy(step)
	if step.Rollout.Policy != v1alpha1.PolicyTrafficSplitting || p.Worker {
		return
	}
	if took := p.at.Sub(p.split); p.split.IsZero() || took < time.Duration(with.EvaluationSeconds)*time.Second {
		p.broken("the evaluation took %s instead of %d s", took, with.EvaluationSeconds)
	}
}

// removed checks that the old set was kept long enough.
func (p *play) removed(step plan.Step, name string) {
	if step.State != plan.Idle {
		// The old set is left alone, and that is all: it may have been ill before.
		p.best = min(p.best, p.healthyIn(step.Stable))
	}
	if step.State != plan.Idle || name == step.Current || len(p.running) == 0 || !p.running[len(p.running)-1].beside {
		return
	}
	if p.Worker {
		ignore := p.policy(step).OnFailure == v1alpha1.OnFailureIgnore
		p.waived = p.waived || ignore
		p.switched(step, p.ready(step.Current), ignore)
		return
	}
	hold := time.Duration(p.policy(step).HoldSeconds) * time.Second
	if took := p.at.Sub(p.moved); p.moved.IsZero() || took < hold {
		p.broken("the old instances were kept for %s instead of %s", took, hold)
	}
}

// healthyIn counts the healthy instances of a slot.
func (p *play) healthyIn(name string) int32 {
	var n int32
	if d := p.slots[name]; d != nil {
		for _, s := range d.Sets {
			for _, i := range s.Instances {
				if p.passed[i] && !i.Ready.After(p.at) {
					n++
				}
			}
		}
	}
	return n
}

// ready counts the instances of a slot's content that passed the gate.
func (p *play) ready(name string) int32 {
	d := p.slots[name]
	if d == nil {
		return 0
	}
	var n int32
	if set := d.Find(d.record.Revision); set != nil {
		for _, i := range set.Instances {
			if p.passed[i] {
				n++
			}
		}
	}
	return n
}
