// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package workerd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/memory"
)

// application is a real HTTP server that notes what it was asked and answers as told.
type application struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	answer func(w http.ResponseWriter, r *http.Request, body string)
}

func newApplication(t *testing.T, answer func(http.ResponseWriter, *http.Request, string)) *application {
	t.Helper()
	a := &application{answer: answer}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // the health check
			return
		}
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.bodies = append(a.bodies, string(body))
		a.mu.Unlock()
		if a.answer != nil {
			a.answer(w, r, string(body))
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *application) seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.bodies)
}

// running is a daemon that a test stops.
type running struct {
	*Daemon
	stop context.CancelFunc
	done chan error
}

func run(t *testing.T, q queue.Queue, c contract.Config) *running {
	t.Helper()
	d, err := New(c, Parts{
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Consumer: "test",
		Open: func(context.Context, queue.Options) (queue.Queue, error) { return q, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{Daemon: d, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- d.Run(ctx) }()
	t.Cleanup(stop)
	return r
}

// drained stops the daemon and waits for its end.
func (r *running) drained(t *testing.T, within time.Duration) {
	t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(within):
		t.Fatalf("the daemon did not end within %s", within)
	}
}

func settings(address string) contract.Config {
	return contract.Config{
		Queue: contract.Coordinates{Name: "jobs"}, Application: address, HealthPath: "/healthz", Path: "/", MimeType: "application/json", Connections: 4,
		ConnectTimeout: 1, InactivityTimeout: 5, VisibilityTimeout: 30, ErrorVisibilityTimeout: 0, Retention: 3600, MaxRetries: 3, Drain: 5,
	}
}

func newQueue() *memory.Queue {
	return memory.New(queue.Options{Visibility: 30 * time.Second, Retention: time.Hour, MaxAttempts: 3, MaxInFlight: 4})
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func empty(q *memory.Queue) func() bool {
	return func() bool {
		d, err := q.Depth(context.Background())
		return err == nil && d.Waiting+d.InFlight == 0
	}
}

func TestMessagesArePostedAndDeleted(t *testing.T) {
	t.Parallel()
	app, q := newApplication(t, nil), newQueue()
	for _, body := range []string{"a", "b", "c", "d", "e", "f"} {
		q.Put(queue.Message{Body: []byte(body), SentAt: time.Now()})
	}
	r := run(t, q, settings(app.URL))
	until(t, "the queue is empty", empty(q))
	r.drained(t, 5*time.Second)
	got := app.seen()
	slices.Sort(got)
	if want := "a b c d e f"; strings.Join(got, " ") != want {
		t.Errorf("posted %q, want %q", got, want)
	}
}

// Whatever is not 200 fails: the message comes back until it was tried often enough, and then lies in the dead-letter queue once.
func TestFailuresEndInTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"201": 201, "204": 204, "302": 302, "404": 404, "500": 500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app, q := newApplication(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			}), newQueue()
			id := q.Put(queue.Message{Body: []byte("poison"), SentAt: time.Now()})
			r := run(t, q, settings(app.URL))
			until(t, "it is dead", func() bool { return len(q.Dead()) == 1 })
			r.drained(t, 5*time.Second)
			if dead := q.Dead(); dead[0].ID != id || len(app.seen()) != 3 || !strings.Contains(dead[0].Reason, name) {
				t.Errorf("%d posts and %+v, want 3 and message %s because of %s", len(app.seen()), dead, id, name)
			}
		})
	}
}

func TestOldMessagesExpire(t *testing.T) {
	t.Parallel()
	app, q := newApplication(t, nil), newQueue()
	q.Put(queue.Message{Body: []byte("old"), SentAt: time.Now().Add(-2 * time.Hour)})
	r := run(t, q, settings(app.URL))
	until(t, "the queue is empty", empty(q))
	r.drained(t, 5*time.Second)
	if got := app.seen(); len(got) > 0 || len(q.Dead()) > 0 {
		t.Errorf("posted %q, dead %v", got, q.Dead())
	}
}

