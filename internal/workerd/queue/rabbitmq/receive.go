// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// shortest and longestPause are between two looks at an empty queue.
const (
	shortest     = 20 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// Receive fetches what is there, and looks at an empty queue until something is.
func (q *Queue) Receive(ctx context.Context, max int, wait time.Duration) ([]*queue.Message, error) {
	type answer struct {
		messages []*queue.Message
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		l, err := q.taking(ctx)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		messages, err := q.receive(ctx, l, max, time.Now().Add(wait))
		answers <- answer{messages, q.wrap(err)}
	}()
	result := func(a answer) ([]*queue.Message, error) {
		if len(a.messages) == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return a.messages, a.err
	}
	select {
	case a := <-answers:
		return result(a)
	case <-ctx.Done():
	}
	select {
	case a := <-answers:
		return result(a)
	case <-time.After(time.Second / 2): // the broker hangs
		go func() {
			for _, m := range (<-answers).messages {
				_ = q.Release(context.WithoutCancel(ctx), m, 0, false) // who lost the connection has nothing to give back
			}
		}()
		return nil, ctx.Err()
	}
}

// receive ends early when ctx does, and goes on while others are faster.
func (q *Queue) receive(ctx context.Context, l *link, max int, end time.Time) ([]*queue.Message, error) {
	for {
		got, err := q.fetch(ctx, l, max)
		if len(got) > 0 || err != nil || !q.watch(ctx, l, end) {
			return got, err
		}
	}
}

// fetch takes up to max messages: one, and if there is one, others through all channels at a time. An error means that the
// connection is over, and with it all that came.
func (q *Queue) fetch(ctx context.Context, l *link, max int) ([]*queue.Message, error) {
	first, err := l.get(q.at.Name)
	if first == nil || err != nil || max == 1 {
		return some(first), err
	}
	var (
		group  sync.WaitGroup
		lock   sync.Mutex
		got    = some(first)
		left   atomic.Int64
		broken error
	)
	left.Store(int64(max - 1))
	for _, lane := range l.lanes[:min(max-1, len(l.lanes))] {
		group.Go(func() {
			for ctx.Err() == nil && left.Add(-1) >= 0 {
				m, err := lane.get(q.at.Name)
				lock.Lock()
				got, broken = append(got, some(m)...), errors.Join(broken, err)
				lock.Unlock()
				if m == nil {
					return
				}
			}
		})
	}
	group.Wait()
	if broken != nil {
		return nil, broken
	}
	return got, nil
}

func some(m *queue.Message) []*queue.Message {
	if m == nil {
		return nil
	}
	return []*queue.Message{m}
}

// watch says that something waits, or false when the time is over. It looks, less and less often, and takes nothing: a consumer
// that is cancelled while a message is on its way to it costs the message an attempt.
func (q *Queue) watch(ctx context.Context, l *link, end time.Time) bool {
	for pause := shortest; ; pause = min(2*pause, longestPause) {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-l.gone:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
		// An error comes again, from who fetches.
		if n, err := l.ready(q.at.Name); n > 0 || err != nil {
			return true
		}
	}
}
