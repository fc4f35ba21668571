// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// server is a NATS server on loopback that keeps its store when it is killed.
type server struct {
	program, dir string
	port         int
	lock         sync.Mutex
	command      *exec.Cmd
}

// startServer runs the program that make test-integration builds.
func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{program: os.Getenv("NATS_SERVER"), dir: t.TempDir()}
	if s.program == "" {
		if os.Getenv("CI") == "true" && os.Getenv("KUBEBUILDER_ASSETS") != "" { // the integration tests; unit tests have only Go
			t.Fatal("NATS_SERVER does not say where the server is; make test-integration does")
		}
		t.Skip("NATS_SERVER does not say where the server is; make test-integration does")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

func (s *server) url() string { return "nats://127.0.0.1:" + strconv.Itoa(s.port) }

func (s *server) start(t *testing.T) {
	t.Helper()
	s.lock.Lock()
	defer s.lock.Unlock()
	s.command = exec.Command(s.program, "-a", "127.0.0.1", "-p", strconv.Itoa(s.port), "-js", "-sd", s.dir, "-l", s.dir+"/log")
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port)); err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(s.dir + "/log")
			t.Fatalf("the NATS server does not listen:\n%s", log)
		}
	}
}

// kill is SIGKILL.
func (s *server) kill() {
	s.lock.Lock()
	defer s.lock.Unlock()
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}
