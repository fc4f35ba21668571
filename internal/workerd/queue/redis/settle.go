// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"fmt"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// remembered is how long the key of a message is.
const remembered = 30 * time.Minute

// Delete ends the message, whoever holds it by now: its work is done.
func (q *Queue) Delete(ctx context.Context, m *queue.Message) error {
	_, err := q.attempt(ctx, remove, q.keys, m.Handle.(handle).id)
	return q.wrap(err)
}

// Extend keeps the message.
func (q *Queue) Extend(ctx context.Context, m *queue.Message, by time.Duration) error {
	h := m.Handle.(handle)
	return q.ours(q.attempt(ctx, extend, q.keys, h.id, h.token, by.Milliseconds()))
}

// Release puts the message back, at the time that the delay says.
func (q *Queue) Release(ctx context.Context, m *queue.Message, after time.Duration, counted bool) error {
	h := m.Handle.(handle)
	return q.ours(q.attempt(ctx, release, q.keys, h.id, h.token, after.Milliseconds(), counted))
}

// DeadLetter moves the message in one step.
func (q *Queue) DeadLetter(ctx context.Context, m *queue.Message, reason string) error {
	h := m.Handle.(handle)
	args := append([]any{h.id, h.token}, deadFields(h, m, q.at.Name, reason)...)
	return q.ours(q.attempt(ctx, deadLetter, append(q.keys[:4:4], q.dead()), args...))
}

// Send adds an entry. Keys are remembered for half an hour; without one, a message whose confirmation was lost may be sent twice
// by who tries again.
func (q *Queue) Send(ctx context.Context, key string, body []byte, attributes []queue.Attribute) error {
	args := []any{0, field, body}
	keys := append(q.keys[:4:4], q.at.Name+":beanpod:sent:"+key)
	if key != "" {
		args[0] = remembered.Milliseconds()
	}
	for _, a := range attributes {
		if a.Name == field {
			return fmt.Errorf("queue %s: an attribute cannot have the name %q, which is the body's", q.at.Name, field)
		}
		args = append(args, a.Name, a.Value)
	}
	if key == "" {
		return q.wrap(q.run(ctx, send, keys, args...).Err())
	}
	_, err := q.attempt(ctx, send, keys, args...)
	return q.wrap(err)
}

// Depth counts in one step. Waiting includes what was put back and is not due yet.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	n, err := q.run(ctx, depth, append(q.keys[:4:4], q.dead())).Int64Slice()
	if err != nil || len(n) != 4 {
		return queue.Depth{}, q.wrap(fmt.Errorf("the depth is not known: %w", err))
	}
	d := queue.Depth{Waiting: n[0], InFlight: n[1], Dead: n[2], Oldest: time.Duration(n[3]) * time.Millisecond}
	switch {
	case n[0] == 0:
		d.Oldest = 0
	case n[3] < 0 || n[3] > (10*365*24*time.Hour).Milliseconds(): // IDs that are no times
		d.Oldest = -1
	}
	return d, nil
}

// ours turns a script's 0 into ErrGone.
func (q *Queue) ours(n int, err error) error {
	if err == nil && n == 0 {
		err = queue.ErrGone
	}
	if client.HasErrorPrefix(err, "NOGROUP") { // the server lost its data
		err = queue.ErrGone
	}
	return q.wrap(err)
}

func (q *Queue) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("queue %s: %w", q.at.Name, err)
}
