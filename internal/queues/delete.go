// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// NotEmptyError says that a queue was not deleted because there are messages in it.
type NotEmptyError struct {
	Name  string
	Depth queue.Depth
}

func (e *NotEmptyError) Error() string {
	count := func(n int64) string {
		if n < 0 {
			return "an unknown number"
		}
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("the queue %s is not deleted, because messages are in it: %s waiting, %s in flight, %s in the dead-letter queue",
		e.Name, count(e.Depth.Waiting), count(e.Depth.InFlight), count(e.Depth.Dead))
}

// Delete deletes a generated queue and its dead-letter queue. Unless it is forced, messages in either keep both, and so does a broker
// that cannot say. It may be repeated.
func Delete(ctx context.Context, open Open, secrets client.Reader, s Source, force bool) error {
	name := nameOf(s.Coordinates)
	if !s.Coordinates.Generated {
		return fmt.Errorf("the queue %s was not made for an Environment, so it is not deleted with one", name)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*askTimeout)
	defer cancel()
	q, err := opener{open: open, secrets: secrets}.connect(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = q.Close() }()
	remover, ok := q.(queue.Remover)
	if !ok {
		return fmt.Errorf("queues of %s cannot be deleted from here; delete %s with the broker's own tools", s.Coordinates.Provider, name)
	}
	if !force {
		depth, err := q.Depth(ctx)
		if err != nil {
			return fmt.Errorf("asking whether messages are in the queue %s: %w", name, err)
		}
		if depth.Waiting != 0 || depth.InFlight != 0 || depth.Dead != 0 {
			return &NotEmptyError{Name: name, Depth: depth}
		}
	}
	if err := remover.Remove(ctx); err != nil {
		return fmt.Errorf("deleting the queue %s: %w", name, err)
	}
	return nil
}

func nameOf(c contract.Coordinates) string {
	if c.Name != "" {
		return c.Name
	}
	return c.URL
}
