// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"errors"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

var errClosed = errors.New("the queue is closed")

// Receive implements queue.Queue. What it takes is kept for Options.Visibility.
func (q *Queue) Receive(ctx context.Context, limit int, wait time.Duration) ([]*queue.Message, error) {
	end := time.Now().Add(wait)
	for {
		var got []*queue.Message
		var next time.Time
		var changed chan struct{}
		err := q.call(Receive, nil, func() error {
			if q.closed {
				return errClosed
			}
			got, next = q.take(limit)
			changed = q.changed
			return nil
		})
		if err != nil || len(got) > 0 || ctx.Err() != nil || !time.Now().Before(end) {
			return got, err
		}
		if next.IsZero() || next.After(end) {
			next = end
		}
		sleep(ctx, changed, time.Until(next))
	}
}

func sleep(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-timer.C:
	}
}

// take returns what is visible, or when the next message will be.
func (q *Queue) take(limit int) (got []*queue.Message, next time.Time) {
	now := time.Now()
	for e := q.items.Front(); e != nil && len(got) < limit; e = e.Next() {
		i := e.Value.(*item)
		if i.visibleAt.After(now) {
			if next.IsZero() || i.visibleAt.Before(next) {
				next = i.visibleAt
			}
			continue
		}
		i.attempts++
		i.receipt++
		i.visibleAt = now.Add(q.options.Visibility)
		if i.message.FirstReceivedAt.IsZero() {
			i.message.FirstReceivedAt = now.UTC()
		}
		m := i.message
		m.Attempt, m.Handle = i.attempts, delivery{e, i, i.receipt}
		got = append(got, &m)
	}
	return got, next
}

// held does something with a message that must still belong to its receiver. The same end of a message may be repeated.
func (q *Queue) held(op Op, m *queue.Message, do func(delivery)) error {
	return q.call(op, m, func() error {
		d, ok := m.Handle.(delivery)
		switch {
		case !ok || d.item.receipt != d.receipt:
			return queue.ErrGone
		case d.item.gone && d.item.goneBy == op:
			return nil
		case d.item.gone || !time.Now().Before(d.item.visibleAt):
			return queue.ErrGone
		}
		do(d)
		return nil
	})
}

// Delete implements queue.Queue.
func (q *Queue) Delete(_ context.Context, m *queue.Message) error {
	return q.held(Delete, m, func(d delivery) { q.remove(d, Delete) })
}

func (q *Queue) remove(d delivery, by Op) {
	d.item.gone, d.item.goneBy = true, by
	q.items.Remove(d.element)
}

// Extend implements queue.Queue.
func (q *Queue) Extend(_ context.Context, m *queue.Message, by time.Duration) error {
	return q.held(Extend, m, func(d delivery) { d.item.visibleAt = time.Now().Add(by) })
}

// Release implements queue.Queue; it can leave the delivery uncounted.
func (q *Queue) Release(_ context.Context, m *queue.Message, after time.Duration, counted bool) error {
	return q.held(Release, m, func(d delivery) {
		d.item.visibleAt = time.Now().Add(after)
		d.item.receipt++
		if !counted {
			d.item.attempts--
		}
		q.released = append(q.released, Released{m.ID, after, counted})
		q.wake()
	})
}

// DeadLetter implements queue.Queue.
func (q *Queue) DeadLetter(_ context.Context, m *queue.Message, reason string) error {
	return q.held(DeadLetter, m, func(d delivery) {
		q.remove(d, DeadLetter)
		q.dead = append(q.dead, Dead{m.ID, reason, m.Attempt})
	})
}

// Depth implements queue.Queue.
func (q *Queue) Depth(context.Context) (queue.Depth, error) {
	var out queue.Depth
	err := q.call(Measure, nil, func() error {
		out.Dead = int64(len(q.dead))
		now := time.Now()
		for e := q.items.Front(); e != nil; e = e.Next() {
			i := e.Value.(*item)
			if i.visibleAt.After(now) {
				out.InFlight++
				continue
			}
			out.Waiting++
			out.Oldest = max(out.Oldest, now.Sub(i.message.SentAt))
		}
		return nil
	})
	return out, err
}

// DeadLetterURL implements queue.Queue.
func (q *Queue) DeadLetterURL() string { return "memory://dead" }

// Warnings implements queue.Queue: there are none.
func (q *Queue) Warnings() []string { return nil }

// Close implements queue.Queue.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
	return nil
}
