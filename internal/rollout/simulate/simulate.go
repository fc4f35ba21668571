// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/internal/rollout"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
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
		Deployment: toy.Deployment{
			Spec: toy.Spec{Revision: p.From, Replicas: p.Instances}, Reason: toy.ReasonAvailable, ProgressAt: long, Generation: 1, Observed: 1,
		},
		record: snapshot.Slot{
			Name: snapshot.SlotA, Revision: p.From, Version: p.From, Configuration: "c", RolloutID: 1, RolloutType: "Version",
			Policy: string(p.Policy.Policy), Batch: plan.Batch(p.Policy.BatchSize, p.Instances), StartedAt: long,
		},
	}
	old := &toy.Set{Revision: p.From, Want: p.Instances}
	for i := range int(p.Instances) {
		old.Instances = append(old.Instances, &toy.Instance{Number: i, Ready: long})
	}
	old.Made = len(old.Instances)
	old.Status = old.Count(begin, 0)
	d.Sets = []*toy.Set{old}
	d.Status = toy.Counts{Total: p.Instances, Updated: p.Instances, Ready: p.Instances, Available: p.Instances}
	p.deployment = d
	p.strategy()
	p.reached = true
}

// strategy gives the settled Deployment the strategy that the policy has when idle.
func (p *play) strategy() {
	p.deployment.Spec.Strategy = p.Next(p.target(), p.observe(), p.at).Strategy
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
	moved = p.deployment.Sync(p.at) || moved
	for _, s := range p.deployment.Sets {
		moved = s.Sync(p.at, p.deployment.Gate(), p.Starts) || moved
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
		p.deployment = &deployment{Deployment: toy.Deployment{Spec: toy.Spec{Replicas: p.Instances}}}
	}
	d, want := p.deployment, p.target()
	record := snapshot.Slot{
		Name: step.Slot, Revision: want.Revision, Configuration: want.Configuration, Version: want.Version,
		RolloutID: step.Rollout.ID, RolloutType: string(step.Rollout.Type), Policy: string(step.Rollout.Policy),
		Batch: step.Rollout.Batch, StartedAt: step.Rollout.StartedAt,
	}
	if d.record == record && d.Spec.Strategy == step.Strategy {
		return false
	}
	d.record = record
	d.Spec.Revision, d.Spec.Strategy = record.Revision, step.Strategy
	d.Generation++
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

// advance moves the clock to the next moment at which something happens; false when there is none.
func (p *play) advance() bool {
	next := toy.Never
	if p.deployment != nil {
		next = p.deployment.Next(p.at)
	}
	if len(p.Changes) > 0 {
		if due := begin.Add(p.Changes[0].After); due.Before(next) {
			next = due
		}
	}
	if next.Equal(toy.Never) {
		return false
	}
	p.at = next
	p.changes()
	return true
}

func (p *play) result() Result {
	r := Result{Violations: p.violations, Last: p.last, Took: p.at.Sub(begin), Healthy: map[string]int32{}}
	if p.deployment == nil {
		return r
	}
	for _, s := range p.deployment.Sets {
		if c := s.Count(p.at, p.deployment.Gate()); c.Available > 0 {
			r.Healthy[s.Revision] = c.Available
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
