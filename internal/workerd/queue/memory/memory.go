// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package memory is an exact queue in memory, for tests of what uses a queue: the same rules as the brokers, faults on
// demand, and nothing but the time package for a clock, so that it runs in a bubble of testing/synctest.
package memory

import (
	"container/list"
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Op is a call of the broker, for Faults.
type Op string

// The calls that Faults are asked about.
const (
	Receive    Op = "receive"
	Delete     Op = "delete"
	Extend     Op = "extend"
	Release    Op = "release"
	DeadLetter Op = "deadLetter"
	Measure    Op = "depth"
	Send       Op = "send"
)

// Faults are asked around each call; nil functions let everything pass. The message is nil where there is none.
type Faults struct {
	// Before returns an error for a call that the broker must not see.
	Before func(op Op, m *queue.Message) error
	// After returns an error for an answer that must be lost although the broker did what was asked.
	After func(op Op, m *queue.Message) error
}

// Dead is a message in the dead-letter queue.
type Dead struct {
	ID, Reason string
	Attempts   int
}

// Released is what one Release asked for.
type Released struct {
	ID      string
	After   time.Duration
	Counted bool
}

// Queue is safe for many goroutines.
type Queue struct {
	options queue.Options

	mu       sync.Mutex
	items    *list.List
	keys     map[string]time.Time
	dead     []Dead
	released []Released
	faults   Faults
	changed  chan struct{}
	next     int
	lease    lease
	closed   bool
}

// item is a message as the broker keeps it.
type item struct {
	message   queue.Message
	attempts  int
	receipt   int
	visibleAt time.Time
	// gone once deleted or dead-lettered, by goneBy.
	gone   bool
	goneBy Op
}

// delivery is the handle: the item, and which of its deliveries.
type delivery struct {
	element *list.Element
	item    *item
	receipt int
}

// New makes an empty queue.
func New(o queue.Options) *Queue {
	return &Queue{options: o, items: list.New(), keys: map[string]time.Time{}, changed: make(chan struct{})}
}

// SetFaults replaces the faults.
func (q *Queue) SetFaults(f Faults) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.faults = f
}

// Dead returns the dead-letter queue.
func (q *Queue) Dead() []Dead {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]Dead(nil), q.dead...)
}

// Released returns every Release that the broker saw.
func (q *Queue) Released() []Released {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]Released(nil), q.released...)
}

// Send implements queue.Queue. Keys are remembered for ten minutes.
func (q *Queue) Send(_ context.Context, key string, body []byte, attributes []queue.Attribute) error {
	return q.call(Send, nil, func() error {
		if at, known := q.keys[key]; key != "" && known && time.Since(at) < 10*time.Minute {
			return nil
		}
		q.keys[key] = time.Now()
		q.put(queue.Message{Body: body, Attributes: attributes, SentAt: time.Now().UTC(), SenderID: "memory"})
		return nil
	})
}

// Put adds a message as somebody else would have, at any time in the past, and returns its ID.
func (q *Queue) Put(m queue.Message) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.put(m)
}

func (q *Queue) put(m queue.Message) string {
	q.next++
	if m.ID == "" {
		m.ID = "m-" + strconv.Itoa(q.next)
	}
	q.items.PushBack(&item{message: m, attempts: m.Attempt})
	q.wake()
	return m.ID
}

// wake lets every Receive look again. The caller holds mu.
func (q *Queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// call does one operation under mu, with the faults around it.
func (q *Queue) call(op Op, m *queue.Message, do func() error) error {
	q.mu.Lock()
	f := q.faults
	q.mu.Unlock()
	if f.Before != nil {
		if err := f.Before(op, m); err != nil {
			return err
		}
	}
	q.mu.Lock()
	err := do()
	q.mu.Unlock()
	if err == nil && f.After != nil {
		return f.After(op, m)
	}
	return err
}
