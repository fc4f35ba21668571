// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package servers starts real brokers on loopback, and other programs that tests stop and kill. I/O. Only tests import it.
package servers

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// Server is a broker with a store of its own, which it finds again when it was killed.
type Server struct {
	*Process
	// Provider of its queues.
	Provider contract.Provider
	// Address is its host and port, always the same.
	Address string
	// Credentials are those of a queue's Secret; nil: it asks for none.
	Credentials map[string]string
	// beside runs with it.
	beside *Process
}

// kinds make servers that were not started yet, in a folder.
var kinds = map[contract.Provider]struct {
	variable string
	// installed says what is missing.
	installed func() error
	make      func(dir string, flags []string) (*Server, error)
}{
	contract.NATS:     {"NATS_SERVER", variable("NATS_SERVER"), natsServer},
	contract.Redis:    {"BROKERS", packages("redis-server"), redisServer},
	contract.RabbitMQ: {"BROKERS", packages(rabbitProgram, "epmd"), rabbitServer},
	contract.SQS:      {"FAUXQS", variable("FAUXQS"), sqsServer},
}

// Start starts a server for one test, with more flags of its own. Without the program it skips, as Need does.
func Start(t *testing.T, provider contract.Provider, flags ...string) *Server {
	t.Helper()
	Need(t, provider)
	s, err := New(provider, t.TempDir(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.End)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// Need skips the test where the broker's program is missing, and fails it where it must not be: in the integration tests of CI,
// and where the environment says that it is there.
func Need(t *testing.T, provider contract.Provider) {
	t.Helper()
	kind := kinds[provider]
	err := kind.installed()
	switch {
	case err == nil:
	case os.Getenv(kind.variable) != "", os.Getenv("CI") == "true" && os.Getenv("KUBEBUILDER_ASSETS") != "":
		t.Fatalf("%v; make test-integration brings it", err)
	default:
		t.Skipf("%v; make test-integration brings it", err)
	}
}

// New makes a server with its files in dir, for callers that start and end it themselves.
func New(provider contract.Provider, dir string, flags ...string) (*Server, error) {
	s, err := kinds[provider].make(dir, flags)
	if err != nil {
		return nil, err
	}
	s.Provider, s.Name = provider, string(provider)
	return s, nil
}

// Start starts the server, and what it needs beside it.
func (s *Server) Start() error {
	if s.beside != nil && s.beside.command == nil {
		if err := s.beside.Start(); err != nil {
			return err
		}
	}
	return s.Process.Start()
}

// End kills all of it.
func (s *Server) End() {
	s.Kill()
	if s.beside != nil {
		s.beside.Kill()
	}
}

// URL is where clients find it.
func (s *Server) URL() string {
	scheme := map[contract.Provider]string{contract.NATS: "nats", contract.Redis: "redis", contract.RabbitMQ: "amqp", contract.SQS: "http"}[s.Provider]
	return scheme + "://" + s.Address
}

func variable(name string) func() error {
	return func() error {
		program := os.Getenv(name)
		if program == "" {
			return fmt.Errorf("%s does not say where the server is", name)
		}
		_, err := os.Stat(program)
		return err
	}
}

func packages(programs ...string) func() error {
	return func() error {
		if os.Getenv("BROKERS") == "" {
			return fmt.Errorf("BROKERS does not say that %s is installed", programs[0])
		}
		for _, program := range programs {
			if _, err := exec.LookPath(program); err != nil {
				return err
			}
		}
		return nil
	}
}
