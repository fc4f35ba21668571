// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// mode is what happens at a write of the operator.
type mode string

const (
	// before and after: the operator crashes before the server gets the write, or before it sees the answer.
	before mode = "crash-before"
	after  mode = "crash-after"
	// lost: the write happens, and the answer is an error. late: it is an error, and the write happens after the next one.
	lost mode = "lost-answer"
	late mode = "late"
	// conflict, failing, busy and denied: the server refuses, the last three three times.
	conflict mode = "conflict"
	failing  mode = "500"
	busy     mode = "429"
	denied   mode = "403"
	// stale: as after, and the cache of the next process shows for a while what was before the write.
	stale mode = "stale-cache"
	// foreign: somebody else changes what is about to be written, or the claim when that is not there yet.
	foreign mode = "foreign-change"
	// saved and savedAfter: as before and after, and while the operator is down somebody protects the claim again.
	saved      mode = "protected-before"
	savedAfter mode = "protected-after"
)

var (
	singleModes = []mode{before, after, lost, late, conflict, failing, busy, denied, stale, foreign}
	pairModes   = []mode{before, after}
	morePairs   = []mode{before, after, lost, conflict, stale}
)

// commits says whether the write happens first.
func (m mode) commits() bool { return slices.Contains([]mode{after, lost, stale, savedAfter}, m) }

// repeats says how often a mode happens.
func (m mode) repeats() int {
	if slices.Contains([]mode{failing, busy, denied}, m) {
		return 3
	}
	return 1
}

// point is one write, by its name and how often that was written before.
type point struct {
	write string
	n     int
}

type fault struct {
	mode
	point
}

func (f fault) String() string { return fmt.Sprintf("%s %s #%d", f.mode, f.write, f.n) }

// injector lets faults happen.
type injector struct {
	u      *universe
	faults []fault
	hits   []int
	counts map[string]int
	points []point
	// accepted are those that the server took.
	accepted map[point]bool
	// first is how many writes there were when the first fault happened; 0: not yet.
	first int
	// past is what there was before the write that is under way, for stale.
	past *simapi.Store
}

// momentary are names that hold a time, or a hash of one.
var momentary = regexp.MustCompile(`-final-[0-9]{8}-[0-9]{6}|-s-[0-9a-f]{10}`)

func (i *injector) intercept(w simapi.Write) simapi.Decision {
	if w.Process != actor {
		return simapi.Decision{}
	}
	if !w.Committed {
		name := momentary.ReplaceAllString(w.String(), "-T")
		i.counts[name]++
		i.points = append(i.points, point{name, i.counts[name]})
	}
	at := i.points[len(i.points)-1]
	if w.Committed {
		i.accepted[at] = true
	}
	for k, f := range i.faults {
		again := f.repeats() > 1 && i.hits[k] > 0 && at.write == f.write
		if at != f.point && !again || i.hits[k] >= f.repeats() {
			continue
		}
		if f.mode == stale && !w.Committed {
			fork, err := i.u.Store.Fork()
			i.u.must(err)
			i.past = fork
		}
		if f.commits() != w.Committed {
			continue
		}
		i.hits[k]++
		if i.first == 0 {
			i.first = len(i.points)
		}
		return i.strike(f.mode, w)
	}
	return simapi.Decision{}
}

func (i *injector) strike(m mode, w simapi.Write) simapi.Decision {
	resource := schema.GroupResource{Group: w.Kind.Group, Resource: w.Kind.Kind}
	switch m {
	case lost:
		return simapi.Decision{Err: io.ErrUnexpectedEOF}
	case late:
		return simapi.Decision{Err: apierrors.NewTimeoutError("the request timed out", 1), Late: true}
	case conflict:
		return simapi.Decision{Err: apierrors.NewConflict(resource, w.Name, errors.New("somebody was quicker"))}
	case failing:
		return simapi.Decision{Err: apierrors.NewInternalError(errors.New("etcd has no leader"))}
	case busy:
		return simapi.Decision{Err: apierrors.NewTooManyRequests("slow down", 1)}
	case denied:
		return simapi.Decision{Err: apierrors.NewForbidden(resource, w.Name, errors.New("the role was changed"))}
	case foreign:
		i.touch(w)
		return simapi.Decision{}
	case stale:
		i.u.stale = i.past
	case saved, savedAfter:
		i.u.down = func() {
			i.u.spared = true
			for _, name := range []string{"shop", "next"} {
				i.u.edit(name, func(c *v1alpha1.DatabaseClaim) { c.Spec.DeletionProtection = new(true) })
			}
		}
	}
	return simapi.Decision{Crash: true}
}

// stranger is the annotation of somebody else.
const stranger = "example.com/was-here"

// touch annotates what is about to be written, or else the claim.
func (i *injector) touch(w simapi.Write) {
	var obj client.Object
	if made, err := i.u.user.Scheme().New(w.Kind); err == nil {
		obj, _ = made.(client.Object)
	}
	if obj == nil || i.u.user.Get(context.Background(), client.ObjectKey{Namespace: w.Namespace, Name: w.Name}, obj) != nil {
		for _, name := range []string{"shop", "next"} {
			i.u.edit(name, func(c *v1alpha1.DatabaseClaim) { annotate(c) })
		}
		return
	}
	was := obj.DeepCopyObject().(client.Object)
	annotate(obj)
	i.u.must(i.u.user.Patch(context.Background(), obj, client.MergeFrom(was)))
}

func annotate(obj client.Object) {
	a := obj.GetAnnotations()
	if a == nil {
		a = map[string]string{}
	}
	a[stranger] = "yes"
	obj.SetAnnotations(a)
}
