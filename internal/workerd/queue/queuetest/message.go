// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queuetest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

func (s *suite) identity(t *testing.T) {
	q := s.start(t, long)
	before := time.Now()
	send(t, q, 3)
	messages := receive(t, q, 3, s.Slack)
	ids := map[string]bool{}
	for _, m := range messages {
		ids[m.ID] = true
		// Brokers may keep whole seconds, and their clock is this machine's.
		if m.SentAt.Before(before.Add(-2*time.Second)) || m.SentAt.After(time.Now().Add(2*time.Second)) {
			t.Errorf("sent at %v, want about %v", m.SentAt, before)
		}
		if m.SentAt.Location() != time.UTC || m.FirstReceivedAt.Location() != time.UTC {
			t.Errorf("times are not in UTC: %v and %v", m.SentAt, m.FirstReceivedAt)
		}
		if m.FirstReceivedAt.Before(m.SentAt.Add(-2*time.Second)) || m.FirstReceivedAt.After(time.Now().Add(2*time.Second)) {
			t.Errorf("first received at %v, sent at %v", m.FirstReceivedAt, m.SentAt)
		}
		if m.Attempt != 1 {
			t.Errorf("attempt %d at the first delivery", m.Attempt)
		}
	}
	if len(ids) != 3 || ids[""] {
		t.Errorf("IDs of three messages: %v", ids)
	}
	if !s.FirstReceived {
		return
	}
	time.Sleep(1500 * time.Millisecond)
	if err := q.Release(t.Context(), messages[0], 0, true); err != nil {
		t.Fatal(err)
	}
	again := receive(t, q, 1, s.Slack)[0]
	if moved := again.FirstReceivedAt.Sub(messages[0].FirstReceivedAt).Abs(); moved > time.Second {
		t.Errorf("the time of the first delivery moved by %v", moved)
	}
}

func (s *suite) attributes(t *testing.T) {
	q := s.start(t, long)
	want := []queue.Attribute{
		{Name: "A", Value: "1"},
		{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
		{Name: "beanstalk.sqsd.path", Value: "/tasks/nightly"},
		{Name: "colon", Value: "a: b: c"},
		{Name: "edges", Value: "  spaces around  "},
		{Name: "lines", Value: "one\r\ntwo\nthree"},
		{Name: "lower_case-1.x", Value: "-42.5"},
		{Name: "unicode", Value: "größe ✓ 豆"},
	}
	sent := slices.Clone(want)
	slices.Reverse(sent)
	if err := q.Send(t.Context(), "a key", []byte("body"), sent); err != nil {
		t.Fatal(err)
	}
	m := receive(t, q, 1, s.Slack)[0]
	if diff := cmp.Diff(want, m.Attributes); diff != "" {
		t.Errorf("attributes (-sent +received):\n%s", diff)
	}
	if err := q.Release(t.Context(), m, 0, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, receive(t, q, 1, s.Slack)[0].Attributes); diff != "" {
		t.Errorf("attributes of the second delivery (-sent +received):\n%s", diff)
	}
}

func (s *suite) bodies(t *testing.T) {
	q := s.start(t, long)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	bodies := map[string][]byte{
		"short": []byte("{}"), "unicode": []byte("größe ✓ 豆\n"), "256 KB of text": bytes.Repeat([]byte("0123456789abcdef"), 256*1024/16-8),
	}
	if s.EmptyBodies {
		bodies["empty"] = []byte{}
	}
	if s.BinaryBodies {
		bodies["binary"], bodies["256 KB of bytes"] = all, bytes.Repeat(all, 1024)
	}
	for name, body := range bodies {
		if err := q.Send(t.Context(), "", body, []queue.Attribute{{Name: "name", Value: name}}); err != nil {
			t.Fatalf("Send of %s: %v", name, err)
		}
	}
	for _, m := range receive(t, q, len(bodies), s.Slack+5*time.Second) {
		name := m.Attributes[0].Value
		if !bytes.Equal(m.Body, bodies[name]) {
			t.Errorf("%s: %d bytes sent, others received, %d of them", name, len(bodies[name]), len(m.Body))
		}
	}
}
