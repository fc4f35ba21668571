// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"errors"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrCrashed is what a process gets that has crashed.
var ErrCrashed = errors.New("the process has crashed")

// Verbs of a Write.
const (
	Create = "create"
	Update = "update"
	Patch  = "patch"
	Apply  = "apply"
	Delete = "delete"
)

// Write is one request that changes something.
type Write struct {
	// Process is the name of the client, or of the toy controller.
	Process string
	// Verb is one of the constants.
	Verb            string
	Kind            schema.GroupVersionKind
	Subresource     string
	Namespace, Name string
	// Manager is the field manager.
	Manager string
	// UID is the one that a deletion demands; empty when it takes whatever has the name.
	UID types.UID
	// Applied is the configuration of an apply; nil for other verbs. Nobody may change it.
	Applied map[string]any
	// Committed is false before the write and true after it.
	Committed bool

	// ownership says that an apply changed who owns which field.
	ownership bool
}

// String is how test logs name a write: "patch environments.beanpod.dev/status shop/blue" without what is empty.
func (w Write) String() string {
	out := w.Verb + " " + traitsOf(w.Kind).resource
	if w.Subresource != "" {
		out += "/" + w.Subresource
	}
	out += " "
	if w.Namespace != "" {
		out += w.Namespace + "/"
	}
	return out + w.Name
}

// Decision is what Intercept makes of a write.
type Decision struct {
	// Err is what the client gets. Before the write nothing is written then; after it the answer is lost.
	Err error
	// Crash ends the process: this call and all later ones return ErrCrashed.
	Crash bool
	// Late, before the write and with an Err, lets the write happen right after the next one that a client commits, as a request
	// that was held up on its way. What the server says of it then is lost.
	Late bool
}

// do runs a write with everything around it. The function runs under the lock.
func (c *Client) do(w Write, op func(w *Write) (client.Object, error)) (client.Object, error) {
	w.Process = c.name
	c.gate.Lock()
	defer c.gate.Unlock()
	d, err := c.decide(w)
	if d.Late {
		c.store.hold(func() { _, _ = op(&w) })
	}
	if err != nil {
		return nil, err
	}
	out, err := c.locked(&w, op)
	if err != nil {
		return nil, err
	}
	c.store.arrive()
	w.Committed = true
	_, err = c.decide(w)
	return out, err
}

// hold keeps a request on its way.
func (s *Store) hold(request func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = append(s.late, request)
}

// arrive lets the requests happen that were on their way.
func (s *Store) arrive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := s.late
	s.late = nil
	for _, request := range late {
		request()
	}
}

func (c *Client) locked(w *Write, op func(w *Write) (client.Object, error)) (client.Object, error) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if c.dead {
		return nil, ErrCrashed
	}
	return op(w)
}

func (c *Client) decide(w Write) (Decision, error) {
	if c.Crashed() {
		return Decision{}, ErrCrashed
	}
	if c.store.Intercept == nil {
		return Decision{}, nil
	}
	d := c.store.Intercept(w)
	if d.Crash {
		c.Crash()
		return Decision{}, ErrCrashed
	}
	return d, d.Err
}
