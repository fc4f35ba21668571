// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"fmt"
	"testing"
	"time"
)

func (s *suite) depth(t *testing.T) {
	q := s.start(t, long)
	until(t, s.Slack, func() string { return depth(t, q, 0, 0) })
	send(t, q, 3)
	until(t, s.Slack, func() string { return depth(t, q, 3, 0) })
	time.Sleep(1100 * time.Millisecond)
	d, err := q.Depth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Oldest != (d.Oldest >= time.Second && d.Oldest < time.Minute) || !s.Oldest && d.Oldest != -1 {
		t.Errorf("age of the oldest message is %v after 1.1 s", d.Oldest)
	}
	got := receive(t, q, 2, s.Slack)
	until(t, s.Slack, func() string { return depth(t, q, 1, 0) })
	want := int64(-1)
	if s.InFlight {
		want = 2
	}
	if d, err := q.Depth(t.Context()); err != nil || d.InFlight != want {
		t.Errorf("%d messages in flight, %v; want %d", d.InFlight, err, want)
	}
	remove(t, q, got...)
	got = receive(t, q, 1, s.Slack)
	until(t, s.Slack, func() string { return depth(t, q, 0, 0) })
	if d, err := q.Depth(t.Context()); err != nil || s.Oldest && d.Oldest != 0 {
		t.Errorf("age of the oldest message is %v, %v, and none waits", d.Oldest, err)
	}
	remove(t, q, got...)
}

func (s *suite) sendKeys(t *testing.T) {
	q := s.start(t, long)
	for _, key := range []string{"a", "a", "b", "a", "", "", "nightly/2026-11-28T02:00:00Z", "nightly/2026-11-28T02:00:00Z"} {
		if err := q.Send(t.Context(), key, []byte("body of "+key), nil); err != nil {
			t.Fatalf("Send with key %q: %v", key, err)
		}
	}
	want := 8
	if s.Deduplicates {
		want = 5
	}
	remove(t, q, receive(t, q, want, s.Slack)...)
	none(t, q, time.Second)
}

// sendKeyOfDeleted: a message that was sent, worked and deleted is not sent again by who did not know.
func (s *suite) sendKeyOfDeleted(t *testing.T) {
	if !s.Deduplicates {
		t.Skip("the broker does not know keys")
	}
	q := s.start(t, long)
	const key = "nightly/2026-11-28T02:00:00Z"
	if err := q.Send(t.Context(), key, []byte("body"), nil); err != nil {
		t.Fatal(err)
	}
	remove(t, q, receive(t, q, 1, s.Slack)...)
	other := s.start(t, long)
	if err := other.Send(t.Context(), key, []byte("body"), nil); err != nil {
		t.Fatal(err)
	}
	none(t, other, 2*time.Second)
}

func (s *suite) sendConcurrent(t *testing.T) {
	q := s.start(t, long)
	const n = 30
	failed := make(chan error, n)
	for i := range n {
		go func() { failed <- q.Send(t.Context(), "", fmt.Append(nil, i), nil) }()
	}
	for range n {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, m := range receive(t, q, n, s.Slack+5*time.Second) {
		seen[string(m.Body)] = true
	}
	if len(seen) != n {
		t.Errorf("%d messages were sent, %d different ones came", n, len(seen))
	}
}
