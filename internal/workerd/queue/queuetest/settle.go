// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

func (s *suite) deleteRepeated(t *testing.T) {
	q := s.start(t, visibility)
	m := one(t, q, s.Slack)
	remove(t, q, m, m, m)
	none(t, q, visibility+2*time.Second)
	remove(t, q, m)
}

// deleteReopened: what Delete confirmed is gone for those who come later, though the connection ended right after.
func (s *suite) deleteReopened(t *testing.T) {
	q := s.start(t, visibility)
	remove(t, q, one(t, q, s.Slack))
	_ = q.Close()
	none(t, s.start(t, visibility), visibility+2*time.Second)
}

func (s *suite) extendKeeps(t *testing.T) {
	q, other := s.start(t, visibility), s.start(t, visibility)
	m := one(t, q, s.Slack)
	for range 6 {
		none(t, other, time.Second)
		if err := q.Extend(t.Context(), m, visibility); err != nil {
			t.Fatalf("Extend of a held message: %v", err)
		}
	}
	remove(t, q, m)
	none(t, other, visibility+time.Second)
}

func (s *suite) extendGone(t *testing.T) {
	q := s.start(t, visibility)
	m := one(t, q, s.Slack)
	if s.VisibilityEnds {
		again := receive(t, s.start(t, visibility), 1, visibility+s.Slack)[0]
		if err := q.Extend(t.Context(), m, visibility); !errors.Is(err, queue.ErrGone) {
			t.Errorf("Extend of a message that another one holds: %v, want ErrGone", err)
		}
		same(t, m, again, 2)
		m = receive(t, q, 1, visibility+s.Slack)[0]
	}
	remove(t, q, m)
	if err := q.Extend(t.Context(), m, visibility); !errors.Is(err, queue.ErrGone) {
		t.Errorf("Extend of a deleted message: %v, want ErrGone", err)
	}
}

func (s *suite) visibilityEnds(t *testing.T) {
	if !s.VisibilityEnds {
		t.Skip("the broker keeps messages with whoever has them")
	}
	q := s.start(t, visibility)
	m := one(t, q, s.Slack)
	for attempt := 2; attempt <= 3; attempt++ {
		began := time.Now()
		again := receive(t, q, 1, visibility+s.Slack)[0]
		if waited := time.Since(began); waited < visibility-1500*time.Millisecond {
			t.Errorf("came back after %v, want %v", waited, visibility)
		}
		same(t, m, again, attempt)
	}
}

// reopened: what was not deleted is there for the next daemon.
func (s *suite) reopened(t *testing.T) {
	q := s.start(t, visibility)
	send(t, q, 4)
	got := receive(t, q, 2, s.Slack)
	remove(t, q, got[0])
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	bodies := map[string]bool{}
	for _, m := range receive(t, s.start(t, visibility), 3, 2*visibility+s.Slack) {
		bodies[string(m.Body)] = true
	}
	if len(bodies) != 3 || bodies[string(got[0].Body)] {
		t.Errorf("after deleting %s of 4 messages there were %v", got[0].Body, bodies)
	}
}

func (s *suite) releaseAtOnce(t *testing.T) {
	q := s.start(t, long)
	m := one(t, q, s.Slack)
	for attempt := 2; attempt <= 4; attempt++ {
		if err := q.Release(t.Context(), m, 0, true); err != nil {
			t.Fatal(err)
		}
		again := receive(t, q, 1, s.Slack)[0]
		same(t, m, again, attempt)
		m = again
	}
	remove(t, q, m)
	none(t, q, 2*time.Second)
}

func (s *suite) releaseDelayed(t *testing.T) {
	if !s.ReleaseDelay {
		t.Skip("the broker gives messages back at once")
	}
	q := s.start(t, long)
	m := one(t, q, s.Slack)
	if err := q.Release(t.Context(), m, 3*time.Second, true); err != nil {
		t.Fatal(err)
	}
	none(t, q, 1500*time.Millisecond)
	same(t, m, receive(t, q, 1, 3*time.Second+s.Slack)[0], 2)
}

func (s *suite) releaseUncounted(t *testing.T)        { s.uncounted(t, 0) }
func (s *suite) releaseUncountedDelayed(t *testing.T) { s.uncounted(t, time.Second) }

func (s *suite) uncounted(t *testing.T, after time.Duration) {
	q := s.start(t, long)
	m := one(t, q, s.Slack)
	want := 1
	for i, counted := range []bool{false, false, true, false} {
		if err := q.Release(t.Context(), m, after, counted); err != nil {
			t.Fatal(err)
		}
		if counted || !s.UncountedRelease {
			want++
		}
		again := receive(t, q, 1, after+s.Slack)[0]
		same(t, m, again, want)
		if t.Failed() {
			t.Fatalf("after release %d (counted: %v)", i+1, counted)
		}
		m = again
	}
	remove(t, q, m)
	none(t, q, after+2*time.Second)
	until(t, s.Slack, func() string { return depth(t, q, 0, 0) })
}

// depth compares the numbers that every broker knows; a complaint or nothing.
func depth(t *testing.T, q queue.Queue, waiting, dead int64) string {
	t.Helper()
	d, err := q.Depth(t.Context())
	if err != nil {
		t.Fatalf("Depth: %v", err)
	}
	if d.Waiting != waiting || d.Dead != dead {
		return fmt.Sprintf("depth is %+v, want %d waiting and %d dead", d, waiting, dead)
	}
	return ""
}
