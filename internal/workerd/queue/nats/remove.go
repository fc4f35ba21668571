// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Remains counts what is in both streams. In a work queue that is what was not settled.
func (q *natsQueue) Remains(ctx context.Context) (queue.Depth, error) {
	out, err := q.Depth(ctx)
	if err != nil {
		return out, err
	}
	stream, err := q.js.Stream(ctx, q.at.Name)
	if err != nil {
		return out, fmt.Errorf("asking what is in stream %s at %s: %w", q.at.Name, q.at.URL, explain(err))
	}
	out.Waiting = max(out.Waiting, int64(stream.CachedInfo().State.Msgs)-out.InFlight)
	return out, nil
}

// Remove deletes the stream, its dead letters and what is kept beside them. The stream goes last: while it is there, Remove can be
// repeated for the rest.
func (q *natsQueue) Remove(ctx context.Context) error {
	if err := q.js.DeleteKeyValue(ctx, q.bucket()); err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("deleting the bucket of stream %s at %s: %w", q.at.Name, q.at.URL, explain(err))
	}
	for _, name := range []string{q.dead(), q.at.Name} {
		if err := q.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("deleting stream %s at %s: %w", name, q.at.URL, explain(err))
		}
	}
	return nil
}
