// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// armed is a fault that waits for its point.
type armed struct {
	Fault
	// left is how often it still refuses; hits is how often it did.
	left, hits int
	// until is when it stops to refuse, last when it did so last.
	until, last time.Time
}

// injector counts the operator's writes, and lets faults happen.
type injector struct {
	run    *run
	faults []*armed
	counts map[string]int
	// points are all writes so far, in order; creates says which made something.
	points []Point
	// creates and commits say which of them made something, and which the server accepted.
	creates, commits map[Point]bool
	current          Point
	// firedAt is the number of writes when the first fault happened; 0 before.
	firedAt int
}

func newInjector(r *run, faults []Fault) *injector {
	i := &injector{run: r, counts: map[string]int{}, creates: map[Point]bool{}, commits: map[Point]bool{}}
	for _, f := range faults {
		i.faults = append(i.faults, &armed{Fault: f, left: repeats})
	}
	return i
}

// fired says whether every fault happened.
func (i *injector) fired() bool {
	for _, f := range i.faults {
		if f.hits == 0 {
			return false
		}
	}
	return true
}

// intercept is simapi's Intercept. The writes of one process come one after another.
func (i *injector) intercept(w simapi.Write) simapi.Decision {
	if w.Process != actor {
		return simapi.Decision{}
	}
	if !w.Committed {
		name := nameOf(w)
		i.counts[name]++
		i.current = Point{name, i.counts[name]}
		i.points = append(i.points, i.current)
	} else {
		i.commits[i.current] = true
	}
	for _, f := range i.faults {
		if d, hit := i.decide(f, w); hit {
			if i.firedAt == 0 {
				i.firedAt = len(i.points)
			}
			f.hits++
			return d
		}
	}
	return simapi.Decision{}
}

// seen learns which writes make something.
func (i *injector) seen(c simapi.Change) {
	if c.Write.Process == actor && c.Old == nil {
		i.creates[i.current] = true
	}
}

func (i *injector) decide(f *armed, w simapi.Write) (simapi.Decision, bool) {
	switch f.Mode {
	case ServerError, TooMany, Denied, Refused:
		if w.Committed || f.Point.Write != i.current.Write || i.current.Occurrence < f.Point.Occurrence {
			return simapi.Decision{}, false
		}
		return i.refuse(f, w)
	}
	before := f.Mode == CrashBefore || f.Mode == Conflict || f.Mode == Stranger || f.Mode == Late
	if f.Point != i.current || f.hits > 0 || before == w.Committed {
		return simapi.Decision{}, false
	}
	switch f.Mode {
	case CrashBefore, CrashAfter:
		return simapi.Decision{Crash: true}, true
	case LostAnswer:
		return simapi.Decision{Err: fmt.Errorf("patch: %w", io.ErrUnexpectedEOF)}, true
	case Conflict:
		return simapi.Decision{Err: apierrors.NewConflict(schema.GroupResource{}, w.Name, errors.New("somebody was quicker"))}, true
	case Late:
		return simapi.Decision{Err: apierrors.NewTimeoutError("the request timed out", 1), Late: true}, true
	default:
		return i.run.whileDown(f.Mode, w), true
	}
}

// refuse answers with errors, so often or so long.
func (i *injector) refuse(f *armed, w simapi.Write) (simapi.Decision, bool) {
	now := i.run.Store.Now()
	if f.Mode == Refused {
		if f.until.IsZero() {
			f.until = now.Add(lasts)
			// A moment before the end: the operator may be about to try again just then.
			i.run.after(lasts-time.Second, func() { i.run.surfaced(w, f) })
		}
		if !now.Before(f.until) {
			return simapi.Decision{}, false
		}
		f.last = now
		list := field.ErrorList{field.Forbidden(field.NewPath("spec"), "a policy says no")}
		return simapi.Decision{Err: apierrors.NewInvalid(w.Kind.GroupKind(), w.Name, list)}, true
	}
	if f.left == 0 {
		return simapi.Decision{}, false
	}
	f.left--
	resource := schema.GroupResource{Group: w.Kind.Group, Resource: w.Kind.Kind}
	err := map[Mode]error{
		ServerError: apierrors.NewInternalError(errors.New("etcd has no leader")),
		TooMany:     apierrors.NewTooManyRequests("slow down", 1),
		Denied:      apierrors.NewForbidden(resource, w.Name, errors.New("the role was changed")),
	}[f.Mode]
	return simapi.Decision{Err: err}, true
}
