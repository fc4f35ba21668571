// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The broker counts every delivery. Those that do not count are counted in the bucket, under the message's sequence, before
// the message is given back.

func (q *natsQueue) uncountedKey(sequence uint64) string {
	return fmt.Sprintf("uncounted.%d.%d", q.created.UnixNano(), sequence)
}

// uncounted is asked for only at the second delivery and later. Without an answer all deliveries count.
func (q *natsQueue) uncounted(ctx context.Context, sequence uint64) int {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		entry, err := q.state.Get(ctx, q.uncountedKey(sequence))
		switch {
		case err == nil:
			n, _ := strconv.Atoi(string(entry.Value())) // we wrote it
			return n
		case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, client.ErrConnectionClosed), ctx.Err() != nil:
			return 0
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// discount writes an absolute number, so that it may be repeated.
func (q *natsQueue) discount(ctx context.Context, d *delivery) error {
	return q.put(ctx, q.uncountedKey(d.sequence), []byte(strconv.Itoa(d.uncounted+1)), orDefault(q.maxAge, burial))
}

func (q *natsQueue) forget(ctx context.Context, sequence uint64) {
	_ = q.state.Purge(ctx, q.uncountedKey(sequence)) // else it goes when it is as old as messages may become
}

// put writes a key that goes after a time. The bucket's own methods give a time only to new keys.
func (q *natsQueue) put(ctx context.Context, key string, value []byte, ttl time.Duration, options ...jetstream.PublishOpt) error {
	options = append(options, jetstream.WithMsgTTL(max(ttl, time.Second)))
	return q.publish(ctx, &client.Msg{Subject: "$KV." + q.bucket() + "." + key, Data: value}, options...)
}
