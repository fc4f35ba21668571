// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Event is one event that a process reported.
type Event struct {
	At time.Time
	// Namespace and Name of the object that it is about.
	Namespace, Name               string
	Type, Reason, Action, Message string
}

// Events is an event recorder that remembers. It is safe for concurrent use.
type Events struct {
	// The embedded interface is nil: annotated events are not used.
	events.AnnotatedEventRecorder

	store *Store
	mu    sync.Mutex
	list  []Event
}

// Eventf implements events.EventRecorder.
func (e *Events) Eventf(regarding, _ runtime.Object, kind, reason, action, note string, args ...any) {
	out := Event{At: e.store.Now(), Type: kind, Reason: reason, Action: action, Message: fmt.Sprintf(note, args...)}
	if obj, ok := regarding.(client.Object); ok {
		out.Namespace, out.Name = obj.GetNamespace(), obj.GetName()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, out)
}

// List returns everything that was reported so far.
func (e *Events) List() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Event(nil), e.list...)
}
