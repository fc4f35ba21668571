// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// longestReason of a dead letter. With its other attributes it fits into the headroom of the stream.
const longestReason = 1024

// Send publishes under the key, or under one of its own, so that what is repeated for a lost answer is stored once.
func (q *natsQueue) Send(ctx context.Context, key string, body []byte, list []queue.Attribute) error {
	if q.subject == "" {
		return fmt.Errorf("stream %s has no subject to send to: set queue.nats.subject", q.at.Name)
	}
	if key == "" {
		key = nuid.Next()
	}
	m := &client.Msg{Subject: q.subject, Data: body, Header: header(list)}
	if err := q.publish(ctx, m, jetstream.WithMsgID(url.PathEscape(key)), jetstream.WithExpectStream(q.at.Name)); err != nil {
		return fmt.Errorf("sending to stream %s: %w", q.at.Name, err)
	}
	return nil
}

// publish tries again while the broker does not answer; the caller sees to it that this stores nothing twice.
func (q *natsQueue) publish(ctx context.Context, m *client.Msg, options ...jetstream.PublishOpt) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		try, done := context.WithTimeout(ctx, 2*time.Second)
		_, err := q.js.PublishMsg(try, m, options...)
		done()
		var refused *jetstream.APIError
		if err == nil || errors.As(err, &refused) || errors.Is(err, client.ErrMaxPayload) || errors.Is(err, client.ErrConnectionClosed) || ctx.Err() != nil {
			return err
		}
		pause(ctx, 50*time.Millisecond)
	}
}

func (q *natsQueue) bury(ctx context.Context, m *queue.Message, reason string) error {
	d := m.Handle.(*delivery)
	letter := &client.Msg{
		Subject: fmt.Sprintf("%s.%d.%d", q.dead(), q.created.UnixNano(), d.sequence), Data: m.Body,
		Header: header(queue.DeadAttributes(m, q.at.Name, shorten(reason))),
	}
	letter.Header.Set(headerSubject, d.subject)
	err := q.publish(ctx, letter, jetstream.WithExpectStream(q.dead()), jetstream.WithExpectLastSequencePerSubject(0))
	var refused *jetstream.APIError
	if errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
		return nil // it lies there already
	}
	return err
}

func shorten(s string) string {
	if len(s) <= longestReason {
		return s
	}
	cut := longestReason
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.TrimSpace(s[:cut]) + "..."
}

// Depth counts what was given back, and waits for its next delivery, as in flight: the broker does not tell the two apart.
func (q *natsQueue) Depth(ctx context.Context) (queue.Depth, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	consumer, err := q.js.Consumer(ctx, q.at.Name, q.at.Group)
	if err != nil {
		return queue.Depth{}, fmt.Errorf("asking for consumer %s of stream %s: %w", q.at.Group, q.at.Name, explain(err))
	}
	info := consumer.CachedInfo()
	out := queue.Depth{Waiting: int64(info.NumPending), InFlight: int64(info.NumAckPending), Dead: -1, Oldest: -1}
	if dead, err := q.js.Stream(ctx, q.dead()); err == nil {
		out.Dead = int64(dead.CachedInfo().State.Msgs)
	}
	if out.Waiting == 0 {
		out.Oldest = 0
		return out, nil
	}
	if stream, err := q.js.Stream(ctx, q.at.Name); err == nil {
		filter := q.at.Subject
		if filter == "" {
			filter = ">"
		}
		if m, err := stream.GetMsg(ctx, info.Delivered.Stream+1, jetstream.WithGetMsgSubject(filter)); err == nil {
			out.Oldest = max(0, time.Since(m.Time))
		}
	}
	return out, nil
}
