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

	"github.com/beanpod-dev/beanpod/internal/workerd/metrics"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// held is one message that the daemon holds.
type held struct {
	*queue.Message
	// mu is locked during an extension: who lets the message go waits for that.
	mu sync.Mutex
	// expires is when the broker gives the message to somebody else, extended when its next extension is due.
	expires, due time.Time
	// let is true once the message needs no extension any more.
	let bool
	// lost is true once the broker said that the message is not ours.
	lost bool
	// ending is true once the message's end was asked for: what the broker says to an extension then is no news.
	ending atomic.Bool
}

// letGo ends the extensions: none is under way when it returns, and none will come.
func (h *held) letGo() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.let = true
}

// until is when the message is not ours any more.
func (h *held) until() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.expires
}

// lose notes that the message is not ours, and says whether that is news.
func (h *held) lose() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.lost
	h.let, h.lost = true, true
	return !was
}

// keeper extends what is held, at each third of the window. One loop looks at all of them; an extension itself runs beside it,
// so that a slow one does not hold up the others.
type keeper struct {
	queue   queue.Queue
	window  time.Duration
	metrics *metrics.Metrics
	log     *slog.Logger

	mu   sync.Mutex
	held map[*held]bool
}

func newKeeper(q queue.Queue, window time.Duration, m *metrics.Metrics, log *slog.Logger) *keeper {
	return &keeper{queue: q, window: window, metrics: m, log: log, held: map[*held]bool{}}
}

func (k *keeper) hold(m *queue.Message, now time.Time) *held {
	h := &held{Message: m, expires: now.Add(k.window), due: now.Add(k.window / 3)}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held[h] = true
	return h
}

func (k *keeper) forget(h *held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.held, h)
}

// run extends until ctx ends, and waits for what is under way.
func (k *keeper) run(ctx context.Context) {
	// Twelve looks per window: an extension is late by a quarter of its third at most.
	ticker := time.NewTicker(k.window / 12)
	defer ticker.Stop()
	var under sync.WaitGroup
	defer under.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, h := range k.dueAt(now) {
				under.Go(func() { k.extend(ctx, h) })
			}
		}
	}
}

// dueAt lists what is to be extended now. What is locked is being extended.
func (k *keeper) dueAt(now time.Time) []*held {
	k.mu.Lock()
	defer k.mu.Unlock()
	var due []*held
	for h := range k.held {
		if !h.mu.TryLock() {
			continue
		}
		if !h.let && !h.due.After(now) {
			// Not again at the next look while this extension waits to begin.
			h.due = now.Add(k.window / 12)
			due = append(due, h)
		}
		h.mu.Unlock()
	}
	return due
}

func (k *keeper) extend(ctx context.Context, h *held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.let {
		return
	}
	calling, stop := context.WithTimeout(ctx, k.window/6)
	defer stop()
	start := time.Now()
	err := k.queue.Extend(calling, h.Message, k.window)
	switch {
	case err == nil:
		h.expires, h.due = start.Add(k.window), start.Add(k.window/3)
	case errors.Is(err, queue.ErrGone):
		h.let = true
		if !h.lost && !h.ending.Load() {
			h.lost = true
			k.metrics.Duplicates.Inc()
			k.log.Warn("The message is not held any more and may be processed twice", "message", h.ID)
		}
	default:
		// Tried again at the next look.
		k.log.Warn("Extending a message failed", "message", h.ID, "error", err.Error())
	}
}
