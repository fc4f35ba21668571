// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// setUpConsumer finds or makes the consumer that all daemons share. Deliveries are not limited: at its limit the broker leaves
// messages lying without telling anybody, so the daemon counts and buries.
func (q *natsQueue) setUpConsumer(ctx context.Context) error {
	want := jetstream.ConsumerConfig{
		Durable: q.at.Group, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait: max(orDefault(q.options.Visibility, defaultVisibility), time.Second), MaxDeliver: -1, MaxAckPending: -1, FilterSubject: q.at.Subject,
	}
	consumer, err := q.js.Consumer(ctx, q.at.Name, q.at.Group)
	switch {
	case err == nil:
		have := consumer.CachedInfo().Config
		if q.options.Visibility <= 0 {
			want.AckWait = have.AckWait
		}
		next := have
		next.AckWait, next.MaxDeliver, next.MaxAckPending, next.FilterSubject, next.BackOff = want.AckWait, -1, -1, want.FilterSubject, nil
		if have.AckPolicy != jetstream.AckExplicitPolicy {
			return fmt.Errorf("consumer %s of stream %s does not acknowledge explicitly, so messages could be lost: delete the consumer, or set another queue.nats.consumer", q.at.Group, q.at.Name)
		}
		if have.AckWait != next.AckWait || have.MaxDeliver != -1 || have.MaxAckPending != -1 || have.FilterSubject != next.FilterSubject || len(have.BackOff) > 0 {
			consumer, err = q.js.UpdateConsumer(ctx, q.at.Name, next)
		}
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		consumer, err = q.js.CreateOrUpdateConsumer(ctx, q.at.Name, want)
	}
	if err != nil {
		return fmt.Errorf("the consumer %s of stream %s: %w; the user needs to create consumers there, and a work queue lets one consumer alone have a subject", q.at.Group, q.at.Name, explain(err))
	}
	q.held = consumer.CachedInfo().Config.AckWait
	return nil
}

// setUpDead finds or makes the stream of dead letters: one for each subject, and the second one refused, so that a message that
// is buried twice is there once.
func (q *natsQueue) setUpDead(ctx context.Context, source jetstream.StreamConfig) error {
	want := jetstream.StreamConfig{
		Name: q.dead(), Subjects: []string{q.dead() + ".>"}, Description: "Dead letters of stream " + q.at.Name,
		Storage: jetstream.FileStorage, Replicas: source.Replicas, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, AllowDirect: true,
	}
	if source.MaxAge > 0 {
		want.MaxAge = source.MaxAge + burial
	}
	stream, err := q.js.Stream(ctx, q.dead())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = q.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			stream, err = q.js.Stream(ctx, q.dead())
		}
	}
	if err != nil {
		return fmt.Errorf("the stream %s for dead letters: %w; create it by hand if the user may not: subjects %s.>, one message per subject, discard new per subject", q.dead(), explain(err), q.dead())
	}
	have := stream.CachedInfo().Config
	if have.MaxMsgsPerSubject != 1 || have.Discard != jetstream.DiscardNew || !have.DiscardNewPerSubject {
		return fmt.Errorf("the stream %s would keep a dead letter twice: it needs max messages per subject 1, discard policy new, and discard new per subject", q.dead())
	}
	if have.MaxAge > 0 && (want.MaxAge == 0 || have.MaxAge < want.MaxAge) {
		have.MaxAge = want.MaxAge
		if _, err := q.js.UpdateStream(ctx, have); err != nil {
			q.warnings = append(q.warnings, fmt.Sprintf("Stream %s keeps dead letters for a shorter time than messages may wait in %s: raise its max age to %v.", q.dead(), q.at.Name, want.MaxAge))
		}
	}
	return nil
}

// bucket is what the broker does not keep: deliveries that do not count, and who leads.
func (q *natsQueue) bucket() string {
	clean := func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", r) {
			return r
		}
		return '_'
	}
	return strings.Map(clean, q.at.Name+"-"+q.at.Group)
}

func (q *natsQueue) setUpState(ctx context.Context, replicas int) error {
	var err error
	if q.state, err = q.js.KeyValue(ctx, q.bucket()); errors.Is(err, jetstream.ErrBucketNotFound) {
		q.state, err = q.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: q.bucket(), Description: "What Beanpod remembers of stream " + q.at.Name, Storage: jetstream.FileStorage, Replicas: replicas,
			LimitMarkerTTL: time.Minute,
		})
		if errors.Is(err, jetstream.ErrBucketExists) {
			q.state, err = q.js.KeyValue(ctx, q.bucket())
		}
	}
	if err != nil {
		return fmt.Errorf("the bucket %s of stream %s: %w; it needs NATS 2.11 or newer, and a user who may create key-value buckets", q.bucket(), q.at.Name, explain(err))
	}
	return nil
}
