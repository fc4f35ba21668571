// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// settle says something about a delivery and waits for the broker's confirmation. What certainly did not reach it is said
// again; what may have is repeated only where that changes nothing.
func (q *natsQueue) settle(ctx context.Context, address, what string, repeat bool) error {
	for end := time.Now().Add(patience); ; pause(ctx, 50*time.Millisecond) {
		try, done := context.WithTimeout(ctx, min(2*time.Second, time.Until(end)))
		_, err := q.conn.RequestWithContext(try, address, []byte(what))
		done()
		if err == nil {
			return nil
		}
		unsent := errors.Is(err, client.ErrNoResponders) || errors.Is(err, client.ErrReconnectBufExceeded)
		if errors.Is(err, client.ErrConnectionClosed) || ctx.Err() != nil || !time.Now().Before(end) || !unsent && !repeat {
			return err
		}
	}
}

// Delete is a confirmed acknowledgement. That of a receiver who is late counts too: the message was worked.
func (q *natsQueue) Delete(ctx context.Context, m *queue.Message) error {
	return q.finish(ctx, m, "+ACK")
}

func (q *natsQueue) finish(ctx context.Context, m *queue.Message, how string) error {
	d := m.Handle.(*delivery)
	if err := q.settle(ctx, d.address, how, true); err != nil {
		return fmt.Errorf("deleting message %s: the broker did not confirm: %w", m.ID, err)
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	if !d.settled && d.uncounted > 0 {
		q.forget(ctx, d.sequence)
	}
	d.settled = true
	return nil
}

// Extend begins the time of the consumer anew: the broker knows no other. Who held the message when this time ended does not
// get it back, although the broker would let them: another one may have it.
func (q *natsQueue) Extend(ctx context.Context, m *queue.Message, _ time.Duration) error {
	d := m.Handle.(*delivery)
	d.lock.Lock()
	defer d.lock.Unlock()
	now := time.Now()
	if d.settled || now.After(d.until) {
		return queue.ErrGone
	}
	ctx, cancel := context.WithDeadline(ctx, d.until)
	defer cancel()
	if err := q.settle(ctx, d.address, "+WPI", true); err != nil {
		return fmt.Errorf("keeping message %s: the broker did not confirm: %w", m.ID, err)
	}
	d.until = now.Add(q.held)
	return nil
}

// Release counts in the bucket before it gives the message back: a crash between the two leaves a delivery that ended in
// nothing, and that is what is counted.
func (q *natsQueue) Release(ctx context.Context, m *queue.Message, after time.Duration, counted bool) error {
	d := m.Handle.(*delivery)
	d.lock.Lock()
	defer d.lock.Unlock()
	if d.settled || time.Now().After(d.until) {
		return queue.ErrGone
	}
	if !counted {
		if err := q.discount(ctx, d); err != nil {
			return fmt.Errorf("giving back message %s uncounted: %w", m.ID, err)
		}
	}
	what := "-NAK"
	if after > 0 {
		what = fmt.Sprintf(`-NAK {"delay": %d}`, after.Nanoseconds())
	}
	// Not repeated: the message may be with another one already. It comes back when its visibility ends, at the latest.
	d.settled = true
	if err := q.settle(ctx, d.address, what, false); err != nil {
		return fmt.Errorf("giving back message %s: the broker did not confirm: %w", m.ID, err)
	}
	return nil
}

// DeadLetter copies, then terminates. The copy has a subject of its own for each message, where a second one is refused.
func (q *natsQueue) DeadLetter(ctx context.Context, m *queue.Message, reason string) error {
	if err := q.bury(ctx, m, reason); err != nil {
		return fmt.Errorf("copying message %s into %s: %w", m.ID, q.dead(), err)
	}
	return q.finish(ctx, m, "+TERM")
}
