// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

const (
	// nap is the longest time without a look: messages that others put back wake nobody up.
	nap = time.Second
	// sweepEvery is how often deliveries without a time are looked for.
	sweepEvery = 30 * time.Second
)

// batch is the answer of the script receive.
type batch struct {
	messages []*queue.Message
	// last is the newest entry that the group has seen; due is when the next message comes back, negative if none does.
	last string
	due  time.Duration
}

// Receive asks, and while nothing is there waits for a new entry or the next message that is due, whichever is first.
func (q *Queue) Receive(ctx context.Context, max int, wait time.Duration) ([]*queue.Message, error) {
	end := time.Now().Add(wait)
	for {
		b, err := q.take(ctx, max)
		if err != nil {
			return nil, q.failed(ctx, err)
		}
		left := time.Until(end)
		if len(b.messages) > 0 || left <= 0 {
			return b.messages, nil
		}
		if b.due >= 0 {
			left = min(left, b.due)
		}
		q.idle(ctx, b.last, min(left, nap))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// tidy gives back what was lost on the way, and now and then sweeps.
func (q *Queue) tidy(ctx context.Context) error {
	if err := q.giveBack(ctx); err != nil {
		return err
	}
	q.lock.Lock()
	due, cursor := time.Since(q.swept) > sweepEvery, q.cursor
	if due {
		q.swept = time.Now()
	}
	q.lock.Unlock()
	if !due {
		return nil
	}
	next, err := q.run(ctx, sweep, q.keys, q.options.Visibility.Milliseconds(), cursor).Text()
	if err != nil {
		return err
	}
	q.lock.Lock()
	defer q.lock.Unlock()
	q.cursor = next
	return nil
}

// giveBack puts back what was handed over in answers that never came.
func (q *Queue) giveBack(ctx context.Context) error {
	q.lock.Lock()
	lost := q.lost
	q.lost = nil
	q.lock.Unlock()
	for i, token := range lost {
		if _, err := q.attempt(ctx, giveBack, q.keys, token); err != nil {
			q.abandon(lost[i:]...)
			return err
		}
	}
	return nil
}

func (q *Queue) abandon(tokens ...string) {
	q.lock.Lock()
	defer q.lock.Unlock()
	q.lost = append(q.lost, tokens...)
}

// answer is what one run of the script brought.
type answer struct {
	batch
	err error
}

// take runs the script to its end even if ctx ends meanwhile: an answer that nobody reads would keep messages. It waits a
// moment for it, and else gives back whatever it brings.
func (q *Queue) take(ctx context.Context, max int) (batch, error) {
	if ctx.Err() != nil {
		return batch{}, ctx.Err()
	}
	token, answers, whole := rand.Text(), make(chan answer, 1), context.WithoutCancel(ctx)
	go func() { answers <- q.ask(whole, token, max) }()
	select {
	case a := <-answers:
		return a.batch, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-answers:
		return a.batch, a.err
	case <-time.After(time.Second / 2):
		go func() {
			<-answers
			q.abandon(token)
			_ = q.giveBack(whole) // kept for the next try if it fails
		}()
		return batch{}, ctx.Err()
	}
}

// ask runs the script once. What it hands over without an answer is given back later.
func (q *Queue) ask(ctx context.Context, token string, max int) answer {
	if err := q.tidy(ctx); err != nil {
		return answer{err: err}
	}
	raw, err := q.run(ctx, receive, q.keys, max, q.options.Visibility.Milliseconds(), token).Slice()
	if err != nil {
		q.abandon(token)
		return answer{err: err}
	}
	b, err := parse(raw, token)
	return answer{b, err}
}

// idle returns when an entry after last appears, or the time is over; it takes nothing.
func (q *Queue) idle(ctx context.Context, last string, wait time.Duration) {
	wait = max(wait, time.Millisecond) // 0 would mean forever
	done := make(chan struct{})
	go func() {
		defer close(done)
		began := time.Now()
		err := q.db.XRead(context.WithoutCancel(ctx), &client.XReadArgs{Streams: []string{q.at.Name, last}, Count: 1, Block: wait}).Err()
		if err != nil && !errors.Is(err, client.Nil) {
			time.Sleep(min(wait-time.Since(began), 100*time.Millisecond)) // the next script says what is wrong
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// failed makes the group again if it was lost with the server's data, and says what is wrong.
func (q *Queue) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if client.HasErrorPrefix(err, "NOGROUP") {
		if again := q.prepare(ctx); again != nil {
			err = again
		}
	}
	return fmt.Errorf("receiving from queue %s: %w", q.at.Name, err)
}
