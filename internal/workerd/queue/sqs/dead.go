// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// deadQueue is the target of the queue's redrive policy.
type deadQueue struct {
	// url is empty if SQS does not tell us; then only SQS itself can put messages there.
	url, arn string
	// receives is after how many of them SQS moves a message by itself, at the next one.
	receives  int
	retention time.Duration
}

// ErrNoDeadLetterQueue says that the queue has no redrive policy. Messages are tried until the queue drops them, as in Beanstalk.
var ErrNoDeadLetterQueue = errors.New("the queue has no dead-letter queue; give it a redrive policy")

// most message attributes that SQS takes, and how long the reason may be of what else could not be sent.
const (
	mostAttributes = 10
	shortReason    = 200
	mostCopied     = 10_000
)

func (q *Queue) inspectDead(ctx context.Context, policy string) error {
	target, receives := parseRedrive(policy)
	part := strings.Split(target, ":") // arn:aws:sqs:REGION:ACCOUNT:NAME
	if len(part) != 6 || receives < 1 {
		return nil
	}
	q.dead = &deadQueue{arn: target, receives: receives}
	got, err := q.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &part[5], QueueOwnerAWSAccountId: &part[4]})
	if missing(err) {
		return fmt.Errorf("the SQS queue %s sends dead letters to %s, which does not exist; create it, or correct the redrive policy: %w", q.name, target, err)
	}
	if err != nil {
		return nil //nolint:nilerr // may be forbidden to us, while SQS itself moves messages: Warnings says so
	}
	q.dead.url = aws.ToString(got.QueueUrl)
	if attributes, err := q.attributes(ctx, q.dead.url); err == nil {
		q.dead.retention = seconds(attributes[string(types.QueueAttributeNameMessageRetentionPeriod)])
	}
	return nil
}

// DeadLetterURL implements queue.Queue.
func (q *Queue) DeadLetterURL() string {
	switch {
	case q.dead == nil:
		return ""
	case q.dead.url == "":
		return q.dead.arn
	default:
		return q.dead.url
	}
}

// DeadLetter implements queue.Queue. A message that was received as often as the redrive policy allows is left to SQS, which
// moves it at the next receive, in one step and without the reason. Any other is copied with the reason, and deleted then: exactly
// one copy in a FIFO queue, for five minutes; in a standard queue a second one if the daemon is killed, or loses the answer,
// between the two.
func (q *Queue) DeadLetter(ctx context.Context, m *queue.Message, reason string) error {
	h := m.Handle.(*held)
	h.lock.Lock()
	defer h.lock.Unlock()
	switch {
	case h.buried:
		return nil
	case q.dead == nil:
		return fmt.Errorf("burying a message of the SQS queue %s: %w", q.name, ErrNoDeadLetterQueue)
	}
	var err error
	if m.Attempt >= q.dead.receives || q.dead.url == "" {
		err = q.release(ctx, h, 0)
	} else if err = q.copyOnce(ctx, m, h, reason); err == nil {
		err = q.remove(ctx, h)
	}
	h.buried = err == nil
	return err
}

// copyOnce remembers what it copied: if the deletion fails, the message comes back, often to this very process.
func (q *Queue) copyOnce(ctx context.Context, m *queue.Message, h *held, reason string) error {
	q.lock.Lock()
	copied := q.copied[m.ID]
	q.lock.Unlock()
	if copied {
		return nil
	}
	if err := q.extend(ctx, h, q.visibility()); err != nil { // nobody else may receive it between copy and deletion
		return err
	}
	err := q.copy(ctx, m, h, queue.DeadAttributes(m, q.name, reason))
	if is(err, "InvalidParameterValue", "MessageTooLong") { // ours may be what made it too long
		err = q.copy(ctx, m, h, queue.DeadAttributes(m, q.name, reason[:min(len(reason), shortReason)]))
	}
	if err != nil {
		return fmt.Errorf("copying a message of the SQS queue %s to its dead-letter queue %s: %w", q.name, q.dead.url, err)
	}
	q.lock.Lock()
	defer q.lock.Unlock()
	if len(q.copied) >= mostCopied {
		clear(q.copied)
	}
	q.copied[m.ID] = true
	return nil
}

func (q *Queue) copy(ctx context.Context, m *queue.Message, h *held, ours []queue.Attribute) error {
	in := &sqs.SendMessageInput{QueueUrl: &q.dead.url, MessageBody: aws.String(string(m.Body)), MessageAttributes: deadAttributes(h.attributes, ours)}
	if q.fifo {
		in.MessageGroupId, in.MessageDeduplicationId = &h.group, &m.ID
	}
	_, err := q.client.SendMessage(ctx, in)
	return err
}

// deadAttributes are the message's own, with their types, and then as many of ours as fit, the most telling first.
func deadAttributes(own map[string]types.MessageAttributeValue, ours []queue.Attribute) map[string]types.MessageAttributeValue {
	all := map[string]string{}
	for _, a := range ours {
		all[a.Name] = a.Value
	}
	out := maps.Clone(own)
	if out == nil {
		out = map[string]types.MessageAttributeValue{}
	}
	for _, name := range []string{queue.AttributeReason, queue.AttributeMessageID, queue.AttributeQueue, queue.AttributeAttempts, queue.AttributeSentAt} {
		if _, replaces := out[name]; replaces || len(out) < mostAttributes {
			out[name] = text(all[name])
		}
	}
	return out
}
