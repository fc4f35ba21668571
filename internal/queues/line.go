// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues

import (
	"cmp"
	"context"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/beanpod-dev/beanpod/internal/scaling"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// How often a queue is looked at. While there is work, or nobody who could take it, each second that a message waits unseen is a second
// that it waits. Instances that wait for an empty queue take the first messages themselves, so nobody notices a later look.
const (
	busy = time.Second
	idle = 5 * time.Second
	// slowest is the longest pause after failures; it doubles from busy.
	slowest = 30 * time.Second
	// fresh is how long a depth may be acted on: some looks may fail meanwhile.
	fresh = 15 * time.Second
)

// unknown is the depth of a queue that could not be asked.
var unknown = queue.Depth{Waiting: -1, InFlight: -1, Dead: -1, Oldest: -1}

// line is one queue and what is known of it. The Poller's lock guards all but connection, which belongs to the goroutine that follows it.
type line struct {
	key        string
	connection connection
	limit      chan struct{}
	pokes      chan struct{}
	gone       chan struct{}

	interests map[types.NamespacedName]*interest
	depth     queue.Depth
	// at is when depth was seen, asked when a look last ended, however it did.
	at, asked time.Time
	err       error
	failures  int
}

func newLine(key string, c connection, limit chan struct{}) *line {
	return &line{
		key: key, connection: c, limit: limit, pokes: make(chan struct{}, 1), gone: make(chan struct{}),
		interests: map[types.NamespacedName]*interest{}, depth: unknown,
	}
}

// interval is the pause before the next look.
func (l *line) interval() time.Duration {
	if l.failures > 0 {
		return min(slowest, busy<<min(l.failures-1, 10))
	}
	if l.depth.Waiting > 0 || l.depth.InFlight > 0 {
		return busy
	}
	for _, w := range l.interests {
		if w.request.Wanted != nil && (w.request.Current == 0 || w.request.Current > w.request.Wanted.Min) {
			return busy
		}
	}
	return idle
}

// poke makes the goroutine compute anew when to look. It never makes it look before the interval is over.
func (l *line) poke() {
	select {
	case l.pokes <- struct{}{}:
	default:
	}
}

// wait pauses until then, or until a poke; false: it is over.
func (l *line) wait(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-l.pokes:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

func (l *line) early(now, due time.Time) bool { return now.Before(due) }

func (l *line) enter(ctx context.Context) bool {
	select {
	case l.limit <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *line) exit() { <-l.limit }

// interest is one Environment's in a line.
type interest struct {
	name    types.NamespacedName
	line    *line
	request Request
	since   time.Time
	history []scaling.Recommendation
	// told is what the Environment last heard.
	told verdict
}

// verdict is what makes an Environment look again when it changes.
type verdict struct {
	replicas int32
	failing  bool
	dead     bool
}

func (w *interest) verdict(d scaling.Decision) verdict {
	return verdict{replicas: d.Replicas, failing: w.line.err != nil, dead: w.line.depth.Dead > 0}
}

// read is what is known; the decision is made anew, because the settings may be others than at the last look.
func (w *interest) read(now time.Time) Reading {
	r := Reading{Depth: w.line.depth, At: w.line.at, Err: w.line.err, Since: w.since}
	r.Decision, _ = w.decide(now, w.line.depth)
	return r
}

// decide asks the pure function. The history that it returns counts only for a look that was made now.
func (w *interest) decide(now time.Time, d queue.Depth) (scaling.Decision, []scaling.Recommendation) {
	if w.request.Wanted == nil {
		return scaling.Decision{}, nil
	}
	decision := scaling.Next(now, scaling.Observed{
		Waiting: d.Waiting, InFlight: d.InFlight, Oldest: d.Oldest, Current: w.request.Current, History: w.history,
	}, *w.request.Wanted)
	return decision, decision.History
}

func cmpNames(a, b types.NamespacedName) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
