// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/queuetest"
)

var shared = servers.Shared{Provider: contract.SQS}

func TestMain(m *testing.M) {
	code := m.Run()
	shared.End()
	os.Exit(code)
}

// secret has the credentials of the SQS server, which all tests share.
func secret(t *testing.T) map[string]string {
	t.Helper()
	return shared.Start(t).Credentials
}

func open(t *testing.T, name string, o queue.Options) *Queue {
	t.Helper()
	q, err := Open(t.Context(), contract.Coordinates{Provider: contract.SQS, Name: name, Region: "eu-central-1", Generated: true}, o, secret(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q.(*Queue)
}

// deadLetters opens the dead-letter queue as a queue of its own.
func deadLetters(t *testing.T, q queue.Queue) []*queue.Message {
	t.Helper()
	dead, err := Open(t.Context(), contract.Coordinates{URL: q.DeadLetterURL(), Region: "eu-central-1"}, queue.Options{}, secret(t))
	if err != nil {
		t.Fatal(err)
	}
	var all []*queue.Message
	for {
		more, err := dead.Receive(t.Context(), 100, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(more) == 0 {
			return all
		}
		all = append(all, more...)
	}
}

func TestStandardQueue(t *testing.T) {
	t.Parallel()
	secret(t)
	queuetest.Run(t, func(t *testing.T, o queue.Options) queue.Queue { return open(t, queuetest.Name(t), o) }, queuetest.Capabilities{
		FirstReceived: true, VisibilityEnds: true, ReleaseDelay: true, InFlight: true, DeadLetters: deadLetters,
	})
}

func TestFIFOQueue(t *testing.T) {
	t.Parallel()
	secret(t)
	queuetest.Run(t, func(t *testing.T, o queue.Options) queue.Queue { return open(t, queuetest.Name(t)+fifoSuffix, o) }, queuetest.Capabilities{
		FirstReceived: true, VisibilityEnds: true, ReleaseDelay: true, InFlight: true, Deduplicates: true, DeadLetters: deadLetters,
		CopyDeadLetter: func(t *testing.T, q queue.Queue, m *queue.Message, reason string) {
			if err := q.(*Queue).copyOnce(t.Context(), m, m.Handle.(*held), reason); err != nil {
				t.Fatal(err)
			}
		},
	})
}

// plain makes a queue as others do, and opens it by its URL.
func plain(t *testing.T, attributes map[string]string, o queue.Options) *Queue {
	t.Helper()
	client, err := newClient(t.Context(), place{region: "eu-central-1", endpoint: secret(t)[keyEndpoint]}, secret(t))
	if err != nil {
		t.Fatal(err)
	}
	name := queuetest.Name(t)
	if attributes["FifoQueue"] != "" {
		name += fifoSuffix
	}
	made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	q, err := Open(t.Context(), contract.Coordinates{URL: aws.ToString(made.QueueUrl), Region: "eu-central-1"}, o, secret(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q.(*Queue)
}
