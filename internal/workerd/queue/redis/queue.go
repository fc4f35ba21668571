// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package redis is the queue of the worker daemon on a stream of Redis 6.2 or later, with a consumer group.
//
// Redis keeps neither a time until which a message is held nor a delay, so both are in sorted sets beside the stream, and every
// step is one script: it happens whole or not at all, by the clock of the server. The attempts are Redis' own count of
// deliveries. The keys beside the stream begin with its name and ":beanpod:".
package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	client "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// quiet stops the client from writing to standard error: what it writes is in the errors that it returns.
var quiet = sync.OnceFunc(logging.Disable)

// patience is how long one command may take.
const patience = 5 * time.Second

// Queue is a stream and its dead-letter stream.
type Queue struct {
	db       *client.Client
	at       contract.Coordinates
	options  queue.Options
	keys     []string
	warnings []string

	lock   sync.Mutex
	closed bool
	// lost are the tokens of receives whose answer never came.
	lost []string
	// swept is when deliveries without a time were last looked for; cursor is where that goes on.
	swept  time.Time
	cursor string
}

// Open connects to the stream. One that others made must be there; its group is made if need be, and begins with the oldest
// entry. It takes username, password and ca.crt of the credentials.
func Open(ctx context.Context, c contract.Coordinates, o queue.Options, credentials map[string]string) (queue.Queue, error) {
	if c.Name == "" || c.Group == "" {
		return nil, fmt.Errorf("the queue at %s has no name or no group; set queue.redis.stream and queue.redis.group", c.URL)
	}
	quiet()
	dial, err := options(c, credentials)
	if err != nil {
		return nil, err
	}
	own := c.Name + ":beanpod:" + c.Group
	q := &Queue{
		db: client.NewClient(dial), at: c, options: o, cursor: "-",
		keys: []string{c.Name, own + ":held", own + ":delayed", own + ":deliveries"},
	}
	if err := q.prepare(ctx); err != nil {
		_ = q.db.Close()
		return nil, fmt.Errorf("queue %s at %s: %w", c.Name, c.URL, err)
	}
	return q, nil
}

// prepare makes the group, and the stream where that is ours to make; and looks at the server.
func (q *Queue) prepare(ctx context.Context) error {
	warnings, err := q.inspect(ctx)
	if err != nil {
		return err
	}
	kind, err := q.db.Type(ctx, q.at.Name).Result()
	if err != nil {
		return err
	}
	if kind != "stream" && (kind != "none" || !q.at.Generated) {
		return fmt.Errorf("the key %q is %s, not a stream; correct queue.redis.stream, or let the first producer make it", q.at.Name, article(kind))
	}
	err = q.db.XGroupCreateMkStream(ctx, q.at.Name, q.at.Group, "0").Err()
	if err != nil && !client.HasErrorPrefix(err, "BUSYGROUP") {
		return fmt.Errorf("the consumer group %q cannot be made; allow the user XGROUP on %s*: %w", q.at.Group, q.at.Name, err)
	}
	groups, err := q.db.XInfoGroups(ctx, q.at.Name).Result()
	if err != nil {
		return err
	}
	if len(groups) > 1 {
		warnings = append(warnings, fmt.Sprintf("The stream %s has %d consumer groups. Messages stay in it after they were worked, because other groups may still want them; trim it yourself.", q.at.Name, len(groups)))
	}
	q.lock.Lock()
	defer q.lock.Unlock()
	q.warnings = warnings
	return nil
}

func article(kind string) string {
	if kind == "none" {
		return "not there"
	}
	return "a " + kind
}

// Warnings are sentences on settings of the server that risk messages.
func (q *Queue) Warnings() []string {
	q.lock.Lock()
	defer q.lock.Unlock()
	return q.warnings
}

// DeadLetterURL names the stream of dead letters.
func (q *Queue) DeadLetterURL() string { return q.at.URL + "#" + q.dead() }

func (q *Queue) dead() string { return q.at.Name + "-dead" }

// Close ends the connections, and takes this daemon's name off the group unless it still holds messages.
func (q *Queue) Close() error {
	q.lock.Lock()
	again := q.closed
	q.closed = true
	q.lock.Unlock()
	if again {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = q.giveBack(ctx)
	_ = q.run(ctx, leave, q.keys).Err() // the sweep of another daemon does it else
	return q.db.Close()
}

// run runs a script with the group and this consumer as its first arguments.
func (q *Queue) run(ctx context.Context, s *client.Script, keys []string, args ...any) *client.Cmd {
	return s.Run(ctx, q.db, keys, append([]any{q.at.Group, q.options.Consumer}, args...)...)
}

// attempt runs a script that may be repeated, and does so when the connection breaks.
func (q *Queue) attempt(ctx context.Context, s *client.Script, keys []string, args ...any) (int, error) {
	for try := 0; ; try++ {
		n, err := q.run(ctx, s, keys, args...).Int()
		var refused client.Error
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil || try == 2 {
			return n, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond << try):
		}
	}
}
