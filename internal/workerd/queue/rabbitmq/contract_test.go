// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/queuetest"
)

// able is what RabbitMQ can do of what the interface leaves open.
var able = queuetest.Capabilities{ReleaseDelay: true, EmptyBodies: true, BinaryBodies: true}

// TestContract: the broker moves dead letters, whose attributes are its own.
func TestContract(t *testing.T) {
	t.Parallel()
	s := common(t)
	open := func(t *testing.T, o queue.Options) queue.Queue {
		t.Helper()
		q := s.open(t, s.coordinates(queuetest.Name(t)), o)
		if !q.moves || len(q.Warnings()) > 0 {
			t.Errorf("a queue that we made: moves %v, warnings %q", q.moves, q.Warnings())
		}
		return q
	}
	queuetest.Run(t, open, able)
}

// TestForeignContract: a queue with none of our arguments, so that the daemon copies dead letters.
func TestForeignContract(t *testing.T) {
	t.Parallel()
	s := common(t)
	open := func(t *testing.T, o queue.Options) queue.Queue {
		t.Helper()
		c := s.coordinates(queuetest.Name(t))
		c.Generated = false
		if _, err := s.channel(t).QueueDeclare(c.Name, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
			t.Fatal(err)
		}
		q := s.open(t, c, o)
		if q.moves {
			t.Error("the broker is believed to move dead letters")
		}
		return q
	}
	can := able
	can.DeadLetters = func(t *testing.T, q queue.Queue) []*queue.Message {
		t.Helper()
		channel, name := s.channel(t), q.(*Queue).dead()
		var out []*queue.Message
		for {
			d, ok, err := channel.Get(name, true)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return out
			}
			out = append(out, message(nil, d))
		}
	}
	queuetest.Run(t, open, can)
}
