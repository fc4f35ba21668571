// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Grace is how long an object is left alone that nobody names: who stored it may not have been able to say so yet.
const Grace = 24 * time.Hour

// Sweep deletes the objects of a namespace, or of all of them when it is empty, that nobody names and that were stored before the
// grace. It returns how many it deleted.
func Sweep(ctx context.Context, s Store, namespace string, named func(Key) bool, now time.Time) (int, error) {
	var doomed []Key
	err := s.List(ctx, namespace, func(o Object) error {
		if now.Sub(o.Modified) > Grace && !named(o.Key) {
			doomed = append(doomed, o.Key)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for i, k := range doomed {
		if err := s.Delete(ctx, k); err != nil {
			return i, err
		}
	}
	return len(doomed), nil
}
