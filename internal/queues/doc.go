// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package queues asks about the queues of worker environments. I/O, on the operator's side. A Watcher asks the daemons what they see of
// their queue, for health. A Poller asks brokers how much waits, through the daemon's own adapters, and internal/scaling how many
// instances that takes. The environment controller reads what is known of both, and is woken when that becomes something else.
package queues

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/open"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Open opens a queue with the adapter of its provider. Credentials are the keys of a Secret with their values.
type Open func(ctx context.Context, c contract.Coordinates, o queue.Options, credentials map[string]string) (queue.Queue, error)

// Brokers opens queues with the adapters that the daemons have.
func Brokers(ctx context.Context, c contract.Coordinates, o queue.Options, credentials map[string]string) (queue.Queue, error) {
	return open.Queue(ctx, c, o, credentials)
}

// Source is a queue and how to reach it.
type Source struct {
	Coordinates contract.Coordinates
	Options     queue.Options
	// Namespace and Secret hold the credentials; an empty Secret: none. Version is the Secret's resource version: with another one the
	// queue is opened anew.
	Namespace, Secret, Version string
}

// SourceOf is the queue of a daemon's configuration, with the same options: who opens a generated queue first makes it.
func SourceOf(c contract.Config, namespace, secret, version string) Source {
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	return Source{
		Coordinates: c.Queue, Namespace: namespace, Secret: secret, Version: version,
		Options: queue.Options{
			Visibility: seconds(c.VisibilityTimeout), Retention: seconds(c.Retention), MaxAttempts: c.MaxRetries, MaxInFlight: c.Connections,
			Consumer: "beanpod-operator",
		},
	}
}

// key is the same for sources that are one queue, opened with the same credentials: they share a connection and every look.
func (s Source) key() string {
	if s.Secret == "" {
		s.Namespace, s.Version = "", ""
	}
	text, err := json.Marshal(s)
	if err != nil {
		return s.Coordinates.URL + s.Coordinates.Name // a struct of strings and numbers always marshals
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
