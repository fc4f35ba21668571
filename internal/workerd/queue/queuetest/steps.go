// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// send puts n messages with the bodies 0, 1, ... into the queue.
func send(t *testing.T, q queue.Queue, n int) {
	t.Helper()
	for i := range n {
		if err := q.Send(t.Context(), "", fmt.Append(nil, i), nil); err != nil {
			t.Fatalf("Send of message %d: %v", i, err)
		}
	}
}

// collect receives until n messages have come or the time is over.
func collect(t *testing.T, q queue.Queue, n int, within time.Duration) []*queue.Message {
	t.Helper()
	var got []*queue.Message
	for end := time.Now().Add(within); len(got) < n && time.Now().Before(end); {
		more, err := q.Receive(t.Context(), n-len(got), min(time.Second, max(time.Until(end), time.Millisecond)))
		if err != nil {
			t.Fatalf("Receive: %v", err)
		}
		if len(more) > n-len(got) {
			t.Fatalf("Receive gave %d messages, %d were asked for", len(more), n-len(got))
		}
		got = append(got, more...)
	}
	return got
}

// receive demands n messages.
func receive(t *testing.T, q queue.Queue, n int, within time.Duration) []*queue.Message {
	t.Helper()
	got := collect(t, q, n, within)
	if len(got) != n {
		t.Fatalf("received %d messages in %v, want %d", len(got), within, n)
	}
	return got
}

// one sends one message and receives it.
func one(t *testing.T, q queue.Queue, within time.Duration) *queue.Message {
	t.Helper()
	send(t, q, 1)
	return receive(t, q, 1, within)[0]
}

// none demands that nothing comes.
func none(t *testing.T, q queue.Queue, during time.Duration) {
	t.Helper()
	if got := collect(t, q, 1, during); len(got) > 0 {
		t.Fatalf("received message %s with body %.40q at attempt %d, want nothing", got[0].ID, got[0].Body, got[0].Attempt)
	}
}

func remove(t *testing.T, q queue.Queue, messages ...*queue.Message) {
	t.Helper()
	for _, m := range messages {
		if err := q.Delete(t.Context(), m); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
}

// same demands that b is a later delivery of a, at the given attempt.
func same(t *testing.T, a, b *queue.Message, attempt int) {
	t.Helper()
	if a.ID != b.ID || string(a.Body) != string(b.Body) {
		t.Errorf("message %s (%.40q) came back as %s (%.40q)", a.ID, a.Body, b.ID, b.Body)
	}
	if b.Attempt != attempt {
		t.Errorf("attempt %d, want %d", b.Attempt, attempt)
	}
	if !a.SentAt.Equal(b.SentAt) {
		t.Errorf("sent at %v, and %v when it came back", a.SentAt, b.SentAt)
	}
}

// until asks again and again, for what brokers count with some delay.
func until(t *testing.T, within time.Duration, ask func() string) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		wrong := ask()
		if wrong == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal(wrong)
		}
	}
}
