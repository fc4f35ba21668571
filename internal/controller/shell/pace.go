// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Pace says how soon a change of status must be visible. Every write costs the API server about as much as creating a small
// object, so changes that will soon be followed by another may wait for it.
type Pace int

// The paces.
const (
	// Immediately is for every transition that somebody may wait for: Ready, Stalled, a changed health status.
	Immediately Pace = iota
	// Beginning is for the first sight of work that has just begun; it waits a second, because much work is over by then.
	Beginning
	// Progress is for counts and messages of work that goes on; it waits five seconds after the last write.
	Progress
)

const (
	beginningDelay   = time.Second
	progressInterval = 5 * time.Second
)

// pacer remembers, in memory only, when an object was last written and since when a change waits. Losing it costs at most
// one delay.
type pacer struct {
	mu   sync.Mutex
	last map[types.UID]pacing
}

type pacing struct {
	written time.Time
	waiting time.Time
}

// hold returns how long a change must still wait; zero means write now.
func (p *pacer) hold(uid types.UID, pace Pace, now time.Time) time.Duration {
	if pace == Immediately {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last = map[types.UID]pacing{}
	}
	entry := p.last[uid]
	if entry.waiting.IsZero() {
		entry.waiting = now
		p.last[uid] = entry
	}
	due := entry.waiting.Add(beginningDelay)
	if pace == Progress {
		due = entry.written.Add(progressInterval)
	}
	return max(0, due.Sub(now))
}

// wrote records a write.
func (p *pacer) wrote(uid types.UID, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last = map[types.UID]pacing{}
	}
	p.last[uid] = pacing{written: now}
}

func (p *pacer) forget(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.last, uid)
}
