// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/scaling"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Request is what an Environment wants to know of its queue.
type Request struct {
	Source Source
	// Wanted is nil when another scaler owns the number of instances, and only the depth matters.
	Wanted *scaling.Wanted
	// Current is how many instances are asked for now.
	Current int32
	// Daemons are the addresses of the instances; they are asked what they hold where the broker cannot say.
	Daemons []string
}

// Reading is what is known of a queue.
type Reading struct {
	// Depth as last seen, At when that was; zero: never, and then every figure is unknown. Err is why the last look failed; nil when
	// it did not.
	Depth queue.Depth
	At    time.Time
	Err   error
	// Since is when the queue began to be watched.
	Since time.Time
	// Decision on the number of instances; the zero value without Wanted.
	Decision scaling.Decision
}

// Poller looks at queues, each once per interval however many Environments consume it, and wakes an Environment when there is
// something to do. It is a Runnable of the leader.
type Poller struct {
	opener
	daemons Daemons
	now     func() time.Time
	events  chan event.GenericEvent

	mu        sync.Mutex
	run       context.Context // nil until Start
	group     sync.WaitGroup
	lines     map[string]*line
	interests map[types.NamespacedName]*interest
	limits    map[string]chan struct{}
}

// NewPoller makes a Poller. Secrets is read when a queue is opened, so it should not be a cache.
func NewPoller(open Open, secrets client.Reader, now func() time.Time) *Poller {
	return &Poller{
		opener: opener{open: open, secrets: secrets}, now: now, events: make(chan event.GenericEvent, 64),
		lines: map[string]*line{}, interests: map[types.NamespacedName]*interest{}, limits: map[string]chan struct{}{},
	}
}

// Events names Environments that should be reconciled.
func (p *Poller) Events() <-chan event.GenericEvent { return p.events }

// NeedLeaderElection says that one operator of several asks.
func (p *Poller) NeedLeaderElection() bool { return true }

// Start looks at queues until the context ends.
func (p *Poller) Start(ctx context.Context) error {
	p.mu.Lock()
	p.run = ctx
	for _, l := range p.lines {
		p.launch(l)
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.group.Wait()
	return nil
}

// Watch says what an Environment wants to know, and returns what is known. It asks nobody.
func (p *Poller) Watch(name types.NamespacedName, r Request) Reading {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.interests[name]
	if w == nil || w.line.key != r.Source.key() {
		was := w
		w = &interest{name: name, line: p.join(r.Source), since: p.now()}
		if was != nil {
			w.history = was.history
			p.leave(was)
		}
		p.interests[name] = w
		w.line.interests[name] = w
	}
	w.request = r
	w.line.poke()
	now := p.now()
	reading := w.read(now)
	if now.Sub(w.line.at) > fresh {
		// Too old to act on: as good as not known.
		reading.Decision, _ = w.decide(now, unknown)
	}
	w.told = w.verdict(reading.Decision)
	return reading
}

// Forget stops watching for an Environment.
func (p *Poller) Forget(name types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.interests[name]; w != nil {
		delete(p.interests, name)
		p.leave(w)
	}
}

// join finds or makes the line of a source.
func (p *Poller) join(s Source) *line {
	key := s.key()
	l := p.lines[key]
	if l == nil {
		l = newLine(key, connection{opener: p.opener, source: s}, p.limit(s.Coordinates.URL))
		p.lines[key] = l
		if p.run != nil && p.run.Err() == nil {
			p.launch(l)
		}
	}
	return l
}

// leave ends a line that nobody watches any more.
func (p *Poller) leave(w *interest) {
	delete(w.line.interests, w.name)
	if len(w.line.interests) == 0 {
		delete(p.lines, w.line.key)
		close(w.line.gone)
	}
}

func (p *Poller) launch(l *line) {
	ctx := p.run
	p.group.Go(func() { p.follow(ctx, l) })
}

// perBroker is how many looks one broker serves at a time: one that hangs holds up its own queues only.
const perBroker = 16

func (p *Poller) limit(broker string) chan struct{} {
	if p.limits[broker] == nil {
		p.limits[broker] = make(chan struct{}, perBroker)
	}
	return p.limits[broker]
}

// follow looks at one queue until nobody watches it any more.
func (p *Poller) follow(ctx context.Context, l *line) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer l.connection.close()
	go func() {
		select {
		case <-l.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	for l.wait(ctx, p.due(l)) {
		if l.early(p.now(), p.due(l)) {
			continue // it was only poked: an Environment came, or its number of instances changed
		}
		if !l.enter(ctx) {
			return
		}
		began := time.Now()
		depth, err := l.connection.depth(ctx)
		l.exit()
		if ctx.Err() != nil {
			return
		}
		observe(l.connection.source.Coordinates.Provider, time.Since(began), err)
		p.tell(ctx, l, err)
		p.notify(ctx, p.settle(l, p.held(ctx, l, depth), err))
	}
}

// tell logs when a queue stops answering, and when it answers again.
func (p *Poller) tell(ctx context.Context, l *line, err error) {
	p.mu.Lock()
	was := l.err
	p.mu.Unlock()
	c := l.connection.source.Coordinates
	switch logger := log.FromContext(ctx).WithName("queues").WithValues("provider", c.Provider, "queue", nameOf(c)); {
	case err != nil && was == nil:
		logger.Error(err, "Asking a queue how much waits in it failed; asking again, and scaling nothing meanwhile")
	case err == nil && was != nil:
		logger.Info("The queue answers again")
	}
}

// held asks the daemons what is in flight where the broker cannot say. It stays unknown unless all of them answer.
func (p *Poller) held(ctx context.Context, l *line, depth queue.Depth) queue.Depth {
	if depth.InFlight >= 0 {
		return depth
	}
	p.mu.Lock()
	var addresses []string
	for _, w := range l.interests {
		addresses = append(addresses, w.request.Daemons...)
	}
	p.mu.Unlock()
	answers := p.daemons.Ask(ctx, addresses)
	if len(addresses) == 0 || len(answers) < len(addresses) {
		return depth
	}
	depth.InFlight = 0
	for _, status := range answers {
		depth.InFlight += int64(status.InFlight)
	}
	return depth
}

// due is when a queue is to be looked at next: at once if it never was.
func (p *Poller) due(l *line) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.asked.IsZero() {
		return time.Time{}
	}
	return l.asked.Add(l.interval())
}

// settle takes in what a look found, and returns the Environments for which that changes something.
func (p *Poller) settle(l *line, depth queue.Depth, err error) []types.NamespacedName {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	l.asked, l.err = now, err
	if err == nil {
		l.depth, l.at, l.failures = depth, now, 0
	} else {
		l.failures++
		depth = unknown
	}
	var out []types.NamespacedName
	for _, name := range slices.SortedFunc(maps.Keys(l.interests), func(a, b types.NamespacedName) int { return cmpNames(a, b) }) {
		w := l.interests[name]
		decision, history := w.decide(now, depth)
		w.history = history
		if verdict := w.verdict(decision); verdict != w.told {
			w.told = verdict
			out = append(out, name)
		}
	}
	return out
}

// notify wakes Environments.
func (p *Poller) notify(ctx context.Context, names []types.NamespacedName) {
	for _, name := range names {
		env := &v1alpha1.Environment{}
		env.Namespace, env.Name = name.Namespace, name.Name
		select {
		case p.events <- event.GenericEvent{Object: env}:
		case <-ctx.Done():
			return
		}
	}
}
