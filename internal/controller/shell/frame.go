// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shell is the frame that every controller shares: it commits status once a pass, emits events after the write,
// and turns outcomes into results. I/O; called by internal/controller/<kind> only.
package shell

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/outcome"
)

// Event is one transition, told to people.
type Event struct {
	// Type is corev1.EventTypeNormal or corev1.EventTypeWarning.
	Type string
	// Reason is one CamelCase word, the same as the condition's where there is one.
	Reason string
	// Action is the verb: Deploy, Resolve, Scale.
	Action string
	// Message is a sentence.
	Message string
	// Related is the child that the event is about; may be nil.
	Related runtime.Object
}

// Frame commits what a pass found. One Frame belongs to one controller.
type Frame struct {
	// Client writes status.
	Client client.Client
	// Recorder emits events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time

	pacer pacer
}

// Commit writes the status of after if it differs from before, then emits the events. It writes at most once. A change that
// pace allows to wait is not written yet: Commit then returns after how long to look again, and the events wait too, because
// they are derived anew from the difference that will be written.
func (f *Frame) Commit(ctx context.Context, before, after client.Object, pace Pace, evs []Event) (time.Duration, error) {
	if equality.Semantic.DeepEqual(before, after) {
		return 0, nil
	}
	if wait := f.pacer.hold(after.GetUID(), pace, f.Now()); wait > 0 {
		return wait, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := f.Client.Status().Patch(ctx, after, patch); apierrors.IsNotFound(err) {
		return 0, nil // deleted meanwhile: there is nobody left to tell
	} else if err != nil {
		return 0, fmt.Errorf("writing status: %w", err)
	}
	f.pacer.wrote(after.GetUID(), f.Now())
	for _, e := range evs {
		f.Recorder.Eventf(after, e.Related, e.Type, e.Reason, e.Action, "%s", e.Message)
	}
	return 0, nil
}

// Forget drops what the frame remembers of an object that is gone.
func (f *Frame) Forget(obj client.Object) { f.pacer.forget(obj.GetUID()) }

// Result turns the outcome of a pass and the waits of its stages into what controller-runtime wants: the shortest wait, no
// retry for a Stall, growing pauses for a plain error. Conditions already tell people about all of them.
func Result(err error, waits ...time.Duration) (ctrl.Result, error) {
	if w := outcome.AsWait(err); w != nil {
		waits, err = append(waits, w.After), nil
	}
	if s := outcome.AsStall(err); s != nil {
		waits, err = append(waits, s.After), nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	var shortest time.Duration
	for _, w := range waits {
		if w > 0 && (shortest == 0 || w < shortest) {
			shortest = w
		}
	}
	return ctrl.Result{RequeueAfter: shortest}, nil
}
