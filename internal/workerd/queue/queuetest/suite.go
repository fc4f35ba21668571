// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package queuetest is the contract of queue.Queue as tests. Every adapter runs them over its real broker; the tests of the
// adapters are its only callers.
package queuetest

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Capabilities say what a broker can do of that which the interface leaves open, and how a test looks behind the adapter.
type Capabilities struct {
	// UncountedRelease: Release with counted false does not raise Attempt.
	UncountedRelease bool
	// Deduplicates: messages with the same key are one message.
	Deduplicates bool
	// FirstReceived: the time of the first delivery is kept.
	FirstReceived bool
	// VisibilityEnds: a message that nobody extends comes back although its receiver lives.
	VisibilityEnds bool
	// ReleaseDelay: Release waits before the message comes back.
	ReleaseDelay bool
	// EmptyBodies and BinaryBodies: bodies may be empty, and hold any byte.
	EmptyBodies, BinaryBodies bool
	// InFlight and Oldest: Depth knows them; what it does not know is -1.
	InFlight, Oldest bool
	// Slack is how much later than asked for things may happen. 0: 5 seconds.
	Slack time.Duration

	// DeadLetters reads the dead letters of an open queue, oldest first. Nil: only their number is looked at.
	DeadLetters func(t *testing.T, q queue.Queue) []*queue.Message
	// CopyDeadLetter does DeadLetter's first half, as if the process died before the second. Nil: DeadLetter is atomic.
	CopyDeadLetter func(t *testing.T, q queue.Queue, m *queue.Message, reason string)
}

// Open opens the queue of a test. The first call for a t makes an empty one; later calls with the same t open it again, as
// another daemon would. Name(t) is a name for it.
type Open func(t *testing.T, o queue.Options) queue.Queue

// visibility of the tests that wait for its end; long is for those that must not see it.
const (
	visibility = 3 * time.Second
	long       = 2 * time.Minute
)

type suite struct {
	Capabilities
	open Open
}

// Run runs the contract. Its tests are parallel to each other.
func Run(t *testing.T, open func(t *testing.T, o queue.Options) queue.Queue, c Capabilities) {
	t.Helper()
	if c.Slack == 0 {
		c.Slack = 5 * time.Second
	}
	s := &suite{Capabilities: c, open: open}
	for name, test := range map[string]func(*testing.T){
		"Receive/Nothing": s.receiveNothing, "Receive/AtOnce": s.receiveAtOnce, "Receive/Wakes": s.receiveWakes, "Receive/Cancelled": s.receiveCancelled,
		"Receive/CancelRaces": s.cancelRaces, "Receive/NoPrefetch": s.noPrefetch, "Receive/Closed": s.closed, "Receive/Concurrent": s.concurrent,
		"Message/Identity": s.identity, "Message/Attributes": s.attributes, "Message/Bodies": s.bodies,
		"Delete/Repeated": s.deleteRepeated, "Delete/AfterReopening": s.deleteReopened,
		"Extend/Keeps": s.extendKeeps, "Extend/Gone": s.extendGone, "Visibility/Ends": s.visibilityEnds, "Visibility/Reopened": s.reopened,
		"Release/AtOnce": s.releaseAtOnce, "Release/Delayed": s.releaseDelayed, "Release/Uncounted": s.releaseUncounted, "Release/UncountedDelayed": s.releaseUncountedDelayed,
		"DeadLetter/Once": s.deadLetterOnce, "DeadLetter/Repeated": s.deadLetterRepeated, "DeadLetter/Crash": s.deadLetterCrash, "DeadLetter/Many": s.deadLetterMany,
		"Depth": s.depth, "Send/Keys": s.sendKeys, "Send/KeyOfDeleted": s.sendKeyOfDeleted, "Send/Concurrent": s.sendConcurrent,
		"Elector/OneLeader": s.electOne, "Elector/Resign": s.electResign, "Elector/Expiry": s.electExpiry, "Elector/Record": s.electRecord, "Elector/Race": s.electRace,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t) })
	}
}

var (
	names  sync.Map
	number atomic.Int64
)

// Name is a name for the queue of a test: lower-case letters, digits and dashes, the same for the same t, and never used before.
func Name(t *testing.T) string {
	t.Helper()
	name, _ := names.LoadOrStore(t, fmt.Sprintf("q%d-%d-%d", time.Now().Unix(), os.Getpid(), number.Add(1)))
	return name.(string)
}

// start opens the test's queue with what most tests need.
func (s *suite) start(t *testing.T, visible time.Duration) queue.Queue {
	t.Helper()
	q := s.open(t, queue.Options{Visibility: visible, Retention: time.Hour, MaxAttempts: 10, MaxInFlight: 20, Consumer: fmt.Sprintf("daemon-%d", number.Add(1))})
	t.Cleanup(func() { _ = q.Close() })
	return q
}
