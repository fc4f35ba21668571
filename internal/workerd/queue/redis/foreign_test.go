// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"strings"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

func TestContent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fields     []string
		body       string
		attributes []queue.Attribute
	}{
		"body and attributes": {[]string{"b", "2", "body", "x", "a", "1"}, "x", []queue.Attribute{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}},
		"one field":           {[]string{"payload", "x"}, "x", nil},
		"several fields":      {[]string{"b", "2", "a", `"`}, `{"a":"\"","b":"2"}`, nil},
		"repeated":            {[]string{"body", "first", "body", "second"}, "first", nil},
		"empty body":          {[]string{"body", "", "a", "1"}, "", []queue.Attribute{{Name: "a", Value: "1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, attributes := content(test.fields)
			if string(body) != test.body {
				t.Errorf("body %q, want %q", body, test.body)
			}
			if diff := cmp.Diff(test.attributes, attributes); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestForeignStream: others made it, write what they like, and read it in a group of their own.
func TestForeignStream(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	db := s.db(t)
	add := func(id string, values ...any) {
		t.Helper()
		if err := db.XAdd(t.Context(), &client.XAddArgs{Stream: "orders", ID: id, Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	add("5-1", "b", "2", "a", "1")
	if err := db.XGroupCreate(t.Context(), "orders", "audit", "0").Err(); err != nil {
		t.Fatal(err)
	}
	c := s.coordinates("orders")
	c.Generated = false
	q := s.open(t, c, plain("a"))
	m := mustReceive(t, q, 1)[0]
	if m.ID != "5-1" || string(m.Body) != `{"a":"1","b":"2"}` || time.Since(m.SentAt) > time.Minute {
		t.Errorf("received %s, %s, sent at %v", m.ID, m.Body, m.SentAt)
	}
	if err := q.DeadLetter(t.Context(), m, "It was poison"); err != nil {
		t.Fatal(err)
	}
	dead := db.XRange(t.Context(), "orders-dead", "-", "+").Val()
	if len(dead) != 1 || dead[0].Values["a"] != "1" || dead[0].Values["b"] != "2" || dead[0].Values[queue.AttributeReason] != "It was poison" {
		t.Errorf("dead letters: %v", dead)
	}
	if n := db.XLen(t.Context(), "orders").Val(); n != 1 {
		t.Errorf("the other group's entry is gone: %d are left", n)
	}
	if !strings.Contains(strings.Join(q.Warnings(), "\n"), "2 consumer groups") {
		t.Errorf("warnings: %q", q.Warnings())
	}
	add("*", "body", "new")
	if d, err := q.Depth(t.Context()); err != nil || d.Waiting != 1 || d.Dead != 1 {
		t.Errorf("depth: %+v, %v", d, err)
	}
}

// TestOrphans: what another program took in our group and dropped comes to us; so does what our own sets forgot.
func TestOrphans(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	db := s.db(t)
	q := s.open(t, s.coordinates("orders"), plain("a"))
	mustSend(t.Context(), t, q, "0", "1")
	if err := db.XReadGroup(t.Context(), &client.XReadGroupArgs{Group: "shop-worker", Consumer: "script", Streams: []string{"orders", ">"}, Count: 1}).Err(); err != nil {
		t.Fatal(err)
	}
	mustReceive(t, q, 1)
	if err := db.Del(t.Context(), q.keys[1]).Err(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2100 * time.Millisecond)
	next := s.open(t, s.coordinates("orders"), plain("b"))
	for _, m := range mustReceive(t, next, 2) {
		if m.Attempt != 2 {
			t.Errorf("message %s is at attempt %d, want 2", m.Body, m.Attempt)
		}
		if err := next.Delete(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	consumers := db.XInfoConsumers(t.Context(), "orders", "shop-worker").Val()
	if len(consumers) != 2 || db.XLen(t.Context(), "orders").Val() != 0 || db.Exists(t.Context(), q.keys[1:]...).Val() != 0 {
		t.Errorf("consumers after one left: %v; keys of the queue: %v", consumers, db.Keys(t.Context(), "*").Val())
	}
}
