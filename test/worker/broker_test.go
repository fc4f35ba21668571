// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// broker is a server of its own for each run, which keeps its store when it is killed.
type broker struct {
	*servers.Server
	kind
}

// kind is what a run has to know of its broker.
type kind struct {
	provider contract.Provider
	// queue is the queue's name.
	queue string
	// settles is how long it may not be killed after its queues were made.
	settles time.Duration
	// slow brokers take many seconds to start, so they are seldom killed.
	slow bool
	// counts says that the broker counts deliveries that were given back without an attempt.
	counts bool
	// brief kinds show that another one holds for them too, in a twentieth of its messages and faults.
	brief bool
}

var kinds = map[string]kind{
	"nats":  {provider: contract.NATS},
	"redis": {provider: contract.Redis},
	// RabbitMQ 3.10 writes the list of its quorum queues seconds after it made one, and never finds one again that was younger.
	"rabbitmq": {provider: contract.RabbitMQ, settles: 6 * time.Second, slow: true, counts: true},
	"sqs":      {provider: contract.SQS, counts: true},
	"fifo":     {provider: contract.SQS, queue: "orders.fifo", counts: true, brief: true},
}

func startBroker(t *testing.T, k kind) *broker {
	t.Helper()
	if k.queue == "" {
		k.queue = "orders"
	}
	return &broker{servers.Start(t, k.provider), k}
}

// coordinates of the queue, by way of an address.
func (b *broker) coordinates(address string) contract.Coordinates {
	at := contract.Coordinates{Provider: b.provider, Name: b.queue, Group: "shop-worker", Generated: true}
	if b.provider == contract.SQS { // credentials say where it is
		at.Region = "eu-central-1"
		at.URL = "https://sqs.eu-central-1.amazonaws.com"
		return at
	}
	at.URL = strings.Replace(b.URL(), b.Address, address, 1)
	return at
}

// credentials are the Secret's, by way of an address.
func (b *broker) credentials(address string) map[string]string {
	c := map[string]string{}
	for name, value := range b.Credentials {
		if name == "endpoint" {
			value = "http://" + address
		}
		c[name] = value
	}
	return c
}
