// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

var _ queue.Remover = (*Queue)(nil)

// peekSeconds makes SQS ask all of its servers for a message. Without a wait it asks some.
const peekSeconds = 2

// Remains implements queue.Remover. SQS counts roughly, and up to a minute late. So where it counts none it is asked for a message too,
// which stays visible to everybody. That counts as a receive of the message, and so may move it to the dead-letter queue.
func (q *Queue) Remains(ctx context.Context) (queue.Depth, error) {
	out := queue.Depth{Oldest: -1}
	var err error
	if out.Waiting, out.InFlight, err = q.inside(ctx, q.url); err != nil {
		return out, fmt.Errorf("asking what is in the SQS queue %s: %w", q.name, err)
	}
	url, err := q.deadURL(ctx)
	if err != nil || url == "" {
		return out, err
	}
	waiting, held, err := q.inside(ctx, url)
	if err != nil {
		return out, fmt.Errorf("asking what is in the SQS queue %s: %w", deadName(q.name), err)
	}
	out.Dead = waiting + held
	return out, nil
}

// inside says what waits in a queue and what is held.
func (q *Queue) inside(ctx context.Context, url string) (waiting, held int64, err error) {
	attributes, err := q.attributes(ctx, url)
	if err != nil {
		return -1, -1, err
	}
	waiting = number(attributes, types.QueueAttributeNameApproximateNumberOfMessages) + max(number(attributes, types.QueueAttributeNameApproximateNumberOfMessagesDelayed), 0)
	held = number(attributes, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)
	if waiting != 0 || held != 0 {
		return waiting, held, nil
	}
	got, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 1, VisibilityTimeout: 0, WaitTimeSeconds: peekSeconds})
	if err != nil {
		return -1, -1, err
	}
	return int64(len(got.Messages)), 0, nil
}

// deadURL of the dead-letter queue that was generated, whatever the redrive policy says now; empty if there is none.
func (q *Queue) deadURL(ctx context.Context) (string, error) {
	name := deadName(q.name)
	got, err := q.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if missing(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for the SQS queue %s: %w", name, err)
	}
	return aws.ToString(got.QueueUrl), nil
}

// Remove implements queue.Remover.
func (q *Queue) Remove(ctx context.Context) error {
	dead, err := q.deadURL(ctx)
	if err != nil {
		return err
	}
	for _, url := range []string{dead, q.url} {
		if url == "" {
			continue
		}
		if _, err := q.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil && !missing(err) {
			return fmt.Errorf("deleting the SQS queue at %s; check that the queue's credentials may delete queues: %w", url, err)
		}
	}
	return nil
}
