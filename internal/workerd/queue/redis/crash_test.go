// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// TestServerKilled kills the server with SIGKILL after every kind of step and compares what is there afterwards.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := s.open(t, s.coordinates("orders"), plain("a"))
	restart := func() {
		t.Helper()
		s.Kill()
		if _, err := q.Receive(t.Context(), 1, 10*time.Millisecond); err == nil {
			t.Error("Receive of a dead server gave no error")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	mustSend(t.Context(), t, q, "0", "1", "2", "3", "4")
	restart()
	got := mustReceive(t, q, 5)
	restart()
	for i, err := range []error{
		q.Delete(t.Context(), got[0]), q.Extend(t.Context(), got[1], time.Minute), q.Release(t.Context(), got[2], 3*time.Second, true),
		q.DeadLetter(t.Context(), got[3], "It was poison"), q.Release(t.Context(), got[4], 3*time.Second, false),
	} {
		if err != nil {
			t.Fatalf("step %d after a restart: %v", i, err)
		}
	}
	restart()
	if d, err := q.Depth(t.Context()); err != nil || d.Waiting != 2 || d.InFlight != 1 || d.Dead != 1 {
		t.Errorf("depth after the second restart: %+v, %v", d, err)
	}
	again := mustReceive(t, q, 2)
	slices.SortFunc(again, func(a, b *queue.Message) int { return a.Attempt - b.Attempt })
	if string(again[0].Body) != "4" || again[0].Attempt != 1 || string(again[1].Body) != "2" || again[1].Attempt != 2 {
		t.Errorf("came back: %s at attempt %d, %s at attempt %d; want 4 at 1 and 2 at 2", again[0].Body, again[0].Attempt, again[1].Body, again[1].Attempt)
	}
	if err := q.DeadLetter(t.Context(), got[3], "It was poison"); err != nil {
		t.Errorf("repeating a dead letter after a restart: %v", err)
	}
	if err := q.Extend(t.Context(), got[0], time.Minute); !errors.Is(err, queue.ErrGone) {
		t.Errorf("Extend of a deleted message: %v", err)
	}
}

// TestServerEmptied: a server that lost everything is a fresh queue, not an endless error.
func TestServerEmptied(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := s.open(t, s.coordinates("orders"), plain("a"))
	mustSend(t.Context(), t, q, "before")
	m := mustReceive(t, q, 1)[0]
	if err := s.db(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{q.Extend(t.Context(), m, time.Second), q.Release(t.Context(), m, 0, true), q.DeadLetter(t.Context(), m, "It was poison")} {
		if !errors.Is(err, queue.ErrGone) {
			t.Errorf("a step on what the server lost: %v, want ErrGone", err)
		}
	}
	if _, err := q.Receive(t.Context(), 1, 0); err == nil {
		t.Error("the loss is not said")
	}
	mustSend(t.Context(), t, q, "after")
	mustReceive(t, q, 1)
}

// TestLostAnswer: what was handed over in an answer that never came is put back uncounted.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := plain("a")
	o.Visibility = time.Hour
	q := s.open(t, s.coordinates("orders"), o)
	mustSend(t.Context(), t, q, "0", "1", "2")
	if err := q.run(t.Context(), receive, q.keys, 2, o.Visibility.Milliseconds(), "lost").Err(); err != nil {
		t.Fatal(err)
	}
	q.abandon("lost")
	for _, m := range mustReceive(t, q, 3) {
		if m.Attempt != 1 {
			t.Errorf("message %s is at attempt %d", m.Body, m.Attempt)
		}
	}
}

// TestFrozenServer: who is told to stop while the server hangs leaves at once, and what comes later goes back.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := plain("a")
	o.Visibility = time.Hour
	q, other := s.open(t, s.coordinates("orders"), o), s.open(t, s.coordinates("orders"), o)
	if _, err := q.Receive(t.Context(), 1, 0); err != nil {
		t.Fatal(err)
	}
	mustSend(t.Context(), t, q, "0", "1", "2")
	s.Signal(syscall.SIGSTOP)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	began := time.Now()
	if got, err := q.Receive(ctx, 3, time.Minute); err == nil || len(got) > 0 {
		t.Errorf("Receive from a frozen server: %d messages, %v", len(got), err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v to leave", took)
	}
	s.Signal(syscall.SIGCONT)
	for i, m := range mustReceive(t, other, 3) {
		if string(m.Body) != fmt.Sprint(i) || m.Attempt != 1 {
			t.Errorf("message %d is %s at attempt %d", i, m.Body, m.Attempt)
		}
	}
}
