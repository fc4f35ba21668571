// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

type partial = metav1.PartialObjectMetadata

// queue is a work queue on the virtual clock. Workers of controller-runtime that ask it for work wait for ever: the simulation
// calls Reconcile itself.
type queue struct {
	name   string
	store  *Store
	asked  chan struct{}
	closed chan struct{}
	ask    sync.Once
	close  sync.Once

	mu sync.Mutex
	// ready are requests to work on now, in order of arrival; due are those for later.
	ready []reconcile.Request
	due   map[reconcile.Request]time.Time
	tries map[reconcile.Request]int
	errs  map[reconcile.Request]error
}

// Add implements workqueue.TypedInterface.
func (q *queue) Add(req reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Contains(q.ready, req) {
		q.ready = append(q.ready, req)
	}
}

// AddAfter implements workqueue.TypedDelayingInterface. As in the real queue, the earlier of two moments counts.
func (q *queue) AddAfter(req reconcile.Request, pause time.Duration) {
	q.plan(req, q.store.Now().Add(pause))
}

func (q *queue) plan(req reconcile.Request, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if old, ok := q.due[req]; !ok || at.Before(old) {
		q.due[req] = at
	}
}

// AddRateLimited implements workqueue.TypedRateLimitingInterface.
func (q *queue) AddRateLimited(req reconcile.Request) { q.AddAfter(req, q.pause(req)) }

func (q *queue) pause(req reconcile.Request) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tries[req]++
	return min(shell.LongestRetry, shell.FirstRetry<<min(q.tries[req]-1, 20))
}

// Forget implements workqueue.TypedRateLimitingInterface.
func (q *queue) Forget(req reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.tries, req)
}

// NumRequeues implements workqueue.TypedRateLimitingInterface.
func (q *queue) NumRequeues(req reconcile.Request) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tries[req]
}

// Get implements workqueue.TypedInterface: it waits until the process ends.
func (q *queue) Get() (reconcile.Request, bool) {
	q.ask.Do(func() { close(q.asked) })
	<-q.closed
	return reconcile.Request{}, true
}

// Len implements workqueue.TypedInterface.
func (q *queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready)
}

// Done implements workqueue.TypedInterface.
func (q *queue) Done(reconcile.Request) {}

// ShutDown implements workqueue.TypedInterface.
func (q *queue) ShutDown() { q.close.Do(func() { close(q.closed) }) }

// ShutDownWithDrain implements workqueue.TypedInterface.
func (q *queue) ShutDownWithDrain() { q.ShutDown() }

// ShuttingDown implements workqueue.TypedInterface.
func (q *queue) ShuttingDown() bool {
	select {
	case <-q.closed:
		return true
	default:
		return false
	}
}

// take returns what to work on now. What came due goes to the end, ordered by time and name.
func (q *queue) take(now time.Time) (reconcile.Request, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var came []reconcile.Request
	for req, at := range q.due {
		if !at.After(now) {
			came = append(came, req)
		}
	}
	slices.SortFunc(came, func(a, b reconcile.Request) int {
		if c := q.due[a].Compare(q.due[b]); c != 0 {
			return c
		}
		return strings.Compare(a.String(), b.String())
	})
	for _, req := range came {
		delete(q.due, req)
		if !slices.Contains(q.ready, req) {
			q.ready = append(q.ready, req)
		}
	}
	if len(q.ready) == 0 {
		return reconcile.Request{}, false
	}
	req := q.ready[0]
	q.ready = q.ready[1:]
	return req, true
}

// after plans what follows on a pass, with controller-runtime's rules.
func (q *queue) after(req reconcile.Request, now time.Time, result reconcile.Result, err error) {
	q.mu.Lock()
	delete(q.errs, req)
	if err != nil {
		q.errs[req] = err
	}
	q.mu.Unlock()
	switch {
	case err != nil:
		q.plan(req, now.Add(q.pause(req)))
	case result.RequeueAfter > 0:
		q.Forget(req)
		q.plan(req, now.Add(result.RequeueAfter))
	default:
		q.Forget(req)
	}
}

// next is the earliest planned moment; the zero time when nothing is planned.
func (q *queue) next() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out time.Time
	for _, at := range q.due {
		if out.IsZero() || at.Before(out) {
			out = at
		}
	}
	return out
}
