// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package workerd

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// pollWait is one long poll.
	pollWait = 20 * time.Second
	// The pauses after a failed poll.
	minPollPause, maxPollPause = 250 * time.Millisecond, 10 * time.Second
)

// slots are the POSTs that may be in flight: one token each.
type slots chan struct{}

func newSlots(n int) slots {
	s := make(slots, n)
	s.put(n)
	return s
}

// take waits for one free slot and takes all that are free; 0 when ctx ended first.
func (s slots) take(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case <-s:
	}
	for n := 1; ; n++ {
		select {
		case <-s:
		default:
			return n
		}
	}
}

func (s slots) put(n int) {
	for range n {
		s <- struct{}{}
	}
}

// pull receives while the application takes connections, until ctx ends. Each message gets a goroutine in handled.
func (d *Daemon) pull(ctx context.Context, handled *sync.WaitGroup) {
	for ctx.Err() == nil {
		open := d.gate.await(ctx)
		pause := minPollPause
		for open.Err() == nil {
			if d.pullOnce(open, handled) {
				pause = minPollPause
				continue
			}
			sleep(open, pause/2+rand.N(pause/2))
			pause = min(2*pause, maxPollPause)
		}
	}
}

// pullOnce fills the free slots, and says whether the broker answered.
func (d *Daemon) pullOnce(open context.Context, handled *sync.WaitGroup) bool {
	free := d.slots.take(open)
	if free == 0 {
		return true
	}
	messages, err := d.queue.Receive(open, free, pollWait)
	d.slots.put(free - len(messages))
	now := time.Now()
	for _, m := range messages {
		d.metrics.Received.Inc()
		d.metrics.InFlight.Set(float64(d.inFlight.Add(1)))
		h := d.keeper.hold(m, now)
		handled.Go(func() {
			d.handle(open, h)
			d.keeper.forget(h)
			d.metrics.InFlight.Set(float64(d.inFlight.Add(-1)))
			d.slots.put(1)
		})
	}
	if err != nil && open.Err() == nil {
		d.metrics.PollErrors.Inc()
		d.report.failed(err)
		d.log.Warn("Receiving failed", "error", err.Error())
		return false
	}
	if err == nil {
		d.report.answered()
	}
	return true
}
