// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/nats"
)

// The most that one daemon holds, and how many daemons hold a thousand.
const (
	most    = 100
	several = 1000 / most
)

// TestMemory holds a thousand messages in real daemons, as many in each as it may hold.
func TestMemory(t *testing.T) {
	broker := servers.Start(t, contract.NATS)
	program := filepath.Join(t.TempDir(), "workerd")
	if out, err := exec.Command("go", "build", "-o", program, "../../../cmd/workerd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var held atomic.Int64
	release := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		held.Add(1)
		<-release
	}))
	t.Cleanup(app.Close)
	t.Cleanup(func() { close(release) })
	at := contract.Coordinates{Provider: contract.NATS, URL: broker.URL(), Name: "memory", Group: "bench", Generated: true}
	config, err := contract.Config{
		Queue: at, Application: app.URL, Path: "/", MimeType: "application/json", Connections: most, ConnectTimeout: 5, InactivityTimeout: 600,
		VisibilityTimeout: 600, ErrorVisibilityTimeout: 2, Retention: 3600, MaxRetries: 10, Drain: 1,
	}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var daemons []*servers.Process
	for i := range several {
		d := &servers.Process{
			Name: fmt.Sprintf("daemon %d", i), Log: filepath.Join(t.TempDir(), "log"), Program: program, Speaks: true,
			Args: []string{"-address", "127.0.0.1:0", "-credentials", t.TempDir()}, Env: []string{contract.EnvConfig + "=" + config, "GOMEMLIMIT=230MiB"},
		}
		t.Cleanup(d.Kill)
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
		daemons = append(daemons, d)
	}
	time.Sleep(5 * time.Second) // all of them wait for messages
	idle := resident(t, daemons)
	q, err := nats.Open(t.Context(), at, options(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	for range 1000 {
		if err := q.Send(t.Context(), "", bytes.Repeat([]byte("x"), size), nil); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(time.Minute); held.Load() < 1000; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d messages are held, want 1000", held.Load())
		}
	}
	busy := resident(t, daemons)
	t.Logf("bench-worker: a daemon without messages takes %.1f MiB; 1000 messages of %d bytes in flight take %.1f MiB more (%d daemons with %d each)",
		idle/several, size, busy-idle, several, most)
	if limit := 50.0; busy-idle > limit {
		t.Errorf("1000 messages in flight take %.1f MiB, want %v at most", busy-idle, limit)
	}
}

// resident is the memory of all together, in MiB.
func resident(t *testing.T, all []*servers.Process) (sum float64) {
	t.Helper()
	for _, p := range all {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "VmRSS:")
		var kilobytes float64
		if _, err := fmt.Sscanf(rest, "%f kB", &kilobytes); err != nil {
			t.Fatal(err)
		}
		sum += kilobytes / 1024
	}
	return sum
}
