// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
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
	// Policy with all its parameters, for versions; Configuration is the one for other changes, nil: the same.
	Policy        settings.Rollout
	Configuration *settings.Rollout
	// From is the version that runs when the story begins; empty: none, the first deployment is played.
	From string
	// Changes that the user makes, in order of time.
	Changes []Change
	// Starts says after how many seconds the n-th instance (from 0) of a version is ready; negative: never. Nil: 10 always.
	Starts func(version string, n int) int
	// Troubles of versions that start well.
	Troubles map[string]Trouble
	// Worker is true when nothing routes requests to the instances, Weighted when a route can split requests exactly.
	Worker, Weighted bool
	// Release is the release command; nil: none.
	Release *Release
	// Scaler is the autoscaler; nil: none.
	Scaler *Scaler
	// Forgetful is true when status is lost before every pass.
	Forgetful bool
	// Dies says whether the operator dies before its n-th write (from 1) was made, and starts again. The writes of one step are sent
	// together, so others of them may be made all the same; deletions follow when all are, and status comes last. Nil: never.
	Dies func(n int) bool
	// Next decides; nil: rollout.Next.
	Next func(want plan.Target, now snapshot.Snapshot, at time.Time) plan.Step
}

// Change is what a user does at a moment of the story; what is empty stays.
type Change struct {
	After time.Duration
	// Version and Configuration that are wanted.
	Version, Configuration string
	// Restart and Abort are tokens.
	Restart, Abort string
	// Demand is how many instances the load asks for from now on.
	Demand int32
}

// Trouble is what a version does wrong, although its instances start.
type Trouble struct {
	// Crash is how long after the first of its instances in a slot was made all of them begin to crash; 0: never.
	Crash time.Duration
	// Ill is how long after it got requests its health becomes Status; 0: never. Well is how long that lasts; 0: for ever.
	Ill, Well time.Duration
	Status    v1alpha1.HealthStatus
}

// Release is the release command of every version.
type Release struct {
	// Seconds that it takes.
	Seconds int
	// Fails says for which versions it fails; nil: for none.
	Fails func(version string) bool
}

// Scaler is an autoscaler between two bounds.
type Scaler struct{ Min, Max int32 }

// Result is how a story went.
type Result struct {
	// Violations are broken promises; empty is good.
	Violations []string
	// Last is the last step, Took the time until it.
	Last plan.Step
	Took time.Duration
	// Healthy instances at the end, by version.
	Healthy map[string]int32
	// Writes that the operator made.
	Writes int
	// Aborted counts the aborts that came in time, Deployments the numbered deployments.
	Aborted, Deployments int
	// Good is the version of the last deployment that ended well.
	Good string
}

// Play plays a scenario until nothing moves any more.
func Play(s Scenario) Result {
	p := play{Scenario: s}
	return p.run()
}

// play is a story under way.
type play struct {
	Scenario
	cluster
	checks
	at time.Time
	// want is what the user wants now.
	want wish
	// lastID and goodID are what status knows.
	lastID, goodID int64
	last           plan.Step
	// whole is false while the operator has died before all that the last step asks for was written.
	whole      bool
	violations []string
	// narrate is true when lines are wanted: one for each thing that changed.
	narrate bool
	shown   string
	lines   []string
}

// wish is what a user asks for.
type wish struct{ version, configuration, restart, abort string }

// change is what settings.Change stands for: everything but the restart.
func (w wish) change() string { return w.version + "/" + w.configuration }

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
	return p.outcome()
}

func (p *play) start() {
	if p.Starts == nil {
		p.Starts = func(string, int) int { return startSeconds }
	}
	if p.Next == nil {
		p.Next = rollout.Next
	}
	p.at, p.want = begin, wish{version: p.From, configuration: "c"}
	p.cluster.start(p.Scenario)
	p.checks.start()
	p.low, p.high = p.Instances, p.Instances
	if p.From != "" {
		p.settle()
	}
	p.changes()
}

// settle is the state in which the story begins: everything has been running for a day.
func (p *play) settle() {
	long := begin.Add(-24 * time.Hour)
	content := p.target().Content
	d := &deployment{record: snapshot.Slot{
		Name: snapshot.SlotA, Content: content, RolloutID: 1, RolloutType: string(v1alpha1.DeploymentVersion),
		Policy: string(p.Policy.Policy), Batch: plan.Batch(p.Policy.BatchSize, p.Instances), StartedAt: long,
	}}
	d.Spec = toy.Spec{Revision: content.Revision, Replicas: p.Instances}
	d.Reason, d.ProgressAt, d.Generation, d.Observed = toy.ReasonAvailable, long, 1, 1
	old := &toy.Set{Revision: content.Revision, Want: p.Instances, Made: int(p.Instances)}
	for i := range int(p.Instances) {
		old.Instances = append(old.Instances, &toy.Instance{Number: i, Ready: long})
	}
	old.Status = old.Count(begin, 0)
	d.Sets = []*toy.Set{old}
	d.Status = toy.Counts{Total: p.Instances, Updated: p.Instances, Ready: p.Instances, Available: p.Instances}
	p.versions[content.Revision] = content.Version
	p.slots[snapshot.SlotA] = d
	p.service = service{traffic: plan.Traffic{Slot: snapshot.SlotA}, exists: !p.Worker}
	p.keep(content, 1)
	p.lastID, p.goodID, p.good = 1, 1, content
	p.newestID = 1
	// The strategy of an idle Deployment, and what else an operator that has been running for a day has written.
	p.apply(p.Next(p.target(), p.observe(), p.at))
	for p.cluster.sync(p.at, p.starts) {
		continue
	}
	p.writes, p.finished, p.best = 0, true, p.Instances
}

