// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Send implements queue.Queue. Standard queues know no keys: every Send is a message. FIFO queues know them for five minutes;
// each message gets a group of its own there, so that it waits for no other.
func (q *Queue) Send(ctx context.Context, key string, body []byte, attributes []queue.Attribute) error {
	return q.SendTo(ctx, "", key, body, attributes)
}

// SendTo is Send into a group of a FIFO queue, whose messages are received in their order, one at a time.
func (q *Queue) SendTo(ctx context.Context, group, key string, body []byte, attributes []queue.Attribute) error {
	if !utf8.Valid(body) || strings.IndexFunc(string(body), forbidden) >= 0 {
		return fmt.Errorf("the SQS queue %s takes text only, and the body has other bytes; encode it, as base64 for example", q.name)
	}
	in := &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(string(body)), MessageAttributes: map[string]types.MessageAttributeValue{}}
	for _, a := range attributes {
		in.MessageAttributes[a.Name] = text(a.Value)
	}
	if q.fifo {
		id := rand.Text()
		if key != "" { // keys may be longer than SQS allows, and have other characters
			sum := sha256.Sum256([]byte(key))
			id = hex.EncodeToString(sum[:])
		}
		if group == "" {
			group = id
		}
		in.MessageDeduplicationId, in.MessageGroupId = &id, &group
	}
	if _, err := q.client.SendMessage(ctx, in); err != nil {
		return fmt.Errorf("sending to the SQS queue %s: %w", q.name, err)
	}
	return nil
}

// text is an attribute of type String, without what SQS does not take.
func text(value string) types.MessageAttributeValue {
	clean := strings.Map(func(r rune) rune {
		if forbidden(r) {
			return '\uFFFD'
		}
		return r
	}, value)
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &clean}
}

// forbidden characters of bodies and attributes: those that XML 1.0 does not have.
func forbidden(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFE' || r == '\uFFFF'
}
