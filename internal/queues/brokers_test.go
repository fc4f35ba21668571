// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/queues"
	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// TestRealBroker looks at a generated queue that nobody consumes yet, and scales from zero when 1000 messages come. Then the queue is
// not deleted before it is empty, or forced.
func TestRealBroker(t *testing.T) {
	t.Parallel()
	config := contract.Config{
		Queue:       contract.Coordinates{Provider: contract.NATS, URL: servers.Start(t, contract.NATS).URL(), Name: "jobs", Group: "jobs", Generated: true},
		Connections: 50, VisibilityTimeout: 300, Retention: 3600, MaxRetries: 10,
	}
	s := queues.SourceOf(config, "shop", "", "")
	p := start(t, queues.Brokers, nil)
	p.Watch(named("jobs"), request(s, 0, 0))
	for end := time.Now().Add(10 * time.Second); p.Watch(named("jobs"), request(s, 0, 0)).At.IsZero(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing is known: %+v", p.Watch(named("jobs"), request(s, 0, 0)))
		}
	}
	q, err := queues.Brokers(t.Context(), config.Queue, s.Options, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	for range 1000 {
		if err := q.Send(t.Context(), "", []byte("{}"), nil); err != nil {
			t.Fatal(err)
		}
	}
	sent := time.Now()
	var last queues.Reading
	for last.Decision.Replicas < 10 {
		woken(t, p)
		last = p.Watch(named("jobs"), request(s, 0, 0))
	}
	t.Logf("10 instances %s after the last of 1000 messages: %s", time.Since(sent), last.Decision.Reason)
	if took := time.Since(sent); took > 2*time.Second {
		t.Errorf("that took %s, want 2s at most", took)
	}
	p.Forget(named("jobs"))
	deleteBoth(t, s)
}

func deleteBoth(t *testing.T, s queues.Source) {
	t.Helper()
	var full *queues.NotEmptyError
	d := queues.NewDeleter(queues.Brokers, nil)
	if _, err := d.Delete(t.Context(), s, consenting(false)); !errors.As(err, &full) || full.Depth.Waiting != 1000 {
		t.Errorf("Delete: %v, want that 1000 messages wait", err)
	}
	if depth, err := d.Delete(t.Context(), s, consenting(true)); err != nil || depth.Waiting != 1000 {
		t.Errorf("Delete: %+v, %v", depth, err)
	}
	if depth, err := d.Delete(t.Context(), s, consenting(false)); err != nil || depth != (queue.Depth{}) {
		t.Errorf("Delete once more: %+v, %v, want nothing to do", depth, err)
	}
	there := s.Coordinates
	there.Generated = false
	if _, err := queues.Brokers(context.Background(), there, s.Options, nil); err == nil || !strings.Contains(err.Error(), "there is no stream jobs") {
		t.Errorf("the stream after Delete: %v, want that there is none", err)
	}
}