// changes takes over what is due.
func (p *play) changes() {
	for len(p.Changes) > 0 && !begin.Add(p.Changes[0].After).After(p.at) {
		c, was := p.Changes[0], p.want
		p.Changes = p.Changes[1:]
		p.want = wish{
			version: or(c.Version, was.version), configuration: or(c.Configuration, was.configuration),
			restart: or(c.Restart, was.restart), abort: or(c.Abort, was.abort),
		}
		if c.Demand > 0 && p.scaler != nil {
			p.scaler.Demand = &c.Demand
		}
		p.asked(was)
		p.say(c.String())
	}
}

// String says it for people.
func (c Change) String() string {
	var parts []string
	for _, e := range []struct{ text, value string }{
		{"asks for ", c.Version}, {"sets the configuration ", c.Configuration}, {"asks for a restart: ", c.Restart}, {"asks for an abort: ", c.Abort},
	} {
		if e.value != "" {
			parts = append(parts, e.text+e.value)
		}
	}
	if c.Demand > 0 {
		parts = append(parts, fmt.Sprintf("sends load for %d instances", c.Demand))
	}
	return "the user " + strings.Join(parts, " and ")
}

// round lets everybody act once, and says whether anything moved.
func (p *play) round() bool {
	moved := p.operate()
	p.watch()
	if p.cluster.sync(p.at, p.starts) {
		moved = true
	}
	if p.fall() {
		moved = true
	}
	p.watch()
	return moved
}

// starts is Starts for the toy, which knows revisions; what crashes already never becomes ready.
func (p *play) starts(revision string, n int) int {
	version := p.versions[revision]
	if since, ok := p.made[revision]; ok {
		if t := p.Troubles[version]; t.Crash > 0 && !p.at.Before(since.Add(t.Crash)) {
			return -1
		}
	} else {
		p.made[revision] = p.at
	}
	return p.Starts(version, n)
}

// operate is one pass of the operator, and says whether it wrote.
func (p *play) operate() bool {
	now := p.observe()
	step := p.Next(p.target(), now, p.at)
	p.judge(step, now)
	p.tell(step)
	p.last = step
	before := p.writes
	p.whole = p.apply(step)
	known := p.Forgetful || !p.whole || p.remember(step)
	return p.writes > before || !p.whole || !known
}

// remember is the write of status: the last deployment, and whether it is a success. It says whether the operator lived to make it.
func (p *play) remember(step plan.Step) bool {
	last, good := max(p.lastID, step.Rollout.ID), p.goodID
	if step.State == plan.Idle {
		good = step.Rollout.ID
	}
	if last == p.lastID && good == p.goodID {
		return true
	}
	if p.Dies != nil && p.Dies(p.writes+1) {
		return false
	}
	p.lastID, p.goodID = last, good
	return true
}

// target is what the operator makes of the user's wishes, and of what health says.
func (p *play) target() plan.Target {
	w := p.want
	with := p.Policy
	if p.Configuration != nil {
		with = *p.Configuration
	}
	revision := strings.TrimSuffix(w.change()+"@"+w.restart, "@")
	return plan.Target{
		Content: snapshot.Content{
			Revision: revision, Template: revision, Change: w.change(), Version: w.version, Configuration: w.configuration, Restart: w.restart,
		},
		Desired: p.Instances, Scaled: p.Scaler != nil, OnVersion: p.Policy, OnConfiguration: with, LastID: p.lastID, GoodID: p.goodID,
		Abort: w.abort, Release: p.Release != nil, Routed: !p.Worker, Weighted: p.Weighted, Judged: p.judged(),
	}
}

// advance moves the clock to the next moment at which something happens; false when there is none.
func (p *play) advance() bool {
	next := plan.Earliest(p.cluster.next(p.at), p.trouble())
	if len(p.Changes) > 0 {
		next = plan.Earliest(next, begin.Add(p.Changes[0].After))
	}
	if wake := p.last.Wake; !wake.IsZero() {
		if !wake.After(p.at) {
			p.broken("it wants to wake in the past, at %s", clock(wake))
			return false
		}
		next = plan.Earliest(next, wake)
	}
	if !next.Before(toy.Never) {
		return false
	}
	p.at = next
	p.changes()
	return true
}

func (p *play) result() Result {
	if p.last.State == plan.InProgress || p.last.State == plan.RollingBack {
		p.broken("it stops although it is %s: %s", p.last.State, p.last.Reason)
	}
	writes := p.writes
	if p.operate(); p.writes > writes {
		p.broken("it writes although nothing is left to do")
	}
	return p.outcome()
}

func (p *play) outcome() Result {
	r := Result{
		Violations: p.violations, Last: p.last, Took: p.at.Sub(begin), Healthy: map[string]int32{}, Writes: p.writes,
		Aborted: p.aborted, Deployments: p.deployments, Good: p.good.Version,
	}
	for _, d := range p.slots {
		for _, s := range d.Sets {
			if c := s.Count(p.at, d.Gate()); c.Available > 0 {
				r.Healthy[p.versions[s.Revision]] += c.Available
			}
		}
	}
	return r
}

func (p *play) broken(format string, values ...any) {
	p.violations = append(p.violations, fmt.Sprintf("after %s: ", clock(p.at))+fmt.Sprintf(format, values...))
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
