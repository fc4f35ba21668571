// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/queuetest"
)

var capabilities = queuetest.Capabilities{
	UncountedRelease: true, Deduplicates: true, VisibilityEnds: true, ReleaseDelay: true, EmptyBodies: true, BinaryBodies: true, InFlight: true, Oldest: true,
	DeadLetters: deadLetters,
	CopyDeadLetter: func(t *testing.T, q queue.Queue, m *queue.Message, reason string) {
		t.Helper()
		if err := q.(*natsQueue).bury(t.Context(), m, reason); err != nil {
			t.Fatal(err)
		}
	},
}

func deadLetters(t *testing.T, q queue.Queue) []*queue.Message {
	t.Helper()
	stream, err := q.(*natsQueue).js.Stream(t.Context(), q.(*natsQueue).dead())
	if err != nil {
		t.Fatal(err)
	}
	state := stream.CachedInfo().State
	var out []*queue.Message
	for sequence := state.FirstSeq; sequence <= state.LastSeq; sequence++ {
		if m, err := stream.GetMsg(t.Context(), sequence); err == nil {
			out = append(out, &queue.Message{ID: fmt.Sprint(sequence), Body: m.Data, Attributes: attributes(m.Header)})
		}
	}
	return out
}

// opener opens the generated queue of a test.
func opener(s *servers.Server) func(*testing.T, queue.Options) queue.Queue {
	return func(t *testing.T, o queue.Options) queue.Queue {
		t.Helper()
		q, err := Open(t.Context(), contract.Coordinates{Provider: contract.NATS, URL: s.URL(), Name: queuetest.Name(t), Group: "env", Generated: true}, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, opener(servers.Start(t, contract.NATS)), capabilities)
}

// The same over a stream that others made, with limits: what was worked stays in it.
func TestContractOfForeignStream(t *testing.T) {
	t.Parallel()
	s := servers.Start(t, contract.NATS)
	c := capabilities
	queuetest.Run(t, func(t *testing.T, o queue.Options) queue.Queue {
		t.Helper()
		name := queuetest.Name(t)
		makeStream(t, s, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".*"}, Duplicates: duplicates})
		q, err := Open(t.Context(), contract.Coordinates{Provider: contract.NATS, URL: s.URL(), Name: name, Subject: name + ".*"}, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}, c)
}

// makeStream makes it as others would, once.
func makeStream(t *testing.T, s *servers.Server, config jetstream.StreamConfig) {
	t.Helper()
	q := natsQueue{at: contract.Coordinates{URL: s.URL(), Name: config.Name}}
	q.pulls.init(&q)
	if err := q.connect(nil); err != nil {
		t.Fatal(err)
	}
	defer q.conn.Close()
	if _, err := q.js.CreateOrUpdateStream(context.WithoutCancel(t.Context()), config); err != nil {
		t.Fatal(err)
	}
}
