// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// askTimeout bounds everything that one look at a queue may take, the connection included.
const askTimeout = 5 * time.Second

// opener opens queues with the credentials that their Secret has now.
type opener struct {
	open    Open
	secrets client.Reader
}

func (o opener) connect(ctx context.Context, s Source) (queue.Queue, error) {
	credentials, err := o.credentials(ctx, s)
	if err != nil {
		return nil, err
	}
	return o.open(ctx, s.Coordinates, s.Options, credentials)
}

func (o opener) credentials(ctx context.Context, s Source) (map[string]string, error) {
	if s.Secret == "" {
		return nil, nil
	}
	var secret corev1.Secret
	if err := o.secrets.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.Secret}, &secret); err != nil {
		return nil, fmt.Errorf("reading Secret %s with the credentials of the queue: %w", s.Secret, err)
	}
	out := make(map[string]string, len(secret.Data))
	for key, value := range secret.Data {
		out[key] = string(value)
	}
	return out, nil
}

// connection is an opened queue. It is used by one goroutine.
type connection struct {
	opener
	source Source
	queue  queue.Queue
}

// depth asks the broker. After an error the queue is opened anew the next time: a broker that came back, or a password that was
// changed, is noticed whatever the adapter does about it.
func (c *connection) depth(ctx context.Context) (queue.Depth, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if c.queue == nil {
		opened, err := c.connect(ctx, c.source)
		if err != nil {
			return queue.Depth{}, err
		}
		c.queue = opened
	}
	depth, err := c.queue.Depth(ctx)
	if err != nil {
		c.close()
		return queue.Depth{}, fmt.Errorf("asking how many messages wait: %w", err)
	}
	return depth, nil
}

func (c *connection) close() {
	if c.queue != nil {
		// Nothing is lost with a connection that only asks.
		_ = c.queue.Close()
		c.queue = nil
	}
}
