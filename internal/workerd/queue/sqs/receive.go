// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

const (
	// batch is the most that SQS gives at a time.
	batch = 10
	// longestPoll is shorter than SQS's 20 seconds: a poll that nobody waits for any more is not cut off, because SQS would
	// hand over messages to the dead connection; its end is waited for instead.
	longestPoll = 5 * time.Second
	// pause between short polls, where the caller waits for less than SQS's shortest long poll.
	pause = 100 * time.Millisecond
	// patience is how much longer than asked for Receive waits for an answer; the poll then goes on for the next Receive.
	patience = time.Second
)

// poll is one ReceiveMessage on its way.
type poll struct {
	max  int
	done chan struct{}
	got  []*queue.Message
	err  error
}

// Receive implements queue.Queue. More than ten messages take a second round of parallel calls, after a full first one.
func (q *Queue) Receive(ctx context.Context, limit int, wait time.Duration) ([]*queue.Message, error) {
	for end := time.Now().Add(wait); ; {
		left := time.Until(end)
		got, err := q.await(ctx, q.take(min(limit, batch), left), left)
		switch {
		case err != nil:
			return nil, err
		case len(got) == batch && limit > batch:
			return append(got, q.more(ctx, limit-batch)...), nil
		case len(got) > 0:
			return got, nil
		}
		if left = time.Until(end); left <= 0 {
			return nil, nil
		}
		if left < time.Second {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(min(left, pause)):
			}
		}
	}
}

// more asks for further messages without waiting for them. Errors are left to the next Receive.
func (q *Queue) more(ctx context.Context, limit int) (all []*queue.Message) {
	var polls []*poll
	for ; limit > 0; limit -= batch {
		polls = append(polls, q.begin(min(limit, batch), 0))
	}
	for _, p := range polls {
		got, _ := q.await(ctx, p, 0)
		all = append(all, got...)
	}
	return all
}

// take takes over a poll that nobody waits for, or begins one.
func (q *Queue) take(limit int, wait time.Duration) *poll {
	q.lock.Lock()
	for i, p := range q.orphans {
		if p.max <= limit {
			q.orphans = append(q.orphans[:i], q.orphans[i+1:]...)
			q.lock.Unlock()
			return p
		}
	}
	q.lock.Unlock()
	return q.begin(limit, wait)
}

// begin sends a request that its caller's context does not end.
func (q *Queue) begin(limit int, wait time.Duration) *poll {
	p := &poll{max: limit, done: make(chan struct{})}
	q.lock.Lock()
	defer q.lock.Unlock()
	if q.closed {
		p.err = errClosed
		close(p.done)
		return p
	}
	q.polls.Go(func() {
		p.got, p.err = q.request(limit, min(max(wait, 0), longestPoll))
		if q.finish(p) {
			q.giveBack(p.got)
		}
	})
	return p
}

// finish hands the poll's result to who waits for it, and says whether nobody does.
func (q *Queue) finish(p *poll) (orphan bool) {
	q.lock.Lock()
	defer q.lock.Unlock()
	for i := range q.orphans {
		if q.orphans[i] == p {
			q.orphans = append(q.orphans[:i], q.orphans[i+1:]...)
			return true
		}
	}
	close(p.done)
	return false
}

// await waits for the poll's end, but hardly longer than the caller does.
func (q *Queue) await(ctx context.Context, p *poll, wait time.Duration) ([]*queue.Message, error) {
	timer := time.NewTimer(max(wait, 0) + patience)
	defer timer.Stop()
	var err error
	select {
	case <-p.done:
		return p.got, p.err
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.lock.Lock()
	defer q.lock.Unlock()
	select {
	case <-p.done: // in this very moment
		return p.got, p.err
	default:
		q.orphans = append(q.orphans, p)
		return nil, err
	}
}

func (q *Queue) request(limit int, wait time.Duration) ([]*queue.Message, error) {
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: int32(limit), WaitTimeSeconds: int32(wait / time.Second), VisibilityTimeout: ceil(q.visibility()),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}, MessageAttributeNames: []string{"All"},
	}
	if q.fifo { // a repeated request gets the same messages, instead of finding their groups held by nobody
		in.ReceiveRequestAttemptId = aws.String(rand.Text())
	}
	asked := time.Now()
	got, err := q.client.ReceiveMessage(q.ctx, in)
	if err != nil {
		return nil, fmt.Errorf("receiving from the SQS queue %s: %w", q.name, err)
	}
	var messages []*queue.Message
	for _, m := range got.Messages {
		messages = append(messages, q.message(m, asked))
	}
	return messages, nil
}

// giveBack makes messages visible again that came when nobody waited for them any more. What fails comes back after its visibility.
func (q *Queue) giveBack(messages []*queue.Message) {
	var entries []types.ChangeMessageVisibilityBatchRequestEntry
	for i, m := range messages {
		entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.Handle.(*held).receipt})
	}
	if len(entries) > 0 {
		_, _ = q.client.ChangeMessageVisibilityBatch(q.ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: entries})
	}
}
