// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/internal/rollout"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// begin is the moment at which every story begins.
var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	// startSeconds is how long an instance takes to become ready, unless a scenario says otherwise.
	startSeconds = 10
	// patience is how many rounds a story may have.
	patience = 20000
)

// Scenario is a story to play.
type Scenario struct {
	// Instances that are wanted.
	Instances int32
	// Policy with all its parameters, for every change.
	Policy settings.Rollout
	// From is the version that runs when the story begins; empty: none, the first deployment is played.
	From string
	// Changes of the wanted version, in order of time.
	Changes []Change
	// Starts says after how many seconds the n-th instance (from 0) of a version is ready; negative: never. Nil: 10 always.
	Starts func(version string, n int) int
	// Next decides; nil: rollout.Next.
	Next func(want plan.Target, now snapshot.Snapshot, at time.Time) plan.Step
}

// Change is what a user does at a moment of the story.
type Change struct {
	After   time.Duration
	Version string
}

// Result is how a story went.
type Result struct {
	// Violations are broken promises; empty is good.
	Violations []string
	// Last is the last step, Took the time until it.
	Last plan.Step
	Took time.Duration
	// Healthy instances at the end, by version.
	Healthy map[string]int32
}

// Play plays a scenario until nothing moves any more.
func Play(s Scenario) Result {
	p := play{Scenario: s}
	return p.run()
}

// play is a story under way.
type play struct {
	Scenario
	at         time.Time
	want       string
	deployment *deployment
	promise    Promise
	// reached is true once the promised number of instances was healthy: the floor holds from then on.
	reached    bool
	last       plan.Step
	lastID     int64
	violations []string
	// narrate is true when lines are wanted: one for each thing that changed.
	narrate bool
	shown   string
	lines   []string
}

func (p *play) run() Result {
	p.start()
	for range patience {
		if p.round() {
			continue
		}
		if !p.advance() {
			return p.result()
		}
	}
	p.broken("it does not end")
	return p.result()
}

func (p *play) start() {
	if p.Starts == nil {
		p.Starts = func(string, int) int { return startSeconds }
	}
	if p.Next == nil {
		p.Next = rollout.Next
	}
	p.at, p.want, p.promise = begin, p.From, PromiseOf(p.Policy, p.Instances)
	if p.From != "" {
		p.settle()
	}
	p.changes()
}

// settle is the state in which the story begins: everything has been running for a day.
func (p *play) settle() {
	long := begin.Add(-24 * time.Hour)
	d := &deployment{
		replicas: p.Instances, reason: reasonAvailable, progressAt: long, generation: 1, observed: 1,
		record: snapshot.Slot{
			Name: snapshot.SlotA, Revision: p.From, Version: p.From, Configuration: "c", RolloutID: 1, RolloutType: "Version",
			Policy: string(p.Policy.Policy), Batch: plan.Batch(p.Policy.BatchSize, p.Instances), StartedAt: long,
		},
	}
	old := &set{revision: p.From, version: p.From, want: p.Instances}
	for i := range int(p.Instances) {
		old.instances = append(old.instances, &instance{number: i, ready: long})
	}
	old.made = len(old.instances)
	old.status = old.count(begin, 0)
	d.sets = []*set{old}
	d.status = counts{total: p.Instances, updated: p.Instances, ready: p.Instances, available: p.Instances}
	p.deployment = d
	p.strategy()
	p.reached = true
}

// strategy gives the settled Deployment the strategy that the policy has when idle.
func (p *play) strategy() {
	p.deployment.strategy = p.Next(p.target(), p.observe(), p.at).Strategy
}

// changes takes over what is due.
func (p *play) changes() {
	for len(p.Changes) > 0 && !begin.Add(p.Changes[0].After).After(p.at) {
		p.want = p.Changes[0].Version
		p.say("the user asks for " + p.want)
		p.Changes = p.Changes[1:]
	}
}

// round lets everybody act once, and says whether anything moved.
func (p *play) round() bool {
	moved := p.operate()
	p.watch()
	moved = p.deployment.sync(p.at) || moved
	gate := p.gate()
	for _, s := range p.deployment.sets {
		moved = s.sync(p.at, gate, p.Starts) || moved
		p.watch()
	}
	return moved
}

// operate is one pass of the operator, and says whether it wrote.
func (p *play) operate() bool {
	step := p.Next(p.target(), p.observe(), p.at)
	p.judge(step)
	p.tell(step)
	p.last = step
	if step.State == plan.Unsupported {
		return false
	}
	if p.deployment == nil {
		p.deployment = &deployment{replicas: p.Instances}
	}
	d, want := p.deployment, p.target()
	record := snapshot.Slot{
		Name: step.Slot, Revision: want.Revision, Configuration: want.Configuration, Version: want.Version,
		RolloutID: step.Rollout.ID, RolloutType: string(step.Rollout.Type), Policy: string(step.Rollout.Policy),
		Batch: step.Rollout.Batch, StartedAt: step.Rollout.StartedAt,
	}
	if d.record == record && d.strategy == step.Strategy {
		return false
	}
	d.record, d.strategy = record, step.Strategy
	d.generation++
	p.lastID = step.Rollout.ID
	return true
}

func (p *play) target() plan.Target {
	return plan.Target{
		Revision: p.want, Configuration: "c", Version: p.want, Desired: p.Instances,
		OnVersion: p.Policy, OnConfiguration: p.Policy, LastID: p.lastID,
	}
}

func (p *play) observe() snapshot.Snapshot {
	now := snapshot.Snapshot{Slots: map[string]snapshot.Slot{}}
	if p.deployment != nil {
		now.Slots[snapshot.SlotA] = p.deployment.slot()
	}
	return now
}

func (p *play) gate() time.Duration {
	return time.Duration(p.deployment.strategy.MinReadySeconds) * time.Second
}

// advance moves the clock to the next moment at which something happens; false when there is none.
func (p *play) advance() bool {
	next := never
	if p.deployment != nil {
		for _, s := range p.deployment.sets {
			next = earlier(next, s.next(p.at, p.gate()))
		}
		if d := p.deployment; d.reason == reasonCreated || d.reason == reasonUpdated {
			next = earlier(next, d.deadline().Add(time.Second))
		}
	}
	if len(p.Changes) > 0 {
		next = earlier(next, begin.Add(p.Changes[0].After))
	}
	if next.Equal(never) {
		return false
	}
	p.at = next
	p.changes()
	return true
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (p *play) result() Result {
	r := Result{Violations: p.violations, Last: p.last, Took: p.at.Sub(begin), Healthy: map[string]int32{}}
	if p.deployment == nil {
		return r
	}
	for _, s := range p.deployment.sets {
		if c := s.count(p.at, p.gate()); c.available > 0 {
			r.Healthy[s.version] = c.available
		}
	}
	if p.operate() {
		p.broken("it writes although nothing is left to do")
		r.Violations = p.violations
	}
	return r
}

func (p *play) broken(format string, values ...any) {
	p.violations = append(p.violations, fmt.Sprintf("after %s: ", clock(p.at))+fmt.Sprintf(format, values...))
}
