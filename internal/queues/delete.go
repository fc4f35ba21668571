// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Depth is how many messages are in a queue: see queue.Depth.
type Depth = queue.Depth

// NotEmptyError says that a queue was not deleted because there are messages in it.
type NotEmptyError struct {
	Name  string
	Depth queue.Depth
}

func (e *NotEmptyError) Error() string {
	return fmt.Sprintf("the queue %s is not deleted, because messages are in it: %s", e.Name, Count(e.Depth))
}

// Count says in words where how many messages are.
func Count(d queue.Depth) string {
	count := func(n int64) string {
		if n < 0 {
			return "an unknown number"
		}
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s waiting, %s in flight, %s in the dead-letter queue", count(d.Waiting), count(d.InFlight), count(d.Dead))
}

// ErrBusy says that other queues are being deleted, so that this one was not looked at: try again in a moment.
var ErrBusy = errors.New("other queues are being deleted")

// Consent is asked right before a queue goes. An error keeps the queue; force deletes messages with it.
type Consent func(ctx context.Context) (force bool, err error)

// deletionsAtOnce bounds how many callers one broker that does not answer can hold up.
const deletionsAtOnce = 2

// Deleter deletes generated queues.
type Deleter struct {
	opener
	slots chan struct{}
}

// NewDeleter makes a Deleter. Secrets is read when a queue is opened, so it should not be a cache.
func NewDeleter(open Open, secrets client.Reader) *Deleter {
	return &Deleter{opener: opener{open: open, secrets: secrets}, slots: make(chan struct{}, deletionsAtOnce)}
}

// Delete deletes a generated queue and its dead-letter queue, and returns what was in them. Unless consent forces it, messages in either
// keep both, and so does a broker that cannot say. A queue that the broker says is not there is deleted. It may be repeated.
func (d *Deleter) Delete(ctx context.Context, s Source, consent Consent) (queue.Depth, error) {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	default:
		return queue.Depth{}, ErrBusy
	}
	name := nameOf(s.Coordinates)
	if !s.Coordinates.Generated {
		return queue.Depth{}, fmt.Errorf("the queue %s was not made for an Environment, so it is not deleted with one", name)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*askTimeout)
	defer cancel()
	s.Options = queue.Options{Existing: true, Consumer: s.Options.Consumer}
	q, err := d.connect(ctx, s)
	if errors.Is(err, queue.ErrMissing) {
		return queue.Depth{}, nil
	}
	if err != nil {
		return queue.Depth{}, err
	}
	defer func() { _ = q.Close() }()
	return remove(ctx, q, s, consent)
}

func remove(ctx context.Context, q queue.Queue, s Source, consent Consent) (queue.Depth, error) {
	name := nameOf(s.Coordinates)
	remover, ok := q.(queue.Remover)
	if !ok {
		return queue.Depth{}, fmt.Errorf("queues of %s cannot be deleted from here; delete %s with the broker's own tools", s.Coordinates.Provider, name)
	}
	depth, err := remover.Remains(ctx)
	if err != nil {
		return queue.Depth{}, fmt.Errorf("asking whether messages are in the queue %s: %w", name, err)
	}
	force, err := consent(ctx)
	if err != nil {
		return depth, err
	}
	if !force && (depth.Waiting != 0 || depth.InFlight != 0 || depth.Dead != 0) {
		return depth, &NotEmptyError{Name: name, Depth: depth}
	}
	if err := remover.Remove(ctx); err != nil {
		return depth, fmt.Errorf("deleting the queue %s: %w", name, err)
	}
	return depth, nil
}

func nameOf(c contract.Coordinates) string {
	if c.Name != "" {
		return c.Name
	}
	return c.URL
}
