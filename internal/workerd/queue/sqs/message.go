// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// held is the handle of a message: one delivery. Its lock makes operations on the same message follow each other.
type held struct {
	lock    sync.Mutex
	receipt string
	// cap is when SQS takes the message away in any case; until is when it does without an extension, as far as we know.
	cap, until time.Time
	deleted    bool
	buried     bool
	// group of a FIFO queue, and all attributes as they came, for the dead letter.
	group      string
	attributes map[string]types.MessageAttributeValue
}

// message reads one delivery of a request that was sent at asked, from when on SQS may count.
func (q *Queue) message(m types.Message, asked time.Time) *queue.Message {
	system := func(name types.MessageSystemAttributeName) string { return m.Attributes[string(name)] }
	out := &queue.Message{
		ID: aws.ToString(m.MessageId), Body: []byte(aws.ToString(m.Body)),
		SenderID: system(types.MessageSystemAttributeNameSenderId),
		SentAt:   milliseconds(system(types.MessageSystemAttributeNameSentTimestamp), asked),
		Attempt:  1,
		Handle: &held{
			receipt: aws.ToString(m.ReceiptHandle), cap: asked.Add(longestVisibility), until: asked.Add(q.visibility()),
			group: system(types.MessageSystemAttributeNameMessageGroupId), attributes: m.MessageAttributes,
		},
	}
	out.FirstReceivedAt = milliseconds(system(types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp), asked)
	if n, err := strconv.Atoi(system(types.MessageSystemAttributeNameApproximateReceiveCount)); err == nil {
		out.Attempt = max(n, 1)
	}
	for name, value := range m.MessageAttributes {
		// Types may go on after a dot: String.json, Number.int. Binary ones are not passed on, as in Beanstalk.
		if kind, _, _ := strings.Cut(aws.ToString(value.DataType), "."); kind == "String" || kind == "Number" {
			out.Attributes = append(out.Attributes, queue.Attribute{Name: name, Value: aws.ToString(value.StringValue)})
		}
	}
	slices.SortFunc(out.Attributes, func(a, b queue.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func milliseconds(s string, otherwise time.Time) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return otherwise.UTC()
	}
	return time.UnixMilli(n).UTC()
}
