// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package workerd

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// The pauses between questions whether the application takes connections.
	minProbePause, maxProbePause = 200 * time.Millisecond, 5 * time.Second
	probeTimeout                 = 5 * time.Second
)

// gate is the circuit breaker between the queue and the application: nothing is received while the application does not
// answer, and it is asked ever more slowly.
type gate struct {
	probe func(context.Context) error
	log   *slog.Logger

	mu    sync.Mutex
	close context.CancelFunc
	pause time.Duration
}

// await asks the application until it answers. The context that it returns ends when the gate is shut, or with ctx.
func (g *gate) await(ctx context.Context) context.Context {
	for said := false; ; {
		g.mu.Lock()
		pause := g.pause
		g.mu.Unlock()
		if !sleep(ctx, pause) {
			return ctx
		}
		asking, stop := context.WithTimeout(ctx, probeTimeout)
		err := g.probe(asking)
		stop()
		if err == nil {
			break
		}
		if !said {
			said = true
			g.log.Info("Waiting for the application", "error", err.Error())
		}
		g.slower()
	}
	g.log.Info("The application answers")
	open, stop := context.WithCancel(ctx)
	g.mu.Lock()
	g.close = stop
	g.mu.Unlock()
	return open
}

// shut stops receiving until the application answers again.
func (g *gate) shut(why error) {
	g.mu.Lock()
	stop := g.close
	g.close = nil
	g.mu.Unlock()
	if stop == nil {
		return
	}
	g.log.Warn("Receiving stops until the application answers", "error", why.Error())
	g.slower()
	stop()
}

// slower lengthens the pause before the next question; faster forgets it, once a message got through.
func (g *gate) slower() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pause = min(max(2*g.pause, minProbePause), maxProbePause)
}

func (g *gate) faster() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pause = 0
}
