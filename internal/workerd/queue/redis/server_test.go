// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"fmt"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// server is a Redis of the test's own.
type server struct{ *servers.Server }

func newServer(t *testing.T, flags ...string) *server {
	t.Helper()
	return &server{servers.Start(t, contract.Redis, flags...)}
}

func (s *server) coordinates(name string) contract.Coordinates {
	return contract.Coordinates{Provider: contract.Redis, URL: s.URL(), Name: name, Group: "shop-worker", Generated: true}
}

func (s *server) open(t *testing.T, c contract.Coordinates, o queue.Options) *Queue {
	t.Helper()
	q, err := Open(t.Context(), c, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q.(*Queue)
}

// db is a client beside the adapter.
func (s *server) db(t *testing.T) *client.Client {
	t.Helper()
	db := client.NewClient(&client.Options{Addr: s.Address, Protocol: 2})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// plain are options of most tests.
func plain(consumer string) queue.Options {
	return queue.Options{Visibility: 2 * time.Second, Retention: time.Hour, MaxAttempts: 10, MaxInFlight: 20, Consumer: consumer}
}

func mustReceive(t *testing.T, q queue.Queue, n int) []*queue.Message {
	t.Helper()
	var got []*queue.Message
	for end := time.Now().Add(10 * time.Second); len(got) < n && time.Now().Before(end); {
		more, err := q.Receive(t.Context(), n-len(got), time.Second)
		if err != nil {
			t.Fatalf("Receive: %v", err)
		}
		got = append(got, more...)
	}
	if len(got) != n {
		t.Fatalf("received %d messages, want %d", len(got), n)
	}
	return got
}

func mustSend(ctx context.Context, t *testing.T, q queue.Queue, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := q.Send(ctx, "", []byte(body), nil); err != nil {
			t.Fatal(fmt.Errorf("Send: %w", err))
		}
	}
}
