// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// elector is nil where the broker offers no compare-and-set.
func (s *suite) elector(t *testing.T) queue.Elector {
	t.Helper()
	e, ok := s.start(t, long).(queue.Elector)
	if !ok {
		t.Skip("the adapter elects nobody")
	}
	return e
}

func elect(t *testing.T, e queue.Elector, holder string, ttl time.Duration, want string) {
	t.Helper()
	leader, err := e.Elect(t.Context(), holder, ttl)
	if err != nil || leader != want {
		t.Fatalf("Elect of %s: %q leads, %v; want %s", holder, leader, err, want)
	}
}

func (s *suite) electOne(t *testing.T) {
	a, b := s.elector(t), s.elector(t)
	elect(t, a, "a", 4*time.Second, "a")
	for range 6 { // longer than one term
		elect(t, b, "b", 4*time.Second, "a")
		time.Sleep(time.Second)
		elect(t, a, "a", 4*time.Second, "a")
	}
	elect(t, b, "b", 4*time.Second, "a")
}

func (s *suite) electResign(t *testing.T) {
	a, b := s.elector(t), s.elector(t)
	elect(t, a, "a", long, "a")
	if err := b.Resign(t.Context(), "b"); err != nil {
		t.Errorf("resigning from what another one holds: %v", err)
	}
	elect(t, b, "b", long, "a")
	for range 2 {
		if err := a.Resign(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	elect(t, b, "b", long, "b")
	elect(t, a, "a", long, "b")
}

func (s *suite) electExpiry(t *testing.T) {
	a, b := s.elector(t), s.elector(t)
	elect(t, a, "a", 2*time.Second, "a")
	elect(t, b, "b", 2*time.Second, "a")
	until(t, 2*time.Second+s.Slack, func() string {
		leader, err := b.Elect(t.Context(), "b", long)
		if err != nil || leader != "b" {
			return fmt.Sprintf("the term of a ended, and %q leads, %v", leader, err)
		}
		return ""
	})
	elect(t, a, "a", 2*time.Second, "b")
}

func (s *suite) electRecord(t *testing.T) {
	a, b := s.elector(t), s.elector(t)
	if record, err := a.Record(t.Context()); err != nil || len(record) > 0 {
		t.Fatalf("the record before anybody led: %d bytes, %v", len(record), err)
	}
	if err := a.Keep(t.Context(), "a", []byte("early")); err == nil {
		t.Error("who does not lead may not keep anything")
	}
	elect(t, a, "a", long, "a")
	records := [][]byte{[]byte("one"), bytes.Repeat([]byte{0, 255}, 32*1024), []byte("three")}
	for _, record := range records {
		if err := a.Keep(t.Context(), "a", record); err != nil {
			t.Fatalf("Keep of %d bytes: %v", len(record), err)
		}
		if got, err := b.Record(t.Context()); err != nil || !bytes.Equal(got, record) {
			t.Errorf("Record: %d bytes, %v; %d were kept", len(got), err, len(record))
		}
		elect(t, a, "a", long, "a")
	}
	if err := b.Keep(t.Context(), "b", []byte("usurped")); err == nil {
		t.Error("another one than the leader kept a record")
	}
	if err := a.Resign(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	elect(t, b, "b", long, "b")
	if err := a.Keep(t.Context(), "a", []byte("late")); err == nil {
		t.Error("who led before kept a record")
	}
	if got, err := b.Record(t.Context()); err != nil || string(got) != "three" {
		t.Errorf("the successor reads %.20q, %v", got, err)
	}
}

// electRace: many at once, one leader.
func (s *suite) electRace(t *testing.T) {
	const n = 10
	e := s.elector(t)
	leaders := make(chan string, n)
	for i := range n {
		go func() {
			leader, err := e.Elect(t.Context(), fmt.Sprintf("daemon-%d", i), long)
			if err != nil {
				t.Error(err)
			}
			leaders <- leader
		}()
	}
	first := <-leaders
	for range n - 1 {
		if leader := <-leaders; leader != first || leader == "" {
			t.Errorf("both %q and %q lead", first, leader)
		}
	}
}
