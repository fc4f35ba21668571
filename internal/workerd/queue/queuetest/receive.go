// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

func (s *suite) receiveNothing(t *testing.T) {
	q := s.start(t, long)
	began := time.Now()
	got, err := q.Receive(t.Context(), 10, 2*time.Second)
	took := time.Since(began)
	if err != nil || len(got) > 0 {
		t.Fatalf("Receive of an empty queue: %d messages, %v", len(got), err)
	}
	if took < 1500*time.Millisecond || took > 2*time.Second+s.Slack {
		t.Errorf("waited %v, want 2 s", took)
	}
}

func (s *suite) receiveAtOnce(t *testing.T) {
	q := s.start(t, long)
	send(t, q, 5)
	began := time.Now()
	got, err := q.Receive(t.Context(), 2, 30*time.Second)
	if err != nil || len(got) == 0 || len(got) > 2 {
		t.Fatalf("Receive of at most 2: %d messages, %v", len(got), err)
	}
	if took := time.Since(began); took > s.Slack {
		t.Errorf("messages were there, and Receive took %v", took)
	}
	receive(t, q, 5-len(got), s.Slack)
}

func (s *suite) receiveWakes(t *testing.T) {
	q := s.start(t, long)
	failed := make(chan error, 1)
	go func() {
		time.Sleep(time.Second)
		failed <- q.Send(context.WithoutCancel(t.Context()), "", []byte("late"), nil)
	}()
	began := time.Now()
	got, err := q.Receive(t.Context(), 5, 20*time.Second)
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if err != nil || len(got) != 1 {
		t.Fatalf("Receive: %d messages, %v", len(got), err)
	}
	if took := time.Since(began); took > time.Second+s.Slack {
		t.Errorf("the message came after 1 s, and Receive took %v", took)
	}
}

func (s *suite) receiveCancelled(t *testing.T) {
	q := s.start(t, long)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, cancel)
	began := time.Now()
	got, err := q.Receive(ctx, 10, 20*time.Second)
	if len(got) > 0 || err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("Receive: %d messages, %v", len(got), err)
	}
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("cancelled after 500 ms, and Receive took %v", took)
	}
	again := one(t, s.start(t, long), s.Slack+5*time.Second)
	if s.UncountedRelease && again.Attempt != 1 {
		t.Errorf("attempt %d after a receive that was cancelled before the message came", again.Attempt)
	}
}

// cancelRaces cancels while messages arrive: none may stay with the receiver that was told to stop.
func (s *suite) cancelRaces(t *testing.T) {
	q, other := s.start(t, long), s.start(t, long)
	const n = 20
	got := map[string]bool{}
	for i := range n {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(rand.Int64N(int64(6*time.Millisecond))), cancel)
		sent := make(chan error, 1)
		go func() { sent <- q.Send(context.WithoutCancel(t.Context()), "", fmt.Append(nil, i), nil) }()
		messages, err := q.Receive(ctx, 10, 2*time.Second)
		cancel()
		if err != nil && (len(messages) > 0 || !errors.Is(err, context.Canceled)) {
			t.Fatalf("Receive: %d messages, %v", len(messages), err)
		}
		for _, m := range messages {
			got[string(m.Body)] = true
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		remove(t, q, messages...)
	}
	for _, m := range receive(t, other, n-len(got), 30*time.Second) {
		if got[string(m.Body)] {
			t.Errorf("message %s came again", m.Body)
		}
		if s.UncountedRelease && m.Attempt != 1 {
			t.Errorf("message %s is at attempt %d, though nobody tried it", m.Body, m.Attempt)
		}
	}
}

// noPrefetch: what one receiver did not ask for is there for others.
func (s *suite) noPrefetch(t *testing.T) {
	q, other := s.start(t, long), s.start(t, long)
	send(t, q, 6)
	receive(t, q, 2, s.Slack)
	receive(t, other, 4, s.Slack+5*time.Second)
}

func (s *suite) closed(t *testing.T) {
	q := s.start(t, long)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got, err := q.Receive(t.Context(), 1, time.Minute); err == nil {
		t.Errorf("Receive of a closed queue: %d messages and no error", len(got))
	}
	if took := time.Since(began); took > s.Slack {
		t.Errorf("Receive of a closed queue took %v", took)
	}
}

// concurrent: many receivers in several daemons, one delivery of each message.
func (s *suite) concurrent(t *testing.T) {
	const n, daemons, receivers = 200, 3, 4
	var (
		group sync.WaitGroup
		lock  sync.Mutex
		seen  = map[string]int{}
	)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	work := func(q queue.Queue) {
		for ctx.Err() == nil {
			messages, err := q.Receive(ctx, 5, time.Second)
			if err != nil && ctx.Err() == nil {
				t.Errorf("Receive: %v", err)
				return
			}
			for _, m := range messages {
				if err := q.Delete(context.WithoutCancel(ctx), m); err != nil {
					t.Errorf("Delete: %v", err)
				}
				lock.Lock()
				seen[string(m.Body)]++
				if len(seen) == n {
					cancel()
				}
				lock.Unlock()
			}
		}
	}
	var first queue.Queue
	for range daemons {
		first = s.start(t, long)
		for range receivers {
			group.Go(func(q queue.Queue) func() { return func() { work(q) } }(first))
		}
	}
	send(t, first, n)
	group.Wait()
	if len(seen) != n {
		t.Errorf("received %d messages of %d", len(seen), n)
	}
	for body, times := range seen {
		if times != 1 {
			t.Errorf("message %s was received %d times", body, times)
		}
	}
}
