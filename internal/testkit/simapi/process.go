// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/recorder"
)

// syncPatience is how long controllers may take to register their watches.
const syncPatience = 10 * time.Second

// Process is one running operator: what its SetupWithManager registered, and a queue that only moves when it is told to. The
// watches, predicates and handlers are the real ones, so a change wakes exactly whom it would wake in a cluster.
type Process struct {
	*Client
	// Events are what its recorders were told, in order.
	Events *Events
	// Passes counts calls of Reconcile; Begins is told of each before it begins, unless it is nil.
	Passes int
	Begins func()

	store       *Store
	stop        context.CancelFunc
	ctx         context.Context
	controllers []*running
	// inbox, guarded by the store's lock, are the changes that its watches have not been told yet.
	inbox []Change

	mu        sync.Mutex
	informers map[informerKey]*informer
	queues    []*queue
}

// running is a controller with its queue.
type running struct {
	controller.Controller
	queue *queue
}

type informerKey struct {
	gvk      schema.GroupVersionKind
	metadata bool
}

// Setup registers controllers with a manager. The options make them ours to drive, and must be passed on.
type Setup func(mgr manager.Manager, opts controller.Options) error

// Start starts a process: its watches see everything that exists, as after a start of the real manager.
func (s *Store) Start(name string, setup Setup) (*Process, error) {
	ctx, stop := context.WithCancel(context.Background())
	p := &Process{
		Client: s.Client(name), Events: &Events{store: s}, store: s, ctx: ctx, stop: stop, informers: map[informerKey]*informer{},
	}
	if err := p.start(setup); err != nil {
		stop()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

func (p *Process) start(setup Setup) error {
	skip := true
	opts := controller.Options{
		MaxConcurrentReconciles: 1, SkipNameValidation: &skip, NewQueue: p.newQueue, Logger: logr.Discard(),
	}
	if err := setup(&simManager{process: p}, opts); err != nil {
		return err
	}
	for _, c := range p.controllers {
		// Start blocks until the process stops. What it starts with happens before the queue is asked for the first time.
		before := len(p.queues)
		failed := make(chan error, 1)
		go func() { failed <- c.Start(p.ctx) }()
		if err := p.awaitQueue(before, failed); err != nil {
			return err
		}
		c.queue = p.queues[before]
	}
	p.store.mu.Lock()
	p.store.readers = append(p.store.readers, p)
	p.store.mu.Unlock()
	p.list()
	return nil
}

// awaitQueue waits until a controller has started its watches and its worker asks for work.
func (p *Process) awaitQueue(n int, failed chan error) error {
	timeout := time.After(syncPatience)
	for {
		p.mu.Lock()
		made := len(p.queues) > n
		p.mu.Unlock()
		if made {
			break
		}
		select {
		case err := <-failed:
			return err
		case <-timeout:
			return errors.New("a controller makes no queue")
		case <-time.After(20 * time.Microsecond):
		}
	}
	select {
	case <-p.queues[n].asked:
		return nil
	case err := <-failed:
		return err
	case <-timeout:
		return errors.New("a controller does not begin to work")
	}
}

// list tells every watch what exists.
func (p *Process) list() {
	for _, key := range p.informerKeys() {
		p.store.mu.Lock()
		var objects []client.Object
		for _, r := range p.store.kind(key.gvk).records {
			objects = append(objects, r.object)
		}
		p.store.mu.Unlock()
		for _, o := range objects {
			p.informers[key].tell(Change{New: o})
		}
	}
}

// Resync makes every watch tell again what exists, so that everything is looked at once more.
func (p *Process) Resync() { p.list() }

func (p *Process) informerKeys() []informerKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []informerKey
	for key := range p.informers {
		out = append(out, key)
	}
	slices.SortFunc(out, func(a, b informerKey) int { return strings.Compare(a.gvk.String(), b.gvk.String()) })
	return out
}

// Kill ends the process as a crash would: nothing of it reaches the store any more.
func (p *Process) Kill() {
	p.Crash()
	p.stop()
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.readers = slices.DeleteFunc(p.store.readers, func(x *Process) bool { return x == p })
}

// deliver tells the watches what changed since the last time.
func (p *Process) deliver() {
	p.store.mu.Lock()
	inbox := p.inbox
	p.inbox = nil
	p.store.mu.Unlock()
	for _, c := range inbox {
		for _, metadata := range []bool{false, true} {
			if i := p.informers[informerKey{c.Write.Kind, metadata}]; i != nil {
				i.tell(c)
			}
		}
	}
}

// Step delivers what changed and makes at most one pass of one object. It says whether it did.
func (p *Process) Step() bool {
	if p.Crashed() {
		return false
	}
	p.deliver()
	now := p.store.Now()
	for _, c := range p.controllers {
		if req, ok := c.queue.take(now); ok {
			p.Passes++
			if p.Begins != nil {
				p.Begins()
			}
			result, err := c.Reconcile(p.ctx, req)
			c.queue.after(req, p.store.Now(), result, err)
			return true
		}
	}
	return false
}

// Next is the moment of the next pass that is planned; the zero time when none is. Work that is pending now is not planned.
func (p *Process) Next() time.Time {
	var out time.Time
	if p.Crashed() {
		return out
	}
	for _, c := range p.controllers {
		if at := c.queue.next(); !at.IsZero() && (out.IsZero() || at.Before(out)) {
			out = at
		}
	}
	return out
}

// Failing lists the objects whose last pass returned an error, with that error.
func (p *Process) Failing() map[string]error {
	out := map[string]error{}
	for _, c := range p.controllers {
		for req, err := range c.queue.errs {
			out[c.queue.name+" "+req.String()] = err
		}
	}
	return out
}

func (p *Process) newQueue(name string, _ workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	q := &queue{
		name: name, store: p.store, asked: make(chan struct{}), closed: make(chan struct{}), due: map[reconcile.Request]time.Time{},
		tries: map[reconcile.Request]int{}, errs: map[reconcile.Request]error{},
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queues = append(p.queues, q)
	return q
}

// informer hands changes to the handlers of one kind.
type informer struct {
	metadata bool
	mu       sync.Mutex
	handlers []toolscache.ResourceEventHandler
}

func (i *informer) tell(c Change) {
	i.mu.Lock()
	handlers := slices.Clone(i.handlers)
	i.mu.Unlock()
	old, next := i.view(c.Old), i.view(c.New)
	for _, h := range handlers {
		switch {
		case old == nil:
			h.OnAdd(next, false)
		case next == nil:
			h.OnDelete(old)
		default:
			h.OnUpdate(old, next)
		}
	}
}

// view is what a watch sees of an object; nil stays nil.
func (i *informer) view(obj client.Object) client.Object {
	if obj == nil || !i.metadata {
		return obj
	}
	out := &partial{}
	if err := hand(obj, out, false); err != nil {
		panic(err)
	}
	return out
}

// registered is a handler that has seen everything that exists: Process.list shows it.
type registered struct{}

// HasSynced implements toolscache.ResourceEventHandlerRegistration.
func (registered) HasSynced() bool { return true }

// HasSyncedChecker implements toolscache.ResourceEventHandlerRegistration.
func (r registered) HasSyncedChecker() toolscache.DoneChecker { return r }

// Name implements toolscache.DoneChecker.
func (registered) Name() string { return "simapi" }

// Done implements toolscache.DoneChecker.
func (registered) Done() <-chan struct{} { return closedChannel }

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// AddEventHandler implements cache.Informer.
func (i *informer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handlers = append(i.handlers, h)
	return registered{}, nil
}

// AddEventHandlerWithResyncPeriod implements cache.Informer.
func (i *informer) AddEventHandlerWithResyncPeriod(h toolscache.ResourceEventHandler, _ time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(h)
}

// AddEventHandlerWithOptions implements cache.Informer.
func (i *informer) AddEventHandlerWithOptions(h toolscache.ResourceEventHandler, _ toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(h)
}

// RemoveEventHandler implements cache.Informer. Nobody does it.
func (i *informer) RemoveEventHandler(toolscache.ResourceEventHandlerRegistration) error { return nil }

// AddIndexers implements cache.Informer. Indexes are added by IndexField.
func (i *informer) AddIndexers(toolscache.Indexers) error { return nil }

// HasSynced implements cache.Informer.
func (i *informer) HasSynced() bool { return true }

// HasSyncedChecker implements cache.Informer.
func (i *informer) HasSyncedChecker() toolscache.DoneChecker { return registered{} }

// IsStopped implements cache.Informer.
func (i *informer) IsStopped() bool { return false }

// simCache is the cache that controllers see: informers that the store feeds, and reads of the store.
type simCache struct {
	*Client
	process *Process
}

var _ cache.Cache = simCache{}

// GetInformer implements cache.Cache.
func (c simCache) GetInformer(_ context.Context, obj client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	k, err := c.resolve(obj)
	if err != nil {
		return nil, err
	}
	_, metadata := obj.(*partial)
	p := c.process
	p.mu.Lock()
	defer p.mu.Unlock()
	key := informerKey{k.gvk, metadata}
	if p.informers[key] == nil {
		p.informers[key] = &informer{metadata: metadata}
	}
	return p.informers[key], nil
}

// GetInformerForKind implements cache.Cache. Nobody calls it.
func (c simCache) GetInformerForKind(context.Context, schema.GroupVersionKind, ...cache.InformerGetOption) (cache.Informer, error) {
	return nil, errors.New("the simulation has informers by object only")
}

// RemoveInformer implements cache.Cache.
func (c simCache) RemoveInformer(context.Context, client.Object) error { return nil }

// Start implements cache.Cache.
func (c simCache) Start(context.Context) error { return nil }

// WaitForCacheSync implements cache.Cache.
func (c simCache) WaitForCacheSync(context.Context) bool { return true }

// IndexField implements client.FieldIndexer.
func (c simCache) IndexField(_ context.Context, obj client.Object, field string, extract client.IndexerFunc) error {
	return c.store.IndexField(obj, field, extract)
}

// simManager is as much of a manager as SetupWithManager needs. Anything else panics, so that it is noticed.
type simManager struct {
	manager.Manager
	process *Process
}

// Add implements manager.Manager.
func (m *simManager) Add(r manager.Runnable) error {
	c, ok := r.(controller.Controller)
	if !ok {
		return fmt.Errorf("the simulation runs controllers only, not %s", reflect.TypeOf(r))
	}
	m.process.controllers = append(m.process.controllers, &running{Controller: c})
	return nil
}

// GetCache implements manager.Manager.
func (m *simManager) GetCache() cache.Cache { return simCache{m.process.Client, m.process} }

// GetScheme implements manager.Manager.
func (m *simManager) GetScheme() *runtime.Scheme { return m.process.Scheme() }

// GetClient implements manager.Manager.
func (m *simManager) GetClient() client.Client { return m.process.Client }

// GetAPIReader implements manager.Manager.
func (m *simManager) GetAPIReader() client.Reader { return m.process.Client }

// GetFieldIndexer implements manager.Manager.
func (m *simManager) GetFieldIndexer() client.FieldIndexer {
	return simCache{m.process.Client, m.process}
}

// GetRESTMapper implements manager.Manager.
func (m *simManager) GetRESTMapper() meta.RESTMapper { return m.process.RESTMapper() }

// GetLogger implements manager.Manager.
func (m *simManager) GetLogger() logr.Logger { return logr.Discard() }

// GetControllerOptions implements manager.Manager.
func (m *simManager) GetControllerOptions() config.Controller { return config.Controller{} }

// GetEventRecorder implements manager.Manager.
func (m *simManager) GetEventRecorder(string) recorder.EventRecorder { return m.process.Events }
