// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// ackPrefix begins the address that a delivery is settled at.
const ackPrefix = "$JS.ACK."

// delivery is the Handle of a message.
type delivery struct {
	address, subject string
	sequence         uint64
	// uncounted deliveries before this one.
	uncounted int

	lock sync.Mutex
	// until is when the message is no longer ours, unless extended.
	until time.Time
	// settled says that the broker confirmed the end of it.
	settled bool
}

func (q *natsQueue) Receive(ctx context.Context, limit int, wait time.Duration) ([]*queue.Message, error) {
	end := time.Now().Add(wait)
	silent := true
	for {
		if err := q.connected(ctx, end); err != nil {
			return nil, err
		}
		began := time.Now()
		raw, status, err := q.pulls.once(ctx, limit, min(round, max(time.Until(end), 10*time.Millisecond)))
		if len(raw) > 0 {
			return q.messages(ctx, raw), nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil && q.conn.IsConnected() || ctx.Err() != nil {
			return nil, err
		}
		silent = silent && status == noResponders
		if !time.Now().Before(end) {
			return nil, q.silence(ctx, silent)
		}
		if status == noResponders {
			if err := q.repair(ctx); err != nil {
				return nil, err
			}
		}
		if time.Since(began) < 10*time.Millisecond { // others were before us, or the broker is starting
			pause(ctx, 20*time.Millisecond)
		}
	}
}

// noResponders is the status of a request that no consumer listens to.
const noResponders = "503"

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// connected waits until there is a connection.
func (q *natsQueue) connected(ctx context.Context, end time.Time) error {
	for !q.conn.IsConnected() {
		switch {
		case q.conn.IsClosed():
			return errClosed
		case ctx.Err() != nil:
			return ctx.Err()
		case !time.Now().Before(end):
			return fmt.Errorf("NATS at %s cannot be reached for stream %s (%w); messages wait until it can", q.at.URL, q.at.Name, orUnknown(q.conn.LastError()))
		}
		pause(ctx, 20*time.Millisecond)
	}
	return nil
}

func orUnknown(err error) error {
	if err == nil {
		return client.ErrDisconnected
	}
	return err
}

func (q *natsQueue) silence(ctx context.Context, silent bool) error {
	if !silent || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("nobody answers for consumer %s of stream %s at %s: the server may be starting", q.at.Group, q.at.Name, q.at.URL)
}

// repair makes the consumer again if somebody deleted it. Not more often than every few seconds: a server that starts is silent too.
func (q *natsQueue) repair(ctx context.Context) error {
	q.lock.Lock()
	defer q.lock.Unlock()
	if time.Since(q.repaired) < 5*time.Second {
		return nil
	}
	if q.repaired.IsZero() { // the first silence: have patience
		q.repaired = time.Now().Add(-3 * time.Second)
		return nil
	}
	q.repaired = time.Now()
	again := &natsQueue{at: q.at, options: q.options, conn: q.conn, js: q.js}
	if err := again.setUp(ctx); err != nil && ctx.Err() == nil && q.conn.IsConnected() {
		return err
	}
	return nil
}

// messages reads deliveries. What was received is returned, whatever happened to ctx.
func (q *natsQueue) messages(ctx context.Context, raw []*client.Msg) []*queue.Message {
	ctx = context.WithoutCancel(ctx)
	var out []*queue.Message
	for _, r := range raw {
		if m := q.message(ctx, r); m != nil {
			out = append(out, m)
		}
	}
	return out
}

func (q *natsQueue) message(ctx context.Context, r *client.Msg) *queue.Message {
	meta, err := r.Metadata()
	if err != nil {
		return nil // not a delivery: somebody else writes to our inbox
	}
	d := &delivery{address: r.Reply, subject: r.Subject, sequence: meta.Sequence.Stream, until: time.Now().Add(q.held)}
	if meta.NumDelivered > 1 {
		d.uncounted = q.uncounted(ctx, d.sequence)
	}
	m := &queue.Message{
		ID: meta.Stream + ":" + strconv.FormatUint(meta.Sequence.Stream, 10), Body: r.Data, Attributes: attributes(r.Header),
		Attempt: max(1, int(meta.NumDelivered)-d.uncounted), SentAt: meta.Timestamp.UTC(), Handle: d,
	}
	m.FirstReceivedAt = m.SentAt
	if m.Attempt == 1 {
		m.FirstReceivedAt = time.Now().UTC()
	}
	return m
}

// giveBack returns a message that arrived when nobody waited for it any more.
func (q *natsQueue) giveBack(r *client.Msg) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if m := q.message(ctx, r); m != nil {
		_ = q.Release(ctx, m, 0, false) // if that fails, it comes back when its visibility ends
	}
}
