// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// broker is a server of its own for each run, which keeps its store when it is killed.
type broker struct {
	*process
	provider contract.Provider
	address  string
	// credentials for everybody.
	credentials map[string]string
	// settles is how long it may not be killed after its queues were made.
	settles time.Duration
	// slow brokers take many seconds to start, so they are seldom killed.
	slow bool
	// counts says that the broker counts deliveries that were given back without an attempt.
	counts bool
}

// halt is SIGTERM, whatever the exit code is then.
func (b *broker) halt() error {
	b.signal(syscall.SIGTERM)
	select {
	case err := <-b.ended:
		b.ended <- err
		return nil
	case <-time.After(time.Minute):
		return errors.New(b.name + " did not end a minute after SIGTERM")
	}
}

func (b *broker) coordinates(address string) contract.Coordinates {
	scheme := map[contract.Provider]string{contract.NATS: "nats", contract.Redis: "redis", contract.RabbitMQ: "amqp"}[b.provider]
	return contract.Coordinates{Provider: b.provider, URL: scheme + "://" + address, Name: "orders", Group: "shop-worker", Generated: true}
}

// brokers start the servers, or skip the test where they are not installed.
var brokers = map[contract.Provider]func(t *testing.T) *broker{contract.NATS: startNATS, contract.Redis: startRedis, contract.RabbitMQ: startRabbitMQ}

func startNATS(t *testing.T) *broker {
	t.Helper()
	program := os.Getenv("NATS_SERVER")
	if program == "" {
		missing(t, "NATS_SERVER does not say where the server is; make test-integration does")
	}
	dir, address := t.TempDir(), freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	return launch(t, contract.NATS, address, &process{log: dir + "/log", program: program, args: []string{"-a", "127.0.0.1", "-p", port, "-js", "-sd", dir}})
}

func startRedis(t *testing.T) *broker {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if os.Getenv("BROKERS") == "" || err != nil {
		missing(t, "needs redis-server; make test-integration installs it and sets BROKERS")
	}
	dir, address := t.TempDir(), freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	return launch(t, contract.Redis, address, &process{log: filepath.Join(dir, "log"), program: program, args: []string{
		"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
	}})
}

// startRabbitMQ starts the server itself, since what is on the PATH wants to become another user, and the mapper of ports that
// it would start otherwise and leave behind.
func startRabbitMQ(t *testing.T) *broker {
	t.Helper()
	const program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	mapper, err := exec.LookPath("epmd")
	if _, missed := os.Stat(program); os.Getenv("BROKERS") == "" || err != nil || missed != nil {
		missing(t, "needs rabbitmq-server; make test-integration installs it and sets BROKERS")
	}
	dir, address := t.TempDir(), freeAddress(t)
	port := func(address string) string { return address[len("127.0.0.1:"):] }
	in := func(name string) string { return filepath.Join(dir, name) }
	mapped, distributed := freeAddress(t), freeAddress(t)
	ports := &process{
		name: "epmd", log: in("epmd"), program: mapper, args: []string{"-port", port(mapped), "-address", "127.0.0.1"},
		ready: func() error { return answers(mapped) },
	}
	t.Cleanup(ports.kill)
	if err := ports.start(); err != nil {
		t.Fatal(err)
	}
	b := launch(t, contract.RabbitMQ, address, &process{log: in("out"), program: program, env: []string{
		"HOME=" + dir, "RABBITMQ_NODENAME=t" + port(address) + "@localhost", "RABBITMQ_MNESIA_BASE=" + in("mnesia"), "RABBITMQ_LOG_BASE=" + in("log"),
		"RABBITMQ_CONFIG_FILE=" + in("rabbitmq"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + in("plugins"), "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT=" + port(address), "RABBITMQ_DIST_PORT=" + port(distributed),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}", "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT=" + port(mapped),
	}})
	b.credentials = map[string]string{"username": "guest", "password": "guest"}
	// RabbitMQ 3.10 writes the list of its quorum queues seconds after it made one, and never finds one again that was younger.
	b.settles, b.slow, b.counts = 6*time.Second, true, true
	return b
}

// missing skips, except in CI, where everything is installed.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func launch(t *testing.T, provider contract.Provider, address string, p *process) *broker {
	t.Helper()
	p.name, p.ready = string(provider), func() error { return answers(address) }
	t.Cleanup(p.kill)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	return &broker{process: p, provider: provider, address: address}
}

func answers(address string) error {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// freeAddress is one on loopback that nobody listens to. The range is below that of outgoing connections, which could take it
// while its server is down.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(15000+randomPort()))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
