// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// broker is a server of its own for each run, which keeps its store when it is killed.
type broker struct {
	*process
	provider contract.Provider
	address  string
}

func (b *broker) coordinates(address string) contract.Coordinates {
	scheme := map[contract.Provider]string{contract.NATS: "nats", contract.Redis: "redis"}[b.provider]
	return contract.Coordinates{Provider: b.provider, URL: scheme + "://" + address, Name: "orders", Group: "shop-worker", Generated: true}
}

// brokers start the servers, or skip the test where they are not installed.
var brokers = map[contract.Provider]func(t *testing.T) *broker{contract.NATS: startNATS, contract.Redis: startRedis}

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
