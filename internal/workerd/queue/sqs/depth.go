// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// fewReceives is from where on a redrive policy leaves room for the receives that nobody asked for: SQS counts it, too, when a
// daemon gives back what it had no time to try.
const fewReceives = 3

// Depth implements queue.Queue. The numbers are SQS's approximations. It does not tell how old the oldest message is.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	attributes, err := q.attributes(ctx, q.url)
	if err != nil {
		return queue.Depth{}, fmt.Errorf("asking for the depth of the SQS queue %s: %w", q.name, err)
	}
	d := queue.Depth{
		Waiting:  number(attributes, types.QueueAttributeNameApproximateNumberOfMessages) + max(number(attributes, types.QueueAttributeNameApproximateNumberOfMessagesDelayed), 0),
		InFlight: number(attributes, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible), Dead: -1, Oldest: -1,
	}
	if d.Waiting == 0 {
		d.Oldest = 0
	}
	if q.dead != nil && q.dead.url != "" {
		if dead, err := q.attributes(ctx, q.dead.url); err == nil { // may be forbidden to us
			d.Dead = number(dead, types.QueueAttributeNameApproximateNumberOfMessages)
		}
	}
	return d, nil
}

func number(attributes map[string]string, name types.QueueAttributeName) int64 {
	n, err := strconv.ParseInt(attributes[string(name)], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// Warnings implements queue.Queue.
func (q *Queue) Warnings() (out []string) {
	warn := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("The SQS queue %s "+format, append([]any{q.name}, args...)...))
	}
	if q.retention > 0 && q.retention < q.options.Retention {
		warn("drops messages after %v, before the environment's retention of %v ends; raise its message retention period.", q.retention, q.options.Retention)
	}
	if budget := time.Duration(q.options.MaxAttempts) * q.visibility(); q.retention > 0 && q.retention < budget {
		warn("drops messages after %v; %d attempts of %v may take longer, and the message is lost then; raise its message retention period.", q.retention, q.options.MaxAttempts, q.visibility())
	}
	switch d := q.dead; {
	case d == nil:
		warn("has no redrive policy: maxRetries has no effect, and a message that always fails is tried until the queue drops it; give the queue a dead-letter queue.")
		return out
	case d.url == "":
		warn("sends dead letters to %s, which the queue's credentials may not look up; allow sqs:GetQueueUrl, GetQueueAttributes and SendMessage there.", d.arn)
	case d.retention > 0 && d.retention <= q.retention && !q.fifo && q.retention < longestRetention:
		warn("keeps messages for %v and its dead-letter queue for %v, counted from when they were sent first: dead letters may vanish at once; raise the latter's.", q.retention, d.retention)
	}
	switch d := q.dead; {
	case d.receives < q.options.MaxAttempts:
		warn("moves messages to its dead-letter queue after %d receives, before the environment's maxRetries of %d; raise its maxReceiveCount.", d.receives, q.options.MaxAttempts)
	case d.receives < fewReceives:
		warn("moves messages to its dead-letter queue after %d receives, and SQS counts those of daemons that were stopped, too; raise its maxReceiveCount and maxRetries.", d.receives)
	}
	return out
}
