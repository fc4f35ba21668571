// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package periodic

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// world is a queue, an elector and a clock that a test moves.
type world struct {
	queue.Queue
	mu     sync.Mutex
	now    time.Time
	sent   []string
	leader string
	until  time.Time
	record []byte
	// fifo makes the queue one; failing makes calls of that name fail: "Send", "Keep", "Elect" or "all".
	fifo    bool
	failing string
}

func newWorld() *world { return &world{now: time.Date(2026, 11, 28, 10, 0, 30, 0, time.UTC)} }

func (w *world) Now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
func (w *world) After(time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1)
	c <- time.Time{}
	return c
}
func (w *world) FIFO() bool { return w.fifo }

func (w *world) fails(call string) error {
	if w.failing == call || w.failing == "all" {
		return errors.New("the broker is away")
	}
	return nil
}

func (w *world) Send(_ context.Context, key string, body []byte, list []queue.Attribute) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if key == "" || string(body) != contract.TaskBody {
		return fmt.Errorf("key %q, body %q", key, body)
	}
	values := map[string]string{}
	for _, a := range list {
		values[a.Name] = a.Value
	}
	if err := w.fails("Send"); err != nil {
		return err
	}
	w.sent = append(w.sent, values[contract.AttributeTask]+" "+values[contract.AttributePath]+" "+values[contract.AttributeScheduled])
	return nil
}

func (w *world) Elect(_ context.Context, holder string, ttl time.Duration) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fails("Elect"); err != nil {
		return "", err
	}
	if w.leader == "" || w.leader == holder || !w.now.Before(w.until) {
		w.leader, w.until = holder, w.now.Add(ttl)
	}
	return w.leader, nil
}

func (w *world) Resign(_ context.Context, holder string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leader == holder {
		w.leader = ""
	}
	return nil
}

func (w *world) Record(context.Context) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.record, nil
}

func (w *world) Keep(_ context.Context, holder string, record []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leader != holder {
		return errors.New("another one leads")
	}
	if err := w.fails("Keep"); err != nil {
		return err
	}
	w.record = record
	return nil
}

// daemon takes part as a holder, without a goroutine: the test steps it.
func (w *world) daemon(t *testing.T, holder string, tasks ...contract.Task) *Periodic {
	t.Helper()
	p, err := New(Options{Queue: w, Elector: w, Tasks: tasks, Holder: holder, Clock: w})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pass lets time go by second after second; the daemons are stepped at each.
func (w *world) pass(t *testing.T, d time.Duration, daemons ...*Periodic) {
	t.Helper()
	for range int(d / time.Second) {
		w.mu.Lock()
		w.now = w.now.Add(time.Second)
		w.mu.Unlock()
		leaders := 0
		for _, p := range daemons {
			p.step(t.Context())
			if p.Leader() {
				leaders++
			}
		}
		if leaders > 1 {
			t.Fatalf("%d daemons lead at %s", leaders, w.Now())
		}
	}
}

func (w *world) want(t *testing.T, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, w.sent); diff != "" {
		t.Errorf("enqueued: want -, got +:\n%s", diff)
	}
	w.sent = nil
}

var audit = contract.Task{Name: "audit", Path: "/audit", Schedule: "* * * * *"}

func at(clock string) string { return "audit /audit 2026-11-28T" + clock + "Z" }

func TestEachRunIsEnqueuedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.record = []byte(`{"marks":{}}`)
	a, b := w.daemon(t, "a", audit), w.daemon(t, "b", audit)
	w.pass(t, 3*time.Minute, a, b)
	w.want(t, at("10:01:00"), at("10:02:00"), at("10:03:00"))
}

func TestFirstLeaderLooksBack(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.pass(t, 5*time.Second, w.daemon(t, "a", audit))
	w.want(t, at("10:00:00")) // of five missed runs the newest
}

func TestFailOver(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		resigns bool
		gap     time.Duration
		want    []string
	}{
		"after a drain":                  {resigns: true, gap: 100 * time.Second, want: []string{at("10:02:00"), at("10:03:00")}},
		"after a crash":                  {gap: 100 * time.Second, want: []string{at("10:02:00"), at("10:03:00")}},
		"when nobody led for a while":    {resigns: true, gap: -1 * time.Second, want: nil},
		"when nobody led for 20 minutes": {resigns: true, gap: 0, want: []string{at("10:21:00")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.record = []byte(`{"marks":{}}`)
			a, b := w.daemon(t, "a", audit), w.daemon(t, "b", audit)
			w.pass(t, time.Minute, a)
			w.want(t, at("10:01:00"))
			if tt.resigns {
				if err := a.resign(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			switch {
			case tt.gap > 0:
				w.pass(t, tt.gap, b)
			case tt.gap == 0:
				w.pass(t, 20*time.Minute)
				w.pass(t, 5*time.Second, b)
			default:
				w.pass(t, 10*time.Second)
				w.pass(t, 5*time.Second, b)
			}
			w.want(t, tt.want...)
		})
	}
}

// A leader that was stopped for minutes and goes on must not enqueue: another leads by then.
func TestPausedLeaderEnqueuesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.record = []byte(`{"marks":{}}`)
	a, b := w.daemon(t, "a", audit), w.daemon(t, "b", audit)
	w.pass(t, 20*time.Second, a, b)
	w.pass(t, 2*time.Minute, b)
	w.want(t, at("10:01:00"), at("10:02:00"))
	a.sendDueIfLeading(t)
	w.want(t)
}

// sendDueIfLeading is what a paused daemon was about to do.
func (p *Periodic) sendDueIfLeading(t *testing.T) {
	t.Helper()
	if p.leads() {
		t.Fatal("it believes to lead still")
	}
	p.sendDue(t.Context())
}

func TestFailuresAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Send", "Keep", "Elect"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.record = []byte(`{"marks":{}}`)
			a := w.daemon(t, "a", audit)
			w.pass(t, 20*time.Second, a)
			w.failing = call
			w.pass(t, 15*time.Second, a)
			w.failing = ""
			w.pass(t, 20*time.Second, a)
			w.want(t, at("10:01:00"))
			if !strings.Contains(string(w.record), "marks") || a.dirty {
				t.Errorf("the record is %s, dirty %t", w.record, a.dirty)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cron.yaml")
	if err := os.WriteFile(file, []byte("version: 1\ncron:\n- name: audit\n  url: /other\n  schedule: '0 * * * *'\n- name: sweep\n  url: /sweep\n  schedule: '5 * * * *'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Open(newWorld(), contract.Config{CronFile: file, Tasks: []contract.Task{audit}}, "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, task := range p.tasks {
		got = append(got, task.Name+" "+task.Path)
	}
	if diff := cmp.Diff([]string{"audit /audit", "sweep /sweep"}, got); diff != "" {
		t.Errorf("tasks: want -, got +:\n%s", diff)
	}
	w := newWorld()
	w.fifo = true
	if _, err := Open(w, contract.Config{Tasks: []contract.Task{audit}}, "a", nil); !errors.Is(err, ErrFIFO) {
		t.Errorf("a FIFO queue: %v", err)
	}
	if p, err := Open(w, contract.Config{CronFile: file + ".none"}, "a", nil); err != nil || p.Leader() {
		t.Errorf("no tasks: %v", err)
	}
	var plain struct{ queue.Queue }
	if _, err := Open(plain, contract.Config{Tasks: []contract.Task{audit}}, "a", nil); err == nil || !strings.Contains(err.Error(), "NAMESPACE/NAME") {
		t.Errorf("no elector: %v", err)
	}
}
