// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "github.com/redis/go-redis/v9"
)

// election are the keys of the leader's name and of its record.
func (q *Queue) election() []string {
	own := q.at.Name + ":beanpod:" + q.at.Group
	return append(q.keys[:4:4], own+":leader", own+":record")
}

// Elect takes or renews the name.
func (q *Queue) Elect(ctx context.Context, holder string, ttl time.Duration) (string, error) {
	leader, err := q.run(ctx, elect, q.election(), holder, ttl.Milliseconds()).Text()
	return leader, q.wrap(err)
}

// Resign gives the name up.
func (q *Queue) Resign(ctx context.Context, holder string) error {
	_, err := q.attempt(ctx, resign, q.election(), holder)
	return q.wrap(err)
}

// Record reads what the last leader kept.
func (q *Queue) Record(ctx context.Context) ([]byte, error) {
	record, err := q.db.Get(ctx, q.election()[5]).Bytes()
	if errors.Is(err, client.Nil) {
		return nil, nil
	}
	return record, q.wrap(err)
}

// Keep writes the record of who leads.
func (q *Queue) Keep(ctx context.Context, holder string, record []byte) error {
	n, err := q.attempt(ctx, keep, q.election(), holder, record)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s does not lead any more", holder)
	}
	return q.wrap(err)
}
