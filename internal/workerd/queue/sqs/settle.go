// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Delete implements queue.Queue. SQS confirms the deletion of a message, too, that another one has received meanwhile and will
// see to the end; so what is deleted too late is deleted, and reported as gone.
func (q *Queue) Delete(ctx context.Context, m *queue.Message) error {
	h := m.Handle.(*held)
	h.lock.Lock()
	defer h.lock.Unlock()
	return q.remove(ctx, h)
}

func (q *Queue) remove(ctx context.Context, h *held) error {
	if h.deleted {
		return nil
	}
	if _, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &h.receipt}); err != nil {
		return q.settled("deleting", err)
	}
	if time.Now().After(h.until) {
		return q.gone("deleting")
	}
	h.deleted = true
	return nil
}

// Extend implements queue.Queue, up to SQS's 12 hours from the receive; more than that is an error there.
func (q *Queue) Extend(ctx context.Context, m *queue.Message, by time.Duration) error {
	h := m.Handle.(*held)
	h.lock.Lock()
	defer h.lock.Unlock()
	return q.extend(ctx, h, by)
}

func (q *Queue) extend(ctx context.Context, h *held, by time.Duration) error {
	now := time.Now()
	by = min(max(by, time.Second), h.cap.Sub(now).Truncate(time.Second))
	if by < time.Second || !q.holds(h) { // 0 would give it back
		return q.gone("extending")
	}
	if err := q.change(ctx, h, by); err != nil {
		return q.settled("extending", err)
	}
	h.until = now.Add(by)
	return nil
}

// Release implements queue.Queue. SQS counts every delivery, so counted has no effect. In a FIFO queue the group of the message
// waits for it.
func (q *Queue) Release(ctx context.Context, m *queue.Message, after time.Duration, _ bool) error {
	h := m.Handle.(*held)
	h.lock.Lock()
	defer h.lock.Unlock()
	return q.release(ctx, h, after)
}

func (q *Queue) release(ctx context.Context, h *held, after time.Duration) error {
	if !q.holds(h) {
		return q.gone("giving back")
	}
	after = min(after, time.Until(h.cap).Truncate(time.Second))
	if err := q.change(ctx, h, after); err != nil {
		return q.settled("giving back", err)
	}
	h.until = time.Time{}
	return nil
}

// holds says whether we still have the message, for all we know. SQS is not asked: servers differ in what they say then.
func (q *Queue) holds(h *held) bool { return !h.deleted && time.Now().Before(h.until) }

func (q *Queue) change(ctx context.Context, h *held, visibility time.Duration) error {
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.url, ReceiptHandle: &h.receipt, VisibilityTimeout: ceil(visibility)})
	return err
}

func (q *Queue) gone(what string) error {
	return fmt.Errorf("%s a message of the SQS queue %s: %w", what, q.name, queue.ErrGone)
}
