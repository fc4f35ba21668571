// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// TestServerKilled kills the node with SIGKILL after every kind of step, and compares what is there afterwards.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	s := alone(t, "")
	q := s.open(t, s.coordinates("orders"), usual("a"))
	restart := func() {
		t.Helper()
		s.Kill()
		if _, err := q.Receive(t.Context(), 1, 10*time.Millisecond); err == nil {
			t.Error("Receive from a dead node gave no error")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	// RabbitMQ 3.10 writes the list of its quorum queues seconds after it made one, and never finds one again that was younger.
	time.Sleep(6 * time.Second)
	mustSend(t, q, "0", "1", "2", "3")
	restart()
	stale := mustReceive(t, q, 4)
	restart()
	for name, err := range map[string]error{
		"Delete": q.Delete(t.Context(), stale[0]), "Extend": q.Extend(t.Context(), stale[1], time.Minute),
		"Release": q.Release(t.Context(), stale[2], 0, true), "DeadLetter": q.DeadLetter(t.Context(), stale[3], "It was poison"),
	} {
		if !errors.Is(err, queue.ErrGone) {
			t.Errorf("%s of what was held before the restart: %v, want ErrGone", name, err)
		}
	}
	got := mustReceive(t, q, 4)
	slices.SortFunc(got, func(a, b *queue.Message) int { return int(a.Body[0]) - int(b.Body[0]) })
	for i, err := range []error{
		q.Delete(t.Context(), got[0]), q.Release(t.Context(), got[1], time.Minute, true), q.DeadLetter(t.Context(), got[3], "It was poison"),
	} {
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	eventually(t, q, 0, 1)
	restart()
	if err := q.Delete(t.Context(), got[0]); err != nil {
		t.Errorf("repeating a delete that was confirmed: %v", err)
	}
	left := mustReceive(t, q, 2) // one with a delay that the crash ended, one that was held
	if a, b := string(left[0].Body), string(left[1].Body); min(a, b) != "1" || max(a, b) != "2" {
		t.Errorf("came back: %s and %s, want 1 and 2", a, b)
	}
	eventually(t, q, 0, 1)
}

func eventually(t *testing.T, q *Queue, waiting, dead int64) {
	t.Helper()
	var d queue.Depth
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var err error
		if d, err = q.Depth(t.Context()); err == nil && d.Waiting == waiting && d.Dead == dead {
			return
		}
	}
	t.Fatalf("depth is %+v, want %d waiting and %d dead", d, waiting, dead)
}

// TestFrozenServer: who is told to stop while the node hangs leaves at once, and what comes later goes back.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	s := alone(t, "")
	q, other := s.open(t, s.coordinates("orders"), usual("a")), s.open(t, s.coordinates("orders"), usual("b"))
	mustSend(t, q, "0", "1", "2")
	s.Signal(syscall.SIGSTOP)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	began := time.Now()
	if got, err := q.Receive(ctx, 3, time.Minute); err == nil || len(got) > 0 {
		t.Errorf("Receive from a frozen node: %d messages, %v", len(got), err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v to leave", took)
	}
	s.Signal(syscall.SIGCONT)
	mustReceive(t, other, 3)
}
