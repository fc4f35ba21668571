// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package open connects to the queue that coordinates name, through the adapter of its broker. It does I/O; the daemon's wiring
// and the operator's questions about queues call it.
package open

import (
	"context"
	"fmt"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/nats"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/rabbitmq"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/redis"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/sqs"
)

// Adapter opens queues of one kind of broker. Credentials are the keys and values of the queue's Secret.
type Adapter func(ctx context.Context, c contract.Coordinates, o queue.Options, credentials map[string]string) (queue.Queue, error)

// adapters has one line for each broker.
var adapters = map[contract.Provider]Adapter{
	contract.NATS:     nats.Open,
	contract.RabbitMQ: rabbitmq.Open,
	contract.Redis:    redis.Open,
	contract.SQS:      sqs.Open,
}

// Queue opens the queue at c.
func Queue(ctx context.Context, c contract.Coordinates, o queue.Options, credentials map[string]string) (queue.Queue, error) {
	adapter, ok := adapters[c.Provider]
	if !ok {
		return nil, fmt.Errorf("queue.provider is %q, which this daemon cannot open", c.Provider)
	}
	return adapter(ctx, c, o, credentials)
}
