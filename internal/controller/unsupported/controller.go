// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package unsupported

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

// Dependencies are what a Reconciler needs; all are required.
type Dependencies struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Recorder is part of the frame; these kinds have no transitions to tell.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler starts one small controller for each kind.
type Reconciler struct {
	frame shell.Frame
}

// New returns a Reconciler. SetupWithManager refuses it if a dependency is missing.
func New(d Dependencies) *Reconciler {
	return &Reconciler{frame: shell.Frame{Client: d.Client, Recorder: d.Recorder, Now: d.Now}}
}

// answerer gives the same answer about every object of one kind.
type answerer[T client.Object] struct {
	frame *shell.Frame
	kind  kind[T]
}

// Reconcile is one pass over one object.
func (a answerer[T]) Reconcile(ctx context.Context, obj T) (ctrl.Result, error) {
	if !obj.GetDeletionTimestamp().IsZero() {
		return ctrl.Result{}, nil
	}
	before := obj.DeepCopyObject().(T)
	generation, conditions := a.kind.status(obj)
	*generation = obj.GetGeneration()
	*conditions = condition.Summarize(*conditions, obj.GetGeneration(), metav1.NewTime(a.frame.Now()), a.kind.answer)
	wait, err := a.frame.Commit(ctx, before, obj, shell.Immediately, nil)
	if err != nil {
		return ctrl.Result{}, err
	}
	return shell.Result(nil, wait)
}
