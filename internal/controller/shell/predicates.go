// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// ByUsers passes what somebody else did to an object of our own kind: a new spec, an annotation, a deletion, a finalizer taken
// away. It stops our own status writes and resyncs.
func ByUsers() predicate.Predicate {
	finalizers := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !slices.Equal(e.ObjectOld.GetFinalizers(), e.ObjectNew.GetFinalizers())
	}}
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, finalizers)
}

// Forgetting drops what the frame remembers of an object when it is gone. It passes everything.
func (f *Frame) Forgetting() predicate.Predicate {
	return predicate.Funcs{DeleteFunc: func(e event.DeleteEvent) bool {
		f.Forget(e.Object)
		return true
	}}
}

// ComingAndGoing passes creations and deletions only.
func ComingAndGoing() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
}
