// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"errors"
	"time"
)

// lease is the name that at most one holds.
type lease struct {
	holder string
	until  time.Time
	record []byte
}

var errNotLeader = errors.New("somebody else leads")

func (l *lease) current() string {
	if time.Now().Before(l.until) {
		return l.holder
	}
	return ""
}

// Elect implements queue.Elector.
func (q *Queue) Elect(_ context.Context, holder string, ttl time.Duration) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if leader := q.lease.current(); leader != "" && leader != holder {
		return leader, nil
	}
	q.lease.holder, q.lease.until = holder, time.Now().Add(ttl)
	return holder, nil
}

// Resign implements queue.Elector.
func (q *Queue) Resign(_ context.Context, holder string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lease.current() == holder {
		q.lease.until = time.Time{}
	}
	return nil
}

// Record implements queue.Elector.
func (q *Queue) Record(context.Context) ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]byte(nil), q.lease.record...), nil
}

// Keep implements queue.Elector.
func (q *Queue) Keep(_ context.Context, holder string, record []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lease.current() != holder {
		return errNotLeader
	}
	q.lease.record = append([]byte(nil), record...)
	return nil
}
