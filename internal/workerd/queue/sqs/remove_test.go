// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/queuetest"
)

// TestRemove leaves nothing of a queue, leaves others alone, and may be repeated. A queue that is gone is not made again by who deletes.
func TestRemove(t *testing.T) {
	t.Parallel()
	name, options := queuetest.Name(t), queue.Options{Visibility: time.Minute, MaxAttempts: 3}
	kept, gone := open(t, name+"-kept", options), open(t, name, options)
	for range 2 {
		if err := gone.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := kept.client.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: &name})
	if err != nil || len(listed.QueueUrls) != 2 {
		t.Errorf("%q are left (%v), want %[3]s-kept and %[3]s-kept-dead", listed.QueueUrls, err, name)
	}
	at := contract.Coordinates{Provider: contract.SQS, Name: name, Region: "eu-central-1", Generated: true}
	if _, err := Open(t.Context(), at, queue.Options{Existing: true}, secret(t)); !errors.Is(err, queue.ErrMissing) {
		t.Errorf("opening what is gone: %v, want ErrMissing", err)
	}
}

// TestRemoveTheRest: of a deletion that was cut short only the queue is left. It is not taken for gone.
func TestRemoveTheRest(t *testing.T) {
	t.Parallel()
	name := queuetest.Name(t)
	q := open(t, name, queue.Options{Visibility: time.Minute, MaxAttempts: 3})
	if _, err := q.client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &q.dead.url}); err != nil {
		t.Fatal(err)
	}
	at := contract.Coordinates{Provider: contract.SQS, Name: name, Region: "eu-central-1", Generated: true}
	rest, err := Open(t.Context(), at, queue.Options{Existing: true}, secret(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := rest.(*Queue).Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), at, queue.Options{Existing: true}, secret(t)); !errors.Is(err, queue.ErrMissing) {
		t.Errorf("opening what is gone: %v, want ErrMissing", err)
	}
}

// TestRemains counts what waits, what is held, and dead letters that somebody holds.
func TestRemains(t *testing.T) {
	t.Parallel()
	q := open(t, queuetest.Name(t), queue.Options{Visibility: time.Minute, MaxAttempts: 3})
	remains := func(want queue.Depth) {
		t.Helper()
		want.Oldest = -1
		if got, err := q.Remains(t.Context()); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	remains(queue.Depth{})
	for _, text := range []string{"a", "b"} {
		if err := q.Send(t.Context(), "", []byte(text), nil); err != nil {
			t.Fatal(err)
		}
	}
	remains(queue.Depth{Waiting: 2})
	m := receiveOne(t, q)
	remains(queue.Depth{Waiting: 1, InFlight: 1})
	if err := q.DeadLetter(t.Context(), m, "It was poison"); err != nil {
		t.Fatal(err)
	}
	dead, err := q.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.dead.url, VisibilityTimeout: 60})
	if err != nil || len(dead.Messages) != 1 {
		t.Fatalf("%d dead letters, %v", len(dead.Messages), err)
	}
	remains(queue.Depth{Waiting: 1, Dead: 1})
}
