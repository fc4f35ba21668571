// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// longest is how long a message is held for a delay: the broker takes back what is held for 30 minutes, and all else with it.
const longest = 15 * time.Minute

// settle does a step on a message that is held, and waits until the broker has handled it, or ctx ends: then it may happen yet.
func (q *Queue) settle(ctx context.Context, m *queue.Message, end state, step func(*handle) error) error {
	done := make(chan error, 1)
	go func() { done <- q.settled(m, end, step) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return q.wrap(ctx.Err())
	}
}

func (q *Queue) settled(m *queue.Message, end state, step func(*handle) error) error {
	h := m.Handle.(*handle)
	h.lock.Lock()
	defer h.lock.Unlock()
	switch {
	case h.state == settled && end == settled:
		return nil
	case h.state != held || h.link.over():
		return q.wrap(queue.ErrGone)
	}
	err := step(h)
	if err == nil {
		err = h.link.barrier(q.at.Name)
	}
	if err != nil && h.link.over() {
		err = fmt.Errorf("%w: the connection broke: %w", queue.ErrGone, err)
	}
	if err == nil {
		h.state = end
	}
	return q.wrap(err)
}

// Delete acknowledges. A connection that breaks before the broker says so brings the message back: ErrGone.
func (q *Queue) Delete(ctx context.Context, m *queue.Message) error {
	return q.settle(ctx, m, settled, func(h *handle) error { return h.link.channel.Ack(h.tag, false) })
}

// Extend has nothing to do while the connection lives.
func (q *Queue) Extend(_ context.Context, m *queue.Message, _ time.Duration) error {
	h := m.Handle.(*handle)
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.state != held || h.link.over() {
		return q.wrap(queue.ErrGone)
	}
	return nil
}

// Release gives the message back; after a delay, which is 15 minutes at most, the daemon does so later. RabbitMQ counts every
// delivery that it takes back.
func (q *Queue) Release(ctx context.Context, m *queue.Message, after time.Duration, _ bool) error {
	giveBack := func(h *handle) error { return h.link.channel.Nack(h.tag, false, true) }
	if after <= 0 {
		return q.settle(ctx, m, released, giveBack)
	}
	return q.settle(ctx, m, released, func(h *handle) error {
		// A connection that is over by then has given it back itself.
		time.AfterFunc(min(after, longest), func() { _ = giveBack(h) })
		return nil
	})
}

// DeadLetter rejects the message where the queue's arguments make the broker move it: then there is one copy, and its header
// x-death says why in the broker's words. Elsewhere it publishes a copy with the attributes of a dead letter and deletes the
// message after the confirmation; the end of the daemon or of the connection in between makes a second copy, with the same ID.
func (q *Queue) DeadLetter(ctx context.Context, m *queue.Message, reason string) error {
	return q.settle(ctx, m, settled, func(h *handle) error {
		if q.moves {
			return h.link.channel.Nack(h.tag, false, false)
		}
		if !h.copied {
			if err := q.copy(ctx, m, h.original, reason); err != nil {
				return err
			}
			h.copied = true
		}
		return h.link.channel.Ack(h.tag, false)
	})
}

func (q *Queue) copy(ctx context.Context, m *queue.Message, p amqp.Publishing, reason string) error {
	headers := amqp.Table{}
	for name, value := range p.Headers {
		if name != "x-delivery-count" && name != "x-acquired-count" {
			headers[name] = value
		}
	}
	said := queue.DeadAttributes(&queue.Message{ID: m.ID, Attempt: m.Attempt, SentAt: m.SentAt}, q.at.Name, reason)
	for _, a := range said {
		headers[a.Name] = a.Value
	}
	p.Headers = headers
	l, err := q.putting(ctx)
	if err != nil {
		return err
	}
	return l.publish(ctx, q.dead(), p)
}

// Send publishes and waits for the confirmation. RabbitMQ cannot tell that two messages are one: the key becomes the message's
// ID, by which the application may.
func (q *Queue) Send(ctx context.Context, key string, body []byte, attributes []queue.Attribute) error {
	l, err := q.putting(ctx)
	if err != nil {
		return err
	}
	p := amqp.Publishing{MessageId: key, DeliveryMode: amqp.Persistent, Timestamp: time.Now().UTC(), Body: body, Headers: amqp.Table{}}
	switch {
	case key == "":
		p.MessageId = rand.Text()
	case len(key) > 255: // what the protocol allows
		sum := sha256.Sum256([]byte(key))
		p.MessageId = hex.EncodeToString(sum[:])
	}
	for _, a := range attributes {
		p.Headers[a.Name] = a.Value
	}
	return q.wrap(l.publish(ctx, q.at.Name, p))
}

// Depth knows what waits. Messages that daemons hold, those with a delay among them, are in none of its figures.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	d := queue.Depth{InFlight: -1, Oldest: -1, Dead: -1}
	l, err := q.taking(ctx)
	if err != nil {
		return d, err
	}
	count := func(name string) (int64, error) {
		var n int
		err := on(l.connection, func(channel *amqp.Channel) error {
			found, err := channel.QueueDeclarePassive(name, true, false, false, false, nil)
			n = found.Messages
			return err
		})
		return int64(n), err
	}
	if d.Waiting, err = count(q.at.Name); err != nil {
		return d, q.wrap(err)
	}
	dead, err := count(q.dead())
	switch {
	case err == nil:
		d.Dead = dead
	case !refused(err, amqp.NotFound):
		return d, q.wrap(errors.Join(errors.New("the dead letters cannot be counted"), err))
	}
	return d, nil
}
