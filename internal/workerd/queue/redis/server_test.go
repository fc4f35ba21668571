// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// server is a Redis of the test's own on loopback, which writes every command to disk before it answers.
type server struct {
	dir, address string
	flags        []string
	command      *exec.Cmd
}

// newServer starts one; the test ends it.
func newServer(t *testing.T, flags ...string) *server {
	t.Helper()
	if os.Getenv("BROKERS") == "" {
		t.Skip("needs redis-server; `make test-integration` installs it and sets BROKERS")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("BROKERS is set, but redis-server is not installed; `make test-integration` installs it")
	}
	s := &server{dir: t.TempDir(), address: freeAddress(t), flags: flags}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (s *server) start(t *testing.T) {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	args := append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always"}, s.flags...)
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	s.command = exec.Command("redis-server", args...)
	s.command.Stdout, s.command.Stderr = log, log
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		connection, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = connection.Close()
			return
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("redis-server does not listen: %s", text)
		}
	}
}

// kill is SIGKILL.
func (s *server) kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

func (s *server) coordinates(name string) contract.Coordinates {
	return contract.Coordinates{Provider: contract.Redis, URL: "redis://" + s.address, Name: name, Group: "shop-worker", Generated: true}
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
	db := client.NewClient(&client.Options{Addr: s.address, Protocol: 2})
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

// freeze stops the server with SIGSTOP, or lets it go on.
func (s *server) freeze(t *testing.T, stop bool) {
	t.Helper()
	signal := syscall.SIGCONT
	if stop {
		signal = syscall.SIGSTOP
	}
	if err := s.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}
