// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sqs reads queues of Amazon SQS, and of servers that speak its protocol: standard and FIFO.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Queue is one queue of SQS, and its dead-letter queue if it has a redrive policy.
type Queue struct {
	client  *sqs.Client
	url     string
	name    string
	fifo    bool
	dead    *deadQueue
	options queue.Options
	// retention is the queue's own, 0 if it did not say.
	retention time.Duration

	// ctx ends the polls that outlive Close.
	ctx    context.Context
	cancel context.CancelFunc
	polls  sync.WaitGroup

	lock    sync.Mutex
	closed  bool
	orphans []*poll
	// copied are the IDs of messages that this process copied to the dead-letter queue.
	copied map[string]bool
}

var _ queue.Queue = (*Queue)(nil)

// Open opens the queue, and makes it and its dead-letter queue before if it is a generated one.
func Open(ctx context.Context, c contract.Coordinates, o queue.Options, secret map[string]string) (queue.Queue, error) {
	p, err := locate(c, secret[keyEndpoint])
	if err != nil {
		return nil, err
	}
	client, err := newClient(ctx, p, secret)
	if err != nil {
		return nil, err
	}
	q := &Queue{client: client, url: p.url, name: p.name, options: o, copied: map[string]bool{}}
	q.ctx, q.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if c.Generated && !o.Existing {
		err = q.generate(ctx)
	} else {
		err = q.find(ctx)
	}
	if err == nil {
		err = q.inspect(ctx)
	}
	if err != nil {
		q.cancel()
		return nil, err
	}
	return q, nil
}

// find asks for the URL of a queue that only has a name.
func (q *Queue) find(ctx context.Context) error {
	if q.url != "" {
		return nil
	}
	got, err := q.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &q.name})
	if err != nil {
		return q.unopened(err)
	}
	q.url = aws.ToString(got.QueueUrl)
	return nil
}

func (q *Queue) inspect(ctx context.Context) error {
	attributes, err := q.attributes(ctx, q.url)
	if err != nil {
		return q.unopened(err)
	}
	q.fifo = attributes[string(types.QueueAttributeNameFifoQueue)] == "true"
	q.retention = seconds(attributes[string(types.QueueAttributeNameMessageRetentionPeriod)])
	if err := q.inspectDead(ctx, attributes[string(types.QueueAttributeNameRedrivePolicy)]); !q.options.Existing {
		return err
	}
	return nil // who only deletes does so whatever is left
}

func (q *Queue) attributes(ctx context.Context, url string) (map[string]string, error) {
	got, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return nil, err
	}
	return got.Attributes, nil
}

func (q *Queue) unopened(err error) error {
	if missing(err) && q.options.Existing {
		return fmt.Errorf("the SQS queue %s: %w: %w", q.name, queue.ErrMissing, err)
	}
	if missing(err) {
		return fmt.Errorf("the SQS queue %s does not exist in its region and account; create it, or correct the queue's url and region: %w", q.name, err)
	}
	return fmt.Errorf("opening the SQS queue %s; check the queue's url, its region, and that its credentials may receive, delete, change visibility and get attributes: %w", q.name, err)
}

// FIFO says whether the queue keeps the order of its groups. Periodic tasks are refused there, as Beanstalk does: a task that
// fails would hold up what comes after it.
func (q *Queue) FIFO() bool { return q.fifo }

// errClosed is what a closed queue answers.
var errClosed = errors.New("the SQS queue is closed")

// Close waits for polls that are still out, to give back what they bring, and then closes the queue. That takes as long as one
// poll at most.
func (q *Queue) Close() error {
	q.lock.Lock()
	q.closed = true
	q.lock.Unlock()
	stop := time.AfterFunc(requestTimeout, q.cancel)
	defer stop.Stop()
	q.polls.Wait()
	q.cancel()
	return nil
}
