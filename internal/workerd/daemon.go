// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package workerd

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/dispatch"
	"github.com/beanpod-dev/beanpod/internal/workerd/metrics"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

const (
	// minWindow is the least time for which a message is held: with less, every slow second of the broker is a duplicate.
	minWindow = 3 * time.Second
	// lastCalls is how long the broker may take to confirm what is handed back after the drain.
	lastCalls = 5 * time.Second
)

// errDrained ends the POSTs that outlast the drain.
var errDrained = errors.New("the daemon stops")

// Scheduler enqueues periodic tasks beside the daemon.
type Scheduler interface {
	// Run returns soon after ctx ends. Its error is only told.
	Run(ctx context.Context) error
	// Leader says whether this daemon is the one that enqueues.
	Leader() bool
}

// Parts of a daemon that it does not make itself.
type Parts struct {
	Log      *slog.Logger
	Registry prometheus.Registerer
	// Open connects to the queue; it is called until it succeeds.
	Open func(context.Context, queue.Options) (queue.Queue, error)
	// Schedule makes the Scheduler; nil: there are no periodic tasks.
	Schedule func(queue.Queue) (Scheduler, error)
	// Consumer names this daemon among others on the queue.
	Consumer string
	// Dial connects to the application; nil: the network.
	Dial dispatch.Dial
}

// Daemon is one worker daemon. Run it once.
type Daemon struct {
	config  contract.Config
	parts   Parts
	log     *slog.Logger
	metrics *metrics.Metrics
	poster  *dispatch.Poster
	slots   slots
	gate    gate
	report  report
	// inFlight counts held messages; the puller takes free slots too while it waits.
	inFlight atomic.Int64

	// Set by Run before anything uses them.
	queue  queue.Queue
	keeper *keeper
	// posting ends when the drain does, calling a little later.
	posting, calling context.Context
	leading          atomic.Pointer[func() bool]
}

// New makes a Daemon of a validated configuration.
func New(c contract.Config, p Parts) (*Daemon, error) {
	poster, err := dispatch.New(c, p.Dial)
	if err != nil {
		return nil, err
	}
	d := &Daemon{config: c, parts: p, log: p.Log, metrics: metrics.New(p.Registry), poster: poster, slots: newSlots(c.Connections)}
	d.gate = gate{probe: poster.Probe, log: p.Log}
	d.report.init()
	return d, nil
}

func (d *Daemon) window() time.Duration {
	return max(time.Duration(d.config.VisibilityTimeout)*time.Second, minWindow)
}

// Run works until ctx ends, and then drains: it returns when no message is held any more and the queue is closed.
func (d *Daemon) Run(ctx context.Context) error {
	defer d.poster.Close()
	defer context.AfterFunc(ctx, func() { d.report.draining.Store(true) })()
	if d.queue = d.open(ctx); d.queue == nil {
		return nil
	}
	posting, stopPosting := context.WithCancelCause(context.Background())
	defer stopPosting(nil)
	calling, stopCalling := context.WithCancel(context.Background())
	defer stopCalling()
	d.posting, d.calling = posting, calling
	d.keeper = newKeeper(d.queue, d.window(), d.metrics, d.log)

	var beside sync.WaitGroup
	beside.Go(func() { d.keeper.run(calling) })
	beside.Go(func() { d.measure(calling) })
	beside.Go(func() { d.schedule(ctx) })
	var handled sync.WaitGroup
	d.pull(ctx, &handled)

	d.log.Info("Draining", "inFlight", d.inFlight.Load(), "drainSeconds", d.config.Drain)
	drain := time.Duration(d.config.Drain) * time.Second
	defer time.AfterFunc(drain, func() { stopPosting(errDrained) }).Stop()
	defer time.AfterFunc(drain+lastCalls, stopCalling).Stop()
	handled.Wait()
	stopCalling()
	beside.Wait()
	d.log.Info("Drained")
	return d.queue.Close()
}

// open connects to the queue, for as long as it takes: a broker may come later than its workers.
func (d *Daemon) open(ctx context.Context) queue.Queue {
	o := queue.Options{
		Visibility: d.window(), Retention: time.Duration(d.config.Retention) * time.Second,
		MaxAttempts: d.config.MaxRetries, MaxInFlight: d.config.Connections, Consumer: d.parts.Consumer,
	}
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		q, err := d.parts.Open(ctx, o)
		if err == nil {
			for _, w := range q.Warnings() {
				d.log.Warn("The queue's settings risk messages", "warning", w)
			}
			d.report.answered()
			return q
		}
		d.report.failed(err)
		d.log.Error("Opening the queue failed", "error", err.Error(), "retrySeconds", pause.Seconds())
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// schedule runs the periodic tasks. What is wrong with them does not stop the messages.
func (d *Daemon) schedule(ctx context.Context) {
	if d.parts.Schedule == nil {
		return
	}
	s, err := d.parts.Schedule(d.queue)
	if err != nil {
		d.log.Error("Periodic tasks are off", "error", err.Error())
		return
	}
	leading := s.Leader
	d.leading.Store(&leading)
	if err := s.Run(ctx); err != nil {
		d.log.Warn("Ending the periodic tasks failed", "error", err.Error())
	}
}

// sleep says false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
