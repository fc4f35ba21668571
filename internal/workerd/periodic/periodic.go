// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package periodic

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

const (
	// ttl is how long a leader leads unless it renews. It stops by itself a fifth earlier, because clocks do not run alike.
	ttl   = 30 * time.Second
	trust = ttl * 4 / 5
	// every is how often all daemons ask who leads, and the leader renews.
	every = 10 * time.Second
	// again is how long after a failure the same is tried once more.
	again = 2 * time.Second
	// patience is how long one call of the broker or elector may take.
	patience = 5 * time.Second
)

// Periodic is one daemon's part in the periodic tasks. All but Leader belongs to the goroutine of Run.
type Periodic struct {
	queue   queue.Queue
	elector queue.Elector
	tasks   []*task
	fenced  bool
	holder  string
	clock   Clock
	log     *slog.Logger

	leading atomic.Bool
	// until is when this daemon stops to lead unless it renews; zero when it does not lead.
	until time.Time
	// ask is when it asks next who leads. asked is true when it may hold the lead, also by an answer that was lost.
	ask   time.Time
	asked bool
	// loaded says that record is the one that the elector had when this daemon began to lead; dirty that it was changed since.
	loaded, dirty bool
	record        record
	save          time.Time
}

// New refuses FIFO queues and tasks that are not valid.
func New(o Options) (*Periodic, error) {
	switch {
	case isFIFO(o.Queue):
		return nil, ErrFIFO
	case o.Elector == nil || o.Holder == "":
		return nil, errors.New("periodic tasks need an elector and the daemon's own name")
	}
	p := &Periodic{queue: o.Queue, elector: o.Elector, fenced: o.Fenced, holder: o.Holder, clock: o.Clock, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	if p.clock == nil {
		p.clock = systemClock{}
	}
	for _, given := range o.Tasks {
		t, err := newTask(given)
		if err != nil {
			return nil, fmt.Errorf("periodic task %s: %w", given.Name, err)
		}
		p.tasks = append(p.tasks, t)
	}
	return p, nil
}

// Leader says whether this daemon enqueues the periodic tasks now.
func (p *Periodic) Leader() bool { return p != nil && p.leading.Load() }

// Run takes part until ctx ends; then it finishes what it is sending, writes its record and gives up the lead. Failures are logged and
// tried again: it returns an error only when it could not give up the lead.
func (p *Periodic) Run(ctx context.Context) error {
	if p == nil || len(p.tasks) == 0 {
		<-ctx.Done()
		return nil
	}
	for ctx.Err() == nil {
		wait := p.step(ctx)
		select {
		case <-ctx.Done():
		case <-p.clock.After(wait):
		}
	}
	return p.resign(ctx)
}

// step does what there is to do now, and says when to come back.
func (p *Periodic) step(ctx context.Context) time.Duration {
	if !p.clock.Now().Before(p.ask) {
		p.elect(ctx)
	}
	if p.leads() && p.load(ctx) {
		p.sendDue(ctx)
		p.keep(ctx)
	}
	p.leading.Store(p.leads())
	return p.wait()
}

// leads is asked before everything that only a leader does.
func (p *Periodic) leads() bool { return p.clock.Now().Before(p.until) }

// elect asks who leads. The time counts from before the question: the elector counts from later.
func (p *Periodic) elect(ctx context.Context) {
	start := p.clock.Now()
	led := p.leads()
	call, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	leader, err := p.elector.Elect(call, p.holder, ttl)
	if err != nil {
		p.asked = true
		p.ask = start.Add(again)
		p.log.Warn("It is not known who enqueues periodic tasks. It is asked again.", "error", err, "leads", p.leads())
		return
	}
	p.ask = start.Add(every)
	p.asked = leader == p.holder
	if !p.asked {
		p.until = time.Time{}
		return
	}
	if p.until = start.Add(trust); !led {
		p.loaded = false // somebody else may have led meanwhile
		p.log.Info("This daemon enqueues the periodic tasks now.", "tasks", len(p.tasks))
	}
}

// load reads what the last leader left, once.
func (p *Periodic) load(ctx context.Context) bool {
	if p.loaded {
		return true
	}
	call, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, err := p.elector.Record(call)
	if err != nil {
		p.log.Warn("The record of the periodic tasks that were enqueued cannot be read. It is tried again.", "error", err)
		p.ask = p.clock.Now().Add(again)
		return false
	}
	now := p.clock.Now()
	last, known := recall(text)
	if !known {
		p.log.Info("There is no record of the periodic tasks that were enqueued; runs of the last 300 seconds are.", "bytes", len(text))
	}
	if t, due := last.doubt(p.tasks); t != nil {
		p.log.Warn("The last leader stopped while it enqueued a run of a periodic task. It is enqueued again unless it is too old, perhaps for the second time.",
			"task", t.Name, "scheduled", due)
	}
	caught := last.merge(p.record, p.tasks)
	p.record = last
	p.loaded, p.dirty, p.save = true, p.record.adopt(p.tasks, known, now) || caught, now
	for _, t := range p.tasks {
		t.next, t.retry = t.schedule.Next(p.mark(t)), time.Time{}
	}
	p.keep(ctx)
	return true
}

// keep writes the record if there is something new in it. A drain does not interrupt it.
func (p *Periodic) keep(ctx context.Context) {
	now := p.clock.Now()
	if !p.dirty || now.Before(p.save) || !p.leads() {
		return
	}
	text, err := json.Marshal(p.record)
	if err == nil {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		err = p.elector.Keep(call, p.holder, text)
	}
	if p.dirty = err != nil; p.dirty {
		p.save = now.Add(again)
		p.ask = now // perhaps another leads
		p.log.Warn("The record of the periodic tasks that were enqueued cannot be written. It is tried again.", "error", err)
	}
}

// resign hands over as soon as ctx ended.
func (p *Periodic) resign(ctx context.Context) error {
	p.save = time.Time{}
	p.keep(ctx)
	p.leading.Store(false)
	p.until = time.Time{}
	if !p.asked {
		return nil
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := p.elector.Resign(call, p.holder); err != nil {
		return fmt.Errorf("the lead for periodic tasks could not be given up; another daemon takes it within %s: %w", ttl+every, err)
	}
	return nil
}

// wait is until the next question, run or retry; a leader looks at the clock every second, because clocks are set.
func (p *Periodic) wait() time.Duration {
	now := p.clock.Now()
	wait := p.ask.Sub(now)
	if !p.leads() {
		return max(wait, time.Millisecond)
	}
	wait = min(wait, time.Second)
	for _, t := range p.tasks {
		if due := later(t.next, t.retry); !due.IsZero() {
			wait = min(wait, due.Sub(now.Round(0)))
		}
	}
	return max(wait, time.Millisecond)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
