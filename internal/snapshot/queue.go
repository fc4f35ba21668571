// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import "time"

// Queue is what the daemons of a worker Environment say of its queue. It is coarse on purpose: what changes with every message
// would change the status with every message.
type Queue struct {
	// Known is false until a daemon has answered.
	Known bool
	// Silent: no daemon had an answer of the broker for SilentAfter.
	Silent bool
	// Unseen: the operator itself had no answer for as long, and no daemon says that it had one.
	Unseen bool
	// Age of the oldest waiting message.
	Age Age
	// Dead messages in the dead-letter queue; 0 also when not known.
	Dead int64
	// Leader is the instance that enqueues periodic tasks; empty: none is known.
	Leader string
}

// SilentAfter is Beanstalk's limit: a queue that was not polled for three minutes makes an environment red.
const SilentAfter = 3 * time.Minute

// Age says how long the oldest message has waited.
type Age int

// The ages.
const (
	// AgeFresh is not worth a word, or not known.
	AgeFresh Age = iota
	// AgeOld is five minutes and more, AgeVeryOld an hour and more.
	AgeOld
	AgeVeryOld
)

// AgeOf sorts an age; a negative one is not known.
func AgeOf(d time.Duration) Age {
	switch {
	case d >= time.Hour:
		return AgeVeryOld
	case d >= 5*time.Minute:
		return AgeOld
	default:
		return AgeFresh
	}
}
