// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

var login = map[string]string{"username": "guest", "password": "guest"}

// server is a RabbitMQ node of the tests' own.
type server struct{ *servers.Server }

var shared = servers.Shared{Provider: contract.RabbitMQ}

func TestMain(m *testing.M) {
	code := m.Run()
	shared.End()
	os.Exit(code)
}

// common is the server of all tests that leave it running.
func common(t *testing.T) *server {
	t.Helper()
	return &server{shared.Start(t)}
}

// turn is held by the one test with a server of its own: nodes take their memory and time.
var turn sync.Mutex

// alone is a server that the test may kill. It reads the configuration.
func alone(t *testing.T, configuration string) *server {
	t.Helper()
	servers.Need(t, contract.RabbitMQ)
	turn.Lock()
	t.Cleanup(turn.Unlock)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rabbitmq.conf"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := servers.New(contract.RabbitMQ, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.End)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return &server{s}
}

func (s *server) coordinates(name string) contract.Coordinates {
	return contract.Coordinates{Provider: contract.RabbitMQ, URL: s.URL() + "/", Name: name, Generated: true}
}

func (s *server) open(t *testing.T, c contract.Coordinates, o queue.Options) *Queue {
	t.Helper()
	q, err := Open(t.Context(), c, o, login)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q.(*Queue)
}

// channel is a client beside the adapter.
func (s *server) channel(t *testing.T) *amqp.Channel {
	t.Helper()
	c, err := amqp.Dial(strings.Replace(s.URL(), "://", "://guest:guest@", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	channel, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return channel
}

func usual(consumer string) queue.Options {
	return queue.Options{Visibility: 2 * time.Second, Retention: time.Hour, MaxAttempts: 10, MaxInFlight: 20, Consumer: consumer}
}

func mustReceive(t *testing.T, q queue.Queue, n int) []*queue.Message {
	t.Helper()
	var (
		got  []*queue.Message
		last error
	)
	// A node that has just started may answer with errors for a while.
	for end := time.Now().Add(time.Minute); len(got) < n && time.Now().Before(end); {
		more, err := q.Receive(t.Context(), n-len(got), time.Second)
		if err != nil {
			last = err
			time.Sleep(200 * time.Millisecond)
		}
		got = append(got, more...)
	}
	if len(got) != n {
		t.Fatalf("received %d messages, want %d; last error: %v", len(got), n, last)
	}
	return got
}

func mustSend(t *testing.T, q queue.Queue, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := q.Send(t.Context(), "", []byte(body), nil); err != nil {
			t.Fatalf("Send: %v", err)
		}
	}
}
