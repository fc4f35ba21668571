// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queue

import "context"

// Remover is implemented by queues that can be deleted from here, which the operator does with generated ones only.
type Remover interface {
	// Remains is Depth where it must not be wrong: every message that the broker confirmed counts, those of the dead-letter queue that
	// somebody looks at too. A broker that counts roughly only may say 1 where there are more.
	Remains(ctx context.Context) (Depth, error)
	// Remove deletes the queue and its dead-letter queue with everything in them, the queue itself last: while it is there, Remove can
	// be repeated for the rest.
	Remove(ctx context.Context) error
}
