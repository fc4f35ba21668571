// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package queue is what the worker daemon needs of a broker. Every broker has an adapter in a folder of its own below; the
// contract that all of them keep is the test suite in queuetest.
package queue

import (
	"context"
	"errors"
	"time"
)

// Message is one delivery.
type Message struct {
	// ID is the same for every delivery of the message.
	ID   string
	Body []byte
	// Attributes of the types string and number, in the order of their names.
	Attributes []Attribute
	// Attempt counts the deliveries that count, this one included: 1 or more.
	Attempt int
	// SentAt and FirstReceivedAt in UTC. An adapter whose broker does not keep the latter gives its best answer: the time of
	// this delivery at attempt 1, else SentAt.
	SentAt, FirstReceivedAt time.Time
	// SenderID as the broker knows it; may be empty.
	SenderID string
	// Handle belongs to the adapter.
	Handle any
}

// Attribute of a message.
type Attribute struct{ Name, Value string }

// Depth of a queue. A figure that the broker cannot give is -1.
type Depth struct {
	Waiting, InFlight, Dead int64
	// Oldest is the age of the oldest waiting message, -1 if not known, 0 if none waits.
	Oldest time.Duration
}

// Options of a queue that its adapter needs.
type Options struct {
	// Visibility is how long a message stays with who received it, unless extended.
	Visibility time.Duration
	// Retention is the queue's own limit on the age of a message, where the adapter makes the queue.
	Retention time.Duration
	// MaxAttempts, then the dead-letter queue; adapters use it only for queues that they make (redrive policy of SQS).
	MaxAttempts int
	// MaxInFlight is how many messages one daemon holds at most.
	MaxInFlight int
	// Consumer names this daemon among those of the group.
	Consumer string
	// Existing opens a generated queue only if it is there, as it is: ErrMissing if it is not.
	Existing bool
}

// ErrMissing says that the broker has no such queue. It is said only of queues that are opened with Options.Existing, and never of a
// broker that did not answer.
var ErrMissing = errors.New("there is no such queue")

// ErrGone says that the message is not ours any more: its visibility ended, or it was deleted.
var ErrGone = errors.New("the message is not held any more")

// Queue is one queue and its dead-letter queue. Its methods may be called by many goroutines at a time.
type Queue interface {
	// Receive waits up to wait for one message at least, and returns up to max. It returns at once when ctx ends; what the
	// broker had handed over by then is either returned with a nil error or given back uncounted where the broker allows:
	// never kept. No message and no error: nothing came.
	Receive(ctx context.Context, max int, wait time.Duration) ([]*Message, error)
	// Delete is confirmed by the broker when it returns nil. It may be repeated.
	Delete(ctx context.Context, m *Message) error
	// Extend keeps the message for another duration from now on, as far as the broker allows. ErrGone if it was lost.
	Extend(ctx context.Context, m *Message, by time.Duration) error
	// Release gives the message back, to be delivered again after a delay. counted false does not count this delivery as an
	// attempt where the broker allows.
	Release(ctx context.Context, m *Message, after time.Duration, counted bool) error
	// DeadLetter puts the message into the dead-letter queue and takes it out of this one: exactly one copy, whenever it
	// crashes and however often it is repeated. Attributes say why, where it came from, and how often it was tried.
	DeadLetter(ctx context.Context, m *Message, reason string) error
	// Depth asks the broker.
	Depth(ctx context.Context) (Depth, error)
	// Send puts a message into the queue. Messages with the same non-empty key are one message, for ten minutes at least, where
	// the broker can tell; each adapter's comment says whether it can.
	Send(ctx context.Context, key string, body []byte, attributes []Attribute) error
	// DeadLetterURL names the dead-letter queue for people; empty if there is none.
	DeadLetterURL() string
	// Warnings are sentences on settings of the queue that risk messages.
	Warnings() []string
	Close() error
}

// Elector is implemented by queues whose broker offers a compare-and-set: who holds the name enqueues periodic tasks.
type Elector interface {
	// Elect takes or renews the name for ttl and says who holds it now.
	Elect(ctx context.Context, holder string, ttl time.Duration) (leader string, err error)
	// Resign gives it up.
	Resign(ctx context.Context, holder string) error
	// Record reads and Keep writes, while holder leads, what the leader remembers for its successor (at most 64 KB).
	Record(ctx context.Context) ([]byte, error)
	Keep(ctx context.Context, holder string, record []byte) error
}
