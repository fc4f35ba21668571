// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package periodic

import (
	"context"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

func (p *Periodic) mark(t *task) time.Time { return time.Unix(p.record.Marks[t.id], 0).UTC() }

// advance says that the runs of a task up to a time are dealt with.
func (p *Periodic) advance(t *task, to time.Time) {
	p.record.Marks[t.id], p.record.Sending, p.dirty = to.Unix(), nil, true
	t.next, t.retry = t.schedule.Next(p.mark(t)), time.Time{}
}

// sendDue enqueues what is due, in the order of the tasks. When the lead must be renewed, the rest waits for that.
func (p *Periodic) sendDue(ctx context.Context) {
	for _, t := range p.tasks {
		now := p.clock.Now().Round(0) // schedules go by the wall clock
		if p.mark(t).After(now.Add(lookBack)) {
			p.log.Warn("The clock was set back. A periodic task goes on from now.", "task", t.Name, "was", p.mark(t))
			p.advance(t, now)
		}
		if t.next.IsZero() || now.Before(t.next) || now.Before(t.retry) {
			continue
		}
		if !p.leads() || !p.clock.Now().Before(p.ask) || ctx.Err() != nil {
			return
		}
		p.sendOne(ctx, t, now)
	}
}

// sendOne enqueues the newest run that is due, if it is not too old.
func (p *Periodic) sendOne(ctx context.Context, t *task, now time.Time) {
	first := t.next
	due := t.schedule.Latest(later(p.mark(t), now.Add(-lookBack)), now)
	if due.IsZero() {
		p.log.Warn("Runs of a periodic task were missed and are too old to be made up for.", "task", t.Name, "first", first)
		p.advance(t, now.Add(-lookBack))
		return
	}
	if !p.claim(ctx, t, due) {
		t.retry = p.clock.Now().Round(0).Add(again)
		return
	}
	// A drain does not interrupt it: nobody would know whether it was sent. The end of the lead does.
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(patience, p.until.Sub(p.clock.Now())))
	defer cancel()
	if err := p.queue.Send(call, t.key(due), []byte(contract.TaskBody), attributes(t, due)); err != nil {
		t.retry = p.clock.Now().Round(0).Add(again)
		p.log.Warn("A periodic task could not be enqueued. It is tried again.", "task", t.Name, "scheduled", due, "error", err)
		return
	}
	if first.Before(due) {
		p.log.Warn("Runs of a periodic task were missed; only the newest was enqueued.", "task", t.Name, "first", first, "scheduled", due)
	}
	p.log.Info("A periodic task was enqueued.", "task", t.Name, "scheduled", due)
	p.advance(t, due)
}

// claim writes down which run is sent next, and with it that those before were sent. It says whether this daemon may send it: one that
// was replaced while it stood still cannot write.
func (p *Periodic) claim(ctx context.Context, t *task, due time.Time) bool {
	if !p.fenced {
		return true
	}
	p.record.Sending, p.dirty, p.save = &run{Task: t.id, Due: due.Unix()}, true, time.Time{}
	p.keep(ctx)
	if p.dirty {
		p.record.Sending = nil // it was not sent
	}
	return !p.dirty && p.leads()
}

func attributes(t *task, due time.Time) []queue.Attribute {
	return []queue.Attribute{
		{Name: contract.AttributePath, Value: t.Path},
		{Name: contract.AttributeScheduled, Value: due.UTC().Format(time.RFC3339)},
		{Name: contract.AttributeTask, Value: t.Name},
	}
}
