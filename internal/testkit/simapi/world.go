// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
)

// World plays processes and a cluster together on the clock of a store.
type World struct {
	Store   *Store
	Cluster *Cluster
	// Processes take turns.
	Processes []*Process
	// Restart starts another process in place of one that has crashed. Nil: it stays down.
	Restart func(crashed *Process) (*Process, error)
	// Limit is how many turns there may be at one moment, so that two who undo each other's work are found. 0: 1000.
	Limit int
}

const defaultLimit = 1000

// Settle lets everybody act until nothing is pending at this moment.
func (w *World) Settle() error {
	limit := w.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	for range limit {
		if moved, err := w.turn(); err != nil || !moved {
			return err
		}
	}
	return fmt.Errorf("at %s it does not come to rest within %d turns", w.Store.Now().Sub(Begin), limit)
}

func (w *World) turn() (bool, error) {
	for i, p := range w.Processes {
		if p.Step() {
			return true, nil
		}
		if !p.Crashed() || w.Restart == nil {
			continue
		}
		p.Kill()
		next, err := w.Restart(p)
		if err != nil {
			return false, err
		}
		w.Processes[i] = next
		return true, nil
	}
	return w.Cluster.Step(), nil
}

// Next is the next moment at which somebody acts; toy.Never when there is none.
func (w *World) Next() time.Time {
	next := w.Cluster.Next()
	for _, p := range w.Processes {
		if at := p.Next(); !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}

// RunUntil settles and moves the clock from event to event until a condition holds at rest. It fails when nothing is planned any
// more, or when more than so much time has passed.
func (w *World) RunUntil(most time.Duration, done func() bool) error {
	end := w.Store.Now().Add(most)
	for {
		if err := w.Settle(); err != nil {
			return err
		}
		if done() {
			return nil
		}
		next := w.Next()
		if next.Equal(toy.Never) || next.After(end) {
			return fmt.Errorf("after %s it has not happened, and the next event is at %s", w.Store.Now().Sub(Begin), next.Sub(Begin))
		}
		w.Store.AdvanceTo(next)
	}
}

// RunFor plays that much time.
func (w *World) RunFor(d time.Duration) error {
	end := w.Store.Now().Add(d)
	for {
		if err := w.Settle(); err != nil {
			return err
		}
		next := w.Next()
		if next.After(end) {
			w.Store.AdvanceTo(end)
			return w.Settle()
		}
		w.Store.AdvanceTo(next)
	}
}
