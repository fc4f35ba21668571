// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lease elects one worker daemon by a Lease of Kubernetes, for queues whose broker offers no compare-and-set. The operator
// makes the Lease, and lets daemons get and update it. The package speaks plain HTTP to the API server, with the pod's own token, and
// writes only against the resourceVersion that it read: of two daemons that write at once, one is refused. I/O; called by periodic.
package lease

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Annotation of the Lease that holds what the leader remembers for its successor.
const Annotation = "beanpod.dev/periodic-tasks"

// maxRecord is what an annotation may hold here; all of an object's annotations may hold four times as much.
const maxRecord = 64 << 10

// Lease is one Lease. It implements queue.Elector.
type Lease struct {
	api  *api
	name string
	now  func() time.Time

	lock sync.Mutex
	// seen is the holder and the time of its last renewal, since when this daemon first saw that. Only its own clock counts:
	// clocks of other machines may be wrong.
	seen  string
	since time.Time
}

var _ queue.Elector = (*Lease)(nil)

// Elect takes the Lease if nobody holds it, renews it if holder does, and says who holds it now.
func (l *Lease) Elect(ctx context.Context, holder string, ttl time.Duration) (string, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	for tries := 3; ; tries-- {
		o, err := l.api.get(ctx)
		if err != nil {
			return "", l.failed("read", err)
		}
		if leader := o.holder(); leader != "" && leader != holder && !l.isOver(o, ttl) {
			return leader, nil
		}
		o.take(holder, ttl, l.now())
		err = l.api.write(ctx, o)
		if isConflict(err) && tries > 1 {
			continue // somebody was faster: see who
		}
		if err != nil {
			return "", l.failed("taken", err)
		}
		return holder, nil
	}
}

// isOver says whether the holder has not renewed for as long as it promised to.
func (l *Lease) isOver(o object, ttl time.Duration) bool {
	promised := o.duration()
	if promised <= 0 {
		promised = ttl
	}
	if now := o.holder() + " " + o.renewed(); now != l.seen {
		l.seen, l.since = now, l.now()
	}
	return l.now().Sub(l.since) > promised
}

// Resign gives the Lease up, so that another daemon need not wait until it is over. It does nothing for who does not hold it.
func (l *Lease) Resign(ctx context.Context, holder string) error {
	_, err := l.change(ctx, holder, "given up", object.release)
	return err
}

// Record reads what the last leader kept; nil if nothing.
func (l *Lease) Record(ctx context.Context) ([]byte, error) {
	o, err := l.api.get(ctx)
	if err != nil {
		return nil, l.failed("read", err)
	}
	if record := o.record(); record != "" {
		return []byte(record), nil
	}
	return nil, nil
}

// Keep writes the record, only while holder holds the Lease.
func (l *Lease) Keep(ctx context.Context, holder string, record []byte) error {
	if len(record) > maxRecord {
		return fmt.Errorf("the record for Lease %s has %d bytes, the limit is %d; have fewer periodic tasks", l.name, len(record), maxRecord)
	}
	held, err := l.change(ctx, holder, "written", func(o object) { o.keep(string(record)) })
	if err == nil && !held {
		return fmt.Errorf("the Lease %s is held by another daemon now, so nothing was written to it", l.name)
	}
	return err
}

// change writes to the Lease if holder holds it, and says whether.
func (l *Lease) change(ctx context.Context, holder, verb string, how func(object)) (bool, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	for tries := 3; ; tries-- {
		o, err := l.api.get(ctx)
		if err != nil {
			return false, l.failed("read", err)
		}
		if o.holder() != holder {
			return false, nil
		}
		how(o)
		err = l.api.write(ctx, o)
		if isConflict(err) && tries > 1 {
			continue
		}
		if err != nil {
			return false, l.failed(verb, err)
		}
		return true, nil
	}
}

func (l *Lease) failed(verb string, err error) error {
	return fmt.Errorf("the Lease %s that elects who enqueues periodic tasks could not be %s: %w", l.name, verb, err)
}
