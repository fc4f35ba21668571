// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

type state int

const (
	held state = iota
	// released to others, or about to be when the delay is over.
	released
	// settled for good: deleted, or in the dead-letter queue.
	settled
)

// handle of a delivery.
type handle struct {
	link *link
	tag  uint64
	// original is what a dead letter keeps of the message.
	original amqp.Publishing

	lock  sync.Mutex
	state state
	// copied says that the dead letter is confirmed.
	copied bool
}

// message of a delivery. The attempt is the broker's own count; every return counts, and so does the end of a daemon.
func message(l *link, d amqp.Delivery) *queue.Message {
	m := &queue.Message{ID: identity(d), Body: d.Body, Attempt: 1, SenderID: d.UserId, FirstReceivedAt: time.Now().UTC()}
	if n, ok := d.Headers["x-delivery-count"].(int64); ok && n >= 0 {
		m.Attempt = int(n) + 1
	}
	m.SentAt = m.FirstReceivedAt
	if !d.Timestamp.IsZero() && d.Timestamp.Unix() > 0 {
		m.SentAt = d.Timestamp.UTC()
	}
	if m.Attempt > 1 {
		m.FirstReceivedAt = m.SentAt
	}
	m.Attributes = attributes(d.Headers)
	m.Handle = &handle{link: l, tag: d.DeliveryTag, original: amqp.Publishing{
		ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, Type: d.Type, AppId: d.AppId,
		DeliveryMode: amqp.Persistent, MessageId: m.ID, Timestamp: d.Timestamp, Headers: d.Headers, Body: d.Body,
	}}
	return m
}

// identity is the message's ID, or for producers that give none a digest of what it says: then equal messages look the same.
func identity(d amqp.Delivery) string {
	if d.MessageId != "" {
		return d.MessageId
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%d %s %s %s\n%v\n", d.Timestamp.Unix(), d.Exchange, d.RoutingKey, d.CorrelationId, attributes(d.Headers))
	_, _ = sum.Write(d.Body)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// brokers are the beginnings of the headers that RabbitMQ writes.
var brokers = []string{"x-delivery-count", "x-acquired-count", "x-death", "x-first-death-", "x-last-death-"}

// attributes are the headers with text or a number, but not the broker's own.
func attributes(headers amqp.Table) []queue.Attribute {
	var out []queue.Attribute
	for name, value := range headers {
		text, ok := plain(value)
		if ok && !slices.ContainsFunc(brokers, func(b string) bool { return strings.HasPrefix(name, b) }) {
			out = append(out, queue.Attribute{Name: name, Value: text})
		}
	}
	slices.SortFunc(out, func(a, b queue.Attribute) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func plain(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case int, int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		return fmt.Sprint(v), true
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}
