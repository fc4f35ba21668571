// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	keyLeader = "leader"
	keyRecord = "record"
)

// terms is what this process knows of its own leading.
type terms struct {
	lock   sync.Mutex
	holder string // empty: it does not lead
	until  time.Time
	// record is the revision that it may replace. A successor writes the record anew when it begins, so whoever led before
	// cannot, however late.
	record uint64
}

// Elect holds the key of the leader, which the broker drops when its time is over.
func (q *natsQueue) Elect(ctx context.Context, holder string, ttl time.Duration) (string, error) {
	q.terms.lock.Lock()
	defer q.terms.lock.Unlock()
	for range 10 {
		began := time.Now()
		leader, err := q.claim(ctx, holder, ttl)
		if conflict(err) {
			continue // another one was faster
		}
		if err != nil {
			return "", fmt.Errorf("electing a leader in bucket %s: %w", q.bucket(), explain(err))
		}
		if leader != holder {
			q.terms.holder = ""
			return leader, nil
		}
		if q.terms.holder != holder {
			if q.terms.record, err = q.inherit(ctx); err != nil {
				return "", fmt.Errorf("taking over the record in bucket %s: %w", q.bucket(), explain(err))
			}
		}
		q.terms.holder, q.terms.until = holder, began.Add(ttl)
		return holder, nil
	}
	return "", fmt.Errorf("electing a leader in bucket %s: others were faster ten times", q.bucket())
}

func conflict(err error) bool {
	var refused *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &refused) &&
		(refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// claim takes, renews, or says who is there.
func (q *natsQueue) claim(ctx context.Context, holder string, ttl time.Duration) (string, error) {
	entry, err := q.state.Get(ctx, keyLeader)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		_, err = q.state.Create(ctx, keyLeader, []byte(holder), jetstream.KeyTTL(max(ttl, time.Second)))
		return holder, err
	}
	if err != nil || string(entry.Value()) != holder {
		return valueOf(entry), err
	}
	return holder, q.put(ctx, keyLeader, []byte(holder), ttl, jetstream.WithExpectLastSequencePerSubject(entry.Revision()))
}

func valueOf(entry jetstream.KeyValueEntry) string {
	if entry == nil {
		return ""
	}
	return string(entry.Value())
}

// inherit writes the record as it is, for its new revision.
func (q *natsQueue) inherit(ctx context.Context) (uint64, error) {
	for {
		entry, err := q.state.Get(ctx, keyRecord)
		var revision uint64
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			revision, err = q.state.Create(ctx, keyRecord, nil)
		case err == nil:
			revision, err = q.state.Update(ctx, keyRecord, entry.Value(), entry.Revision())
		}
		if !conflict(err) {
			return revision, err
		}
	}
}

// Resign gives up what holder holds, and nothing else.
func (q *natsQueue) Resign(ctx context.Context, holder string) error {
	q.terms.lock.Lock()
	defer q.terms.lock.Unlock()
	if q.terms.holder == holder {
		q.terms.holder = ""
	}
	entry, err := q.state.Get(ctx, keyLeader)
	if errors.Is(err, jetstream.ErrKeyNotFound) || err == nil && string(entry.Value()) != holder {
		return nil
	}
	if err == nil {
		err = q.state.Delete(ctx, keyLeader, jetstream.LastRevision(entry.Revision()))
	}
	if err != nil && !conflict(err) {
		return fmt.Errorf("resigning in bucket %s: %w; the term ends by itself", q.bucket(), err)
	}
	return nil
}

// Record is what the last leader kept.
func (q *natsQueue) Record(ctx context.Context) ([]byte, error) {
	entry, err := q.state.Get(ctx, keyRecord)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the record in bucket %s: %w", q.bucket(), err)
	}
	return entry.Value(), nil
}

// Keep replaces the record that this leader took over or wrote.
func (q *natsQueue) Keep(ctx context.Context, holder string, record []byte) error {
	q.terms.lock.Lock()
	defer q.terms.lock.Unlock()
	if q.terms.holder != holder || time.Now().After(q.terms.until) {
		return fmt.Errorf("%s does not lead, so it keeps no record in bucket %s", holder, q.bucket())
	}
	revision, err := q.state.Update(ctx, keyRecord, record, q.terms.record)
	if err != nil {
		q.terms.holder = "" // perhaps it was written: the next Elect finds out
		return fmt.Errorf("keeping the record in bucket %s: %w", q.bucket(), err)
	}
	q.terms.record = revision
	return nil
}
