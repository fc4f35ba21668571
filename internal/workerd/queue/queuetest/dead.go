// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

func bury(t *testing.T, q queue.Queue, m *queue.Message, reason string) {
	t.Helper()
	if err := q.DeadLetter(t.Context(), m, reason); err != nil {
		t.Fatalf("DeadLetter: %v", err)
	}
}

// buried demands that only n dead letters are left, and reads them where the test can.
func (s *suite) buried(t *testing.T, q queue.Queue, n int64) []*queue.Message {
	t.Helper()
	until(t, s.Slack, func() string { return depth(t, q, 0, n) })
	if s.DeadLetters == nil {
		return nil
	}
	got := s.DeadLetters(t, q)
	if len(got) != int(n) {
		t.Fatalf("%d dead letters were read, want %d", len(got), n)
	}
	return got
}

func (s *suite) deadLetterOnce(t *testing.T) {
	q := s.start(t, visibility)
	if q.DeadLetterURL() == "" {
		t.Error("the dead-letter queue has no name")
	}
	if err := q.Send(t.Context(), "", []byte("poison"), []queue.Attribute{{Name: "colour", Value: "red"}}); err != nil {
		t.Fatal(err)
	}
	m := receive(t, q, 1, s.Slack)[0]
	if err := q.Release(t.Context(), m, 0, true); err != nil {
		t.Fatal(err)
	}
	m = receive(t, q, 1, s.Slack)[0]
	reason := "The application answered 500 to 2 attempts\nand said: größe"
	bury(t, q, m, reason)
	none(t, q, visibility+2*time.Second)
	for _, dead := range s.buried(t, q, 1) {
		got := map[string]string{"body": string(dead.Body)}
		for _, a := range dead.Attributes {
			got[a.Name] = a.Value
		}
		want := map[string]string{"body": "poison", "colour": "red", queue.AttributeReason: reason, queue.AttributeMessageID: m.ID, queue.AttributeAttempts: "2"}
		want[queue.AttributeQueue], want[queue.AttributeSentAt] = got[queue.AttributeQueue], m.SentAt.Format("2006-01-02T15:04:05.000Z")
		if diff := cmp.Diff(want, got); diff != "" || got[queue.AttributeQueue] == "" {
			t.Errorf("dead letter (-want +got):\n%s", diff)
		}
	}
}

func (s *suite) deadLetterRepeated(t *testing.T) {
	q := s.start(t, visibility)
	m := one(t, q, s.Slack)
	for range 3 {
		bury(t, q, m, "It was poison")
	}
	none(t, q, visibility+2*time.Second)
	bury(t, q, m, "It was poison")
	s.buried(t, q, 1)
}

// deadLetterCrash: a daemon dies between the copy and the removal; the next one gets the message and buries it again.
func (s *suite) deadLetterCrash(t *testing.T) {
	if s.CopyDeadLetter == nil {
		t.Skip("the adapter buries in one step")
	}
	q := s.start(t, visibility)
	m := one(t, q, s.Slack)
	s.CopyDeadLetter(t, q, m, "It was poison")
	_ = q.Close()
	next := s.start(t, visibility)
	again := receive(t, next, 1, visibility+s.Slack)[0]
	s.CopyDeadLetter(t, next, again, "It was poison, the second time")
	bury(t, next, again, "It was poison, the second time")
	none(t, next, visibility+2*time.Second)
	s.buried(t, next, 1)
}

// deadLetterMany: several daemons bury the same and other messages at a time.
func (s *suite) deadLetterMany(t *testing.T) {
	const n = 20
	q := s.start(t, long)
	send(t, q, n)
	failed := make(chan error, 2*n)
	for _, m := range receive(t, q, n, s.Slack) {
		for range 2 {
			go func() { failed <- q.DeadLetter(t.Context(), m, "It was poison") }()
		}
	}
	for range 2 * n {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	bodies := map[string]int{}
	for _, dead := range s.buried(t, q, n) {
		bodies[string(dead.Body)]++
	}
	for i := range n {
		if body := fmt.Sprint(i); s.DeadLetters != nil && bodies[body] != 1 {
			t.Errorf("message %s was buried %d times", body, bodies[body])
		}
	}
}
