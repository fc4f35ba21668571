// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package workerd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/dispatch"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

const (
	// callTimeout bounds one call of the broker, and the pauses are those between repeated ones.
	callTimeout                = 10 * time.Second
	minCallPause, maxCallPause = 100 * time.Millisecond, 2 * time.Second
)

// handle takes one message from its receipt to its end. Nothing is begun once open ended: the daemon drains, or the
// application takes no connection.
func (d *Daemon) handle(open context.Context, h *held) {
	retention := time.Duration(d.config.Retention) * time.Second
	switch {
	case !h.SentAt.IsZero() && time.Since(h.SentAt) > retention:
		d.expire(h)
	case open.Err() != nil:
		d.release(h, 0, false)
	case h.Attempt > d.config.MaxRetries && d.queue.DeadLetterURL() != "":
		d.deadLetter(h, fmt.Sprintf("received %d times, %d allowed", h.Attempt, d.config.MaxRetries))
	default:
		start := time.Now()
		out := d.poster.Post(d.posting, h.Message)
		d.metrics.Posted(string(out.Kind), time.Since(start))
		d.metrics.Skipped.Add(float64(out.Skipped))
		d.settle(h, out)
	}
}

// settle acts on an outcome.
func (d *Daemon) settle(h *held, out dispatch.Outcome) {
	again := time.Duration(d.config.ErrorVisibilityTimeout) * time.Second
	if out.Kind != dispatch.Refused {
		d.gate.faster()
	}
	switch out.Kind {
	case dispatch.Done:
		d.delete(h)
	case dispatch.Refused:
		d.gate.shut(out.Err)
		d.release(h, again, false)
	case dispatch.Stopped:
		d.log.Warn("Handing back a message whose POST outlasted the drain", "message", h.ID, "attempt", h.Attempt)
		d.release(h, 0, false)
	default:
		d.log.Warn("An attempt failed", "message", h.ID, "attempt", h.Attempt, "maxRetries", d.config.MaxRetries, "status", out.Status, "error", out.Err.Error())
		if h.Attempt >= d.config.MaxRetries && d.queue.DeadLetterURL() != "" {
			d.deadLetter(h, fmt.Sprintf("attempt %d of %d: %s", h.Attempt, d.config.MaxRetries, out.Err))
			return
		}
		d.release(h, again, true)
	}
}

// delete ends a message that is done. Without the broker's word it may come back.
func (d *Daemon) delete(h *held) {
	err := d.insist(h, d.queue.Delete)
	if err == nil {
		d.metrics.Deleted.Inc()
		return
	}
	if h.lose() {
		d.metrics.Duplicates.Inc()
	}
	d.log.Error("A message was processed but not deleted, and may be processed twice", "message", h.ID, "error", err.Error())
}

func (d *Daemon) expire(h *held) {
	if err := d.insist(h, d.queue.Delete); err != nil {
		d.log.Warn("Deleting an expired message failed", "message", h.ID, "error", err.Error())
		return
	}
	d.metrics.Expired.Inc()
	d.log.Warn("Deleted a message older than the retention period", "message", h.ID, "sentAt", h.SentAt, "retentionSeconds", d.config.Retention)
}

func (d *Daemon) deadLetter(h *held, reason string) {
	err := d.insist(h, func(ctx context.Context, m *queue.Message) error { return d.queue.DeadLetter(ctx, m, reason) })
	if err != nil {
		d.log.Error("Dead-lettering a message failed; it is tried again when it returns", "message", h.ID, "error", err.Error())
		return
	}
	d.metrics.DeadLettered.Inc()
	d.log.Warn("Put a message into the dead-letter queue", "message", h.ID, "reason", reason)
}

// release gives a message back. Extensions end first: one that came later would hide the message again.
func (d *Daemon) release(h *held, after time.Duration, counted bool) {
	h.letGo()
	err := d.insist(h, func(ctx context.Context, m *queue.Message) error { return d.queue.Release(ctx, m, after, counted) })
	if counted {
		d.metrics.Retried.Inc()
	} else {
		d.metrics.Returned.Inc()
	}
	if err != nil && !errors.Is(err, queue.ErrGone) {
		d.log.Warn("Giving a message back failed; it returns when its visibility ends", "message", h.ID, "error", err.Error())
	}
}

// insist repeats a call until the broker confirms it, the message is not ours any more, or the daemon has to end.
func (d *Daemon) insist(h *held, call func(context.Context, *queue.Message) error) error {
	h.ending.Store(true)
	for pause := minCallPause; ; pause = min(2*pause, maxCallPause) {
		calling, stop := context.WithTimeout(d.calling, callTimeout)
		err := call(calling, h.Message)
		stop()
		if err == nil || errors.Is(err, queue.ErrGone) || time.Now().After(h.until()) || !sleep(d.calling, pause) {
			return err
		}
	}
}
