// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package workerd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

const (
	// measureEvery is how often the broker is asked for its depth, which also counts as a poll while all slots are taken.
	measureEvery = 15 * time.Second
	// pollLimit is Beanstalk's: a queue that nobody polled for so long is a red environment.
	pollLimit = 3 * time.Minute
	// readyTimeout is shorter than a kubelet's patience.
	readyTimeout = 2 * time.Second
)

// report is what the daemon knows about itself.
type report struct {
	draining atomic.Bool

	mu sync.Mutex
	// polled is when the broker last answered, zero until then.
	started, polled time.Time
	// problem is why the broker last did not answer, empty if it did.
	problem string
	depth   queue.Depth
}

func (r *report) init() {
	r.started, r.depth = time.Now(), queue.Depth{Waiting: -1, InFlight: -1, Dead: -1, Oldest: -1}
}

func (r *report) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.polled, r.problem = time.Now(), ""
}

func (r *report) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problem = err.Error()
}

// measure asks for the depth until ctx ends.
func (d *Daemon) measure(ctx context.Context) {
	for {
		calling, stop := context.WithTimeout(ctx, callTimeout)
		depth, err := d.queue.Depth(calling)
		stop()
		if err == nil {
			d.report.answered()
			d.report.mu.Lock()
			d.report.depth = depth
			d.report.mu.Unlock()
			d.metrics.Measured(depth)
		} else if ctx.Err() == nil {
			d.log.Warn("Asking for the queue's depth failed", "error", err.Error())
		}
		if !sleep(ctx, measureEvery) {
			return
		}
	}
}

// Status says what the daemon does now.
func (d *Daemon) Status() contract.Status {
	d.report.mu.Lock()
	defer d.report.mu.Unlock()
	since := d.report.polled
	if since.IsZero() {
		since = d.report.started
	}
	s := contract.Status{
		InFlight: int(d.inFlight.Load()), Polled: int(time.Since(since).Seconds()), Draining: d.report.draining.Load(),
		Waiting: d.report.depth.Waiting, Dead: d.report.depth.Dead, Oldest: -1,
	}
	if d.report.depth.Oldest >= 0 {
		s.Oldest = int64(d.report.depth.Oldest.Seconds())
	}
	if leading := d.leading.Load(); leading != nil {
		s.Leader = (*leading)()
	}
	return s
}

// Ready says why the daemon is not ready, or nil.
func (d *Daemon) Ready(ctx context.Context) error {
	d.report.mu.Lock()
	polled, problem := d.report.polled, d.report.problem
	d.report.mu.Unlock()
	if d.report.draining.Load() {
		return errDrained
	}
	if polled.IsZero() {
		return fmt.Errorf("the queue is not open yet: %s", problem)
	}
	if silent := time.Since(polled); silent > pollLimit {
		return fmt.Errorf("the broker did not answer for %s, %s allowed: %s", silent.Round(time.Second), pollLimit, problem)
	}
	ctx, stop := context.WithTimeout(ctx, readyTimeout)
	defer stop()
	if err := d.poster.Probe(ctx); err != nil {
		return fmt.Errorf("the application does not answer: %w", err)
	}
	return nil
}

// Handler serves /healthz, /readyz and /status.
func (d *Daemon) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := d.Ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(d.Status())
	})
	return mux
}
