// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues

import (
	"context"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

const (
	// every is how often the daemons of one Environment are asked; they ask the broker themselves as often.
	every = 15 * time.Second
	// tick is how often it is looked who is due.
	tick = time.Second
	// keep is how long the last answer stands while no daemon answers: one that is busy or restarts is no news of the queue. A daemon that
	// answers nobody for long fails its own probes, and health says that.
	keep = snapshot.SilentAfter
	// atOnce bounds how many Environments are asked about at a time.
	atOnce = 16
)

// Asker asks the daemons at these addresses; those that do not answer are absent.
type Asker interface {
	Ask(ctx context.Context, addresses []string) map[string]contract.Status
}

// Watcher keeps what the daemons of each worker Environment last said. It is a Runnable of the leader.
type Watcher struct {
	asker  Asker
	events chan event.GenericEvent

	mu      sync.Mutex
	watched map[types.NamespacedName]*watch
}

// watch is one Environment. The Watcher's lock guards it.
type watch struct {
	instances map[string]string // address of each instance's daemon, and the instance's name
	due       time.Time
	asking    bool
	queue     snapshot.Queue
	answered  time.Time
}

// NewWatcher makes a Watcher.
func NewWatcher(a Asker) *Watcher {
	return &Watcher{asker: a, events: make(chan event.GenericEvent, 64), watched: map[types.NamespacedName]*watch{}}
}

// Events names Environments of whose queue something else is known than they were told.
func (w *Watcher) Events() <-chan event.GenericEvent { return w.events }

// NeedLeaderElection says that one operator of several asks.
func (w *Watcher) NeedLeaderElection() bool { return true }

// Look says which instances an Environment has, by the address of each, and returns what is known of its queue. It asks nobody.
func (w *Watcher) Look(name types.NamespacedName, instances map[string]string) snapshot.Queue {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.watched[name]
	if one == nil {
		one = &watch{}
		w.watched[name] = one
	}
	if !maps.Equal(one.instances, instances) {
		one.instances, one.due = maps.Clone(instances), time.Time{}
	}
	if len(instances) == 0 { // nobody to ask, and nobody who leads
		one.queue = snapshot.Queue{}
	}
	return one.queue
}

// Forget stops asking for an Environment.
func (w *Watcher) Forget(name types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watched, name)
}

// Start asks until the context ends.
func (w *Watcher) Start(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	slots := make(chan struct{}, atOnce)
	for timer := time.NewTicker(tick); ; {
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		for name, one := range w.take(time.Now()) {
			asking.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				w.ask(ctx, name, one)
			})
		}
	}
}

// take marks those that are due as being asked.
func (w *Watcher) take(now time.Time) map[types.NamespacedName]*watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[types.NamespacedName]*watch{}
	for name, one := range w.watched {
		if !one.asking && len(one.instances) > 0 && !now.Before(one.due) {
			one.asking = true
			out[name] = one
		}
	}
	return out
}

func (w *Watcher) ask(ctx context.Context, name types.NamespacedName, one *watch) {
	w.mu.Lock()
	instances := one.instances // replaced, never changed
	w.mu.Unlock()
	addresses := make([]string, 0, len(instances))
	for address := range instances {
		addresses = append(addresses, address)
	}
	seen := sum(instances, w.asker.Ask(ctx, addresses))
	w.mu.Lock()
	now := time.Now()
	switch {
	case seen.Known:
		one.answered = now
	case len(one.instances) > 0 && now.Sub(one.answered) < keep:
		seen = one.queue
	}
	changed := seen != one.queue && w.watched[name] == one
	one.queue, one.asking, one.due = seen, false, now.Add(every)
	w.mu.Unlock()
	if !changed {
		return
	}
	env := &v1alpha1.Environment{}
	env.Namespace, env.Name = name.Namespace, name.Name
	select {
	case w.events <- event.GenericEvent{Object: env}:
	case <-ctx.Done():
	}
}

// sum joins what the daemons say: they see the same queue, some of them later than others.
func sum(instances map[string]string, answers map[string]contract.Status) snapshot.Queue {
	out := snapshot.Queue{Known: len(answers) > 0}
	silence := 0
	for address, s := range answers {
		if silence == 0 || s.Polled < silence {
			silence = max(1, s.Polled)
		}
		out.Dead = max(out.Dead, s.Dead)
		out.Age = max(out.Age, snapshot.AgeOf(time.Duration(s.Oldest)*time.Second))
		if s.Leader {
			out.Leader = instances[address]
		}
	}
	out.Silent = time.Duration(silence)*time.Second >= snapshot.SilentAfter
	return out
}
