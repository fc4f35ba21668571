// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queue

import "context"

// Remover is implemented by queues that can be deleted from here, which the operator does with generated ones only.
type Remover interface {
	// Remove deletes the queue and its dead-letter queue with everything in them, the queue itself last: while it is there, Remove can
	// be repeated for the rest.
	Remove(ctx context.Context) error
}
