// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

const (
	// duplicates is how long the broker remembers keys of messages.
	duplicates = 10 * time.Minute
	// burial is how much longer dead letters are kept than the messages of the queue.
	burial = 14 * 24 * time.Hour
	// headroom is what a dead letter may be larger than the message it was.
	headroom = 8 * 1024
	// visibility and retention where the caller does not say.
	defaultVisibility = 5 * time.Minute
	defaultRetention  = 4 * 24 * time.Hour
)

// setUp finds or makes the stream and all that belongs to it, and reads what the methods need to know of them.
func (q *natsQueue) setUp(ctx context.Context) error {
	stream, err := q.js.Stream(ctx, q.at.Name)
	switch {
	case err == nil && q.at.Generated && !q.options.Existing:
		stream, err = q.adjust(ctx, stream)
	case errors.Is(err, jetstream.ErrStreamNotFound) && q.options.Existing:
		return fmt.Errorf("there is no stream %s at %s: %w", q.at.Name, q.at.URL, queue.ErrMissing)
	case errors.Is(err, jetstream.ErrStreamNotFound) && q.at.Generated:
		stream, err = q.generate(ctx)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("there is no stream %s at %s: create it, or set queue.generated and leave it to Beanpod", q.at.Name, q.at.URL)
	}
	if err != nil {
		return fmt.Errorf("the stream %s at %s: %w", q.at.Name, q.at.URL, explain(err))
	}
	info := stream.CachedInfo()
	q.created, q.maxAge, q.subject = info.Created, info.Config.MaxAge, sendTo(q.at.Subject, info.Config.Subjects)
	q.warnings = append(q.warnings, risks(info.Config, q.options)...)
	if err := q.setUpConsumer(ctx); err != nil {
		return err
	}
	if err := q.setUpDead(ctx, info.Config); err != nil {
		return err
	}
	return q.setUpState(ctx, info.Config.Replicas)
}

// explain adds what to do to errors whose cause is outside the stream.
func explain(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w; start the server with JetStream, or enable it for the account", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w; the server did not answer: it may be starting, or the user may lack permission for $JS.API.>", err)
	}
	return err
}

func (q *natsQueue) subjects() []string {
	if q.at.Subject != "" {
		return []string{q.at.Subject}
	}
	return []string{q.at.Name, q.at.Name + ".>"}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// generate makes the stream, with three replicas where the servers are enough. A work queue holds exactly what was not
// settled, so that a lost consumer costs no repetition.
func (q *natsQueue) generate(ctx context.Context) (jetstream.Stream, error) {
	config := jetstream.StreamConfig{
		Name: q.at.Name, Subjects: q.subjects(), Description: "Queue of a Beanpod environment",
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew, Replicas: 1,
		MaxAge: orDefault(q.options.Retention, defaultRetention), MaxMsgSize: q.largest(), AllowDirect: true,
	}
	config.Duplicates = min(duplicates, config.MaxAge)
	if q.conn.ConnectedClusterName() != "" {
		config.Replicas = 3
	}
	stream, err := q.js.CreateStream(ctx, config)
	var refused *jetstream.APIError
	if config.Replicas > 1 && errors.As(err, &refused) {
		config.Replicas = 1
		stream, err = q.js.CreateStream(ctx, config)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another daemon was faster, with other settings
		if stream, err = q.js.Stream(ctx, q.at.Name); err == nil {
			return q.adjust(ctx, stream)
		}
	}
	return stream, err
}

// largest leaves room for what a dead letter adds.
func (q *natsQueue) largest() int32 { return int32(min(q.conn.MaxPayload(), 64<<20)) - headroom }

// adjust follows the settings, as far as no message is lost by it.
func (q *natsQueue) adjust(ctx context.Context, stream jetstream.Stream) (jetstream.Stream, error) {
	info := stream.CachedInfo()
	config := info.Config
	config.Discard, config.DiscardNewPerSubject = jetstream.DiscardNew, false
	config.MaxAge = orDefault(q.options.Retention, config.MaxAge)
	if oldest := time.Since(info.State.FirstTime); info.State.Msgs > 0 && config.MaxAge > 0 && oldest > config.MaxAge-time.Minute && config.MaxAge < info.Config.MaxAge {
		q.warnings = append(q.warnings, fmt.Sprintf("Stream %s keeps its max age of %v: with the %v that are set now, the broker would drop messages that wait since %v. It changes when they are worked.",
			q.at.Name, info.Config.MaxAge, config.MaxAge, oldest.Round(time.Second)))
		config.MaxAge = info.Config.MaxAge
	}
	config.Duplicates = max(config.Duplicates, duplicates)
	if config.MaxAge > 0 {
		config.Duplicates = min(config.Duplicates, config.MaxAge)
	}
	for _, subject := range q.subjects() {
		if !slices.Contains(config.Subjects, subject) {
			config.Subjects = append(slices.Clone(config.Subjects), subject)
		}
	}
	if config.MaxAge == info.Config.MaxAge && config.Duplicates == info.Config.Duplicates && config.Discard == info.Config.Discard &&
		config.DiscardNewPerSubject == info.Config.DiscardNewPerSubject && slices.Equal(config.Subjects, info.Config.Subjects) {
		return stream, nil
	}
	return q.js.UpdateStream(ctx, config)
}

// sendTo is the subject for messages of our own: the one that is consumed, or the stream's first; wildcards become a word.
func sendTo(consumed string, subjects []string) string {
	if consumed == "" && len(subjects) > 0 {
		consumed = subjects[0]
	}
	tokens := strings.Split(consumed, ".")
	for i, token := range tokens {
		if token == "*" || token == ">" {
			tokens[i] = "beanpod"
		}
	}
	return strings.Join(tokens, ".")
}
