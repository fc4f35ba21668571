// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rabbitmq is the queue of the worker daemon on a quorum queue of RabbitMQ 3.10 or later.
//
// A message stays with the daemon as long as its channel lives: there is no visibility to end or extend. Messages are fetched one
// by one (basic.get), so that nothing is held that nobody asked for. A delay is kept by the daemon, which holds the message
// meanwhile: a crash ends it early and loses nothing.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// patience is how long one step may take.
const patience = 10 * time.Second

var errClosed = errors.New("the queue was closed")

// Queue is a quorum queue and its dead-letter queue.
type Queue struct {
	at       contract.Coordinates
	options  queue.Options
	dial     func() (*amqp.Connection, error)
	warnings []string
	// moves says that the broker itself moves rejected messages to the dead-letter queue, each once.
	moves bool

	lock   sync.Mutex
	closed bool
	// take and put are connections of their own: a broker that is short of memory stops reading from those that publish, and
	// deletes must get through.
	take, put *link
}

// Open connects to the queue. One that others made must be there, and be a quorum queue; NAME-dead is made if need be. It takes
// username, password and ca.crt of the credentials.
func Open(ctx context.Context, c contract.Coordinates, o queue.Options, credentials map[string]string) (queue.Queue, error) {
	if c.Name == "" {
		return nil, fmt.Errorf("the queue at %s has no name; set queue.rabbitmq.queue", c.URL)
	}
	dial, err := dialer(c, o, credentials)
	if err != nil {
		return nil, err
	}
	q := &Queue{at: c, options: o, dial: dial}
	l, err := q.taking(ctx)
	if err != nil {
		return nil, err
	}
	if err := q.prepare(l.connection); err != nil {
		_ = q.Close()
		return nil, q.wrap(err)
	}
	return q, nil
}

// Warnings are sentences on settings of the queue that risk messages.
func (q *Queue) Warnings() []string { return q.warnings }

// DeadLetterURL names the queue of dead letters.
func (q *Queue) DeadLetterURL() string { return q.at.URL + "#" + q.dead() }

func (q *Queue) dead() string { return q.at.Name + "-dead" }

// Close ends the connections. The broker gives what is still held to others.
func (q *Queue) Close() error {
	q.lock.Lock()
	take, put := q.take, q.put
	q.closed = true
	q.lock.Unlock()
	for _, l := range []*link{take, put} {
		if l != nil {
			_ = l.connection.CloseDeadline(time.Now().Add(patience)) // may be broken already
		}
	}
	return nil
}

func (q *Queue) taking(ctx context.Context) (*link, error)  { return q.link(ctx, &q.take, widen) }
func (q *Queue) putting(ctx context.Context) (*link, error) { return q.link(ctx, &q.put, confirm) }

// link is the connection at hand, or a new one when that broke.
func (q *Queue) link(ctx context.Context, at **link, setup func(*link) error) (*link, error) {
	q.lock.Lock()
	defer q.lock.Unlock()
	switch {
	case q.closed:
		return nil, q.wrap(errClosed)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case *at != nil && !(*at).over():
		return *at, nil
	}
	connection, err := q.dial()
	if err != nil {
		return nil, q.wrap(reachable(err))
	}
	l, err := newLink(connection)
	if err == nil {
		err = setup(l)
	}
	if err != nil {
		_ = connection.Close()
		return nil, q.wrap(err)
	}
	*at = l
	return l, nil
}

func (q *Queue) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("queue %s: %w", q.at.Name, err)
}
