// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// program is the server itself; what is on the PATH wants to become another user.
const program = "/usr/lib/rabbitmq/bin/rabbitmq-server"

var login = map[string]string{"username": "guest", "password": "guest"}

// server is a RabbitMQ node of the test's own on loopback, with an epmd of its own.
type server struct {
	dir                string
	port, dist, mapper int
	command            *exec.Cmd
}

var (
	shared = sync.OnceValues(func() (*server, error) {
		dir, err := os.MkdirTemp("", "rabbitmq-")
		if err != nil {
			return nil, err
		}
		s := &server{dir: dir}
		return s, s.start()
	})
	used bool
)

func TestMain(m *testing.M) {
	code := m.Run()
	if used {
		if s, _ := shared(); s != nil {
			s.end()
			_ = os.RemoveAll(s.dir)
		}
	}
	os.Exit(code)
}

func installed(t *testing.T) {
	t.Helper()
	if os.Getenv("BROKERS") == "" {
		t.Skip("needs rabbitmq-server; `make test-integration` installs it and sets BROKERS")
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("BROKERS is set, but rabbitmq-server is not installed; `make test-integration` installs it")
	}
}

var mark sync.Mutex

// common is the server of all tests that leave it running.
func common(t *testing.T) *server {
	t.Helper()
	installed(t)
	mark.Lock()
	used = true
	mark.Unlock()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// turn is held by the one test with a server of its own: nodes take their memory and time.
var turn sync.Mutex

// alone waits for the turn, and ends both with the test.
func (s *server) alone(t *testing.T) {
	t.Helper()
	turn.Lock()
	t.Cleanup(turn.Unlock)
	t.Cleanup(s.end)
}

// alone is a server that the test may kill.
func alone(t *testing.T) *server {
	t.Helper()
	installed(t)
	s := &server{dir: t.TempDir()}
	s.alone(t)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func freePorts() ([3]int, error) {
	var ports [3]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports, err
		}
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// start begins with new ports, or with the ones it had.
func (s *server) start() error {
	if s.port == 0 {
		ports, err := freePorts()
		if err != nil {
			return err
		}
		s.port, s.dist, s.mapper = ports[0], ports[1], ports[2]
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	in := func(name string) string { return filepath.Join(s.dir, name) }
	s.command = exec.Command(program)
	s.command.Env = append(os.Environ(), "HOME="+s.dir, fmt.Sprintf("RABBITMQ_NODENAME=t%d@localhost", s.port),
		"RABBITMQ_MNESIA_BASE="+in("mnesia"), "RABBITMQ_LOG_BASE="+in("log"), "RABBITMQ_CONFIG_FILE="+in("rabbitmq"), "RABBITMQ_ENABLED_PLUGINS_FILE="+in("plugins"),
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", fmt.Sprintf("RABBITMQ_NODE_PORT=%d", s.port), fmt.Sprintf("RABBITMQ_DIST_PORT=%d", s.dist),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}", "ERL_EPMD_ADDRESS=127.0.0.1", fmt.Sprintf("ERL_EPMD_PORT=%d", s.mapper))
	s.command.Stdout, s.command.Stderr = log, log
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the script and the node end together
	if err := s.command.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if c, err := amqp.DialConfig(s.url(), amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{Username: "guest", Password: "guest"}}}); err == nil {
			return c.Close()
		}
	}
	text, _ := os.ReadFile(log.Name())
	return errors.New("rabbitmq-server does not answer: " + string(text))
}

func (s *server) url() string { return fmt.Sprintf("amqp://127.0.0.1:%d/", s.port) }

// kill is SIGKILL for the node.
func (s *server) kill() {
	_ = syscall.Kill(-s.command.Process.Pid, syscall.SIGKILL)
	_ = s.command.Wait()
}

// end kills the node and the epmd that it started, which is known by its port.
func (s *server) end() {
	if s.command == nil || s.command.Process == nil {
		return
	}
	s.kill()
	if pid := listener(s.mapper); pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// listener is the process that listens on a port: its socket's inode is in the table of sockets, and among its descriptors.
func listener(port int) int {
	table, _ := os.ReadFile("/proc/net/tcp")
	inode := ""
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			inode = "socket:[" + f[9] + "]"
		}
	}
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, d := range descriptors {
		if to, _ := os.Readlink(d); inode != "" && to == inode {
			pid, _ := strconv.Atoi(strings.Split(d, "/")[2])
			return pid
		}
	}
	return 0
}

func (s *server) coordinates(name string) contract.Coordinates {
	return contract.Coordinates{Provider: contract.RabbitMQ, URL: s.url(), Name: name, Generated: true}
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
	c, err := amqp.Dial(strings.Replace(s.url(), "://", "://guest:guest@", 1))
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