// A daemon that is told to stop lets POSTs finish, begins none, and hands back what is left.
func TestDrain(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 10)
	app := newApplication(t, func(_ http.ResponseWriter, r *http.Request, body string) {
		begun <- struct{}{}
		if body == "endless" {
			<-r.Context().Done()
			return
		}
		time.Sleep(500 * time.Millisecond)
	})
	q := newQueue()
	q.Put(queue.Message{Body: []byte("endless"), SentAt: time.Now()})
	for range 9 {
		q.Put(queue.Message{Body: []byte("slow"), SentAt: time.Now()})
	}
	c := settings(app.URL)
	c.Drain = 1
	r := run(t, q, c)
	for range 4 {
		<-begun
	}
	r.drained(t, 10*time.Second)
	posts := len(app.seen())
	if posts != 4 {
		t.Errorf("%d POSTs were begun, want the 4 that were under way", posts)
	}
	uncounted := 0
	for _, one := range q.Released() {
		if !one.Counted && one.After == 0 {
			uncounted++
		}
	}
	if uncounted < 1 {
		t.Errorf("the endless message was not handed back uncounted: %+v", q.Released())
	}
}

// While the application takes no connection nothing is received, and what was is handed back uncounted.
func TestAnApplicationThatIsAway(t *testing.T) {
	t.Parallel()
	app, q := newApplication(t, nil), newQueue()
	c := settings(app.URL)
	app.Close()
	q.Put(queue.Message{Body: []byte("a"), SentAt: time.Now()})
	r := run(t, q, c)
	time.Sleep(time.Second)
	d, err := q.Depth(t.Context())
	if err != nil || d.Waiting != 1 || d.InFlight != 0 {
		t.Errorf("depth %+v, %v: it was received", d, err)
	}
	if err := r.Ready(t.Context()); err == nil {
		t.Error("the daemon is ready without an application")
	}
	r.drained(t, 5*time.Second)
	for _, one := range q.Released() {
		if one.Counted {
			t.Errorf("an attempt was counted: %+v", one)
		}
	}
}

// A delete whose answer is lost is said again, and is no duplicate.
func TestALostAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	app, q := newApplication(t, nil), newQueue()
	var mu sync.Mutex
	lost := 0
	q.SetFaults(memory.Faults{After: func(op memory.Op, _ *queue.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if op == memory.Delete && lost < 2 {
			lost++
			return errors.New("the answer was lost")
		}
		return nil
	}})
	q.Put(queue.Message{Body: []byte("a"), SentAt: time.Now()})
	r := run(t, q, settings(app.URL))
	until(t, "two answers were lost", func() bool { mu.Lock(); defer mu.Unlock(); return lost == 2 })
	until(t, "nothing is held", func() bool { return r.Status().InFlight == 0 })
	r.drained(t, 5*time.Second)
	if got := app.seen(); len(got) != 1 {
		t.Errorf("posted %d times", len(got))
	}
}

// A message that takes longer than its visibility stays held.
func TestLongWorkIsExtended(t *testing.T) {
	t.Parallel()
	app := newApplication(t, func(http.ResponseWriter, *http.Request, string) { time.Sleep(4500 * time.Millisecond) })
	q := memory.New(queue.Options{Visibility: minWindow, Retention: time.Hour, MaxAttempts: 3, MaxInFlight: 4})
	c := settings(app.URL)
	c.VisibilityTimeout = 1 // minWindow is used instead
	q.Put(queue.Message{Body: []byte("long"), SentAt: time.Now()})
	r := run(t, q, c)
	until(t, "the queue is empty", empty(q))
	r.drained(t, 10*time.Second)
	if got := app.seen(); len(got) != 1 {
		t.Errorf("posted %d times, want once", len(got))
	}
}
