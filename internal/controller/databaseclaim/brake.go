// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// brakePause is how long a namespace waits between two databases that are deleted, so that a mistake that deletes many claims can be
// stopped.
const brakePause = time.Minute

// brake remembers, in memory only, which claim of a namespace was the last whose database was deleted.
type brake struct {
	mu   sync.Mutex
	last map[string]destroyed
}

type destroyed struct {
	uid types.UID
	at  time.Time
}

// holds says how long a claim must wait for another one of its namespace.
func (b *brake) holds(claim *v1alpha1.DatabaseClaim, now time.Time) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last, found := b.last[claim.Namespace]
	wait := last.at.Add(brakePause).Sub(now)
	if !found || last.uid == claim.UID || wait <= 0 {
		return 0, false
	}
	return wait, true
}

func (b *brake) destroyed(claim *v1alpha1.DatabaseClaim, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = map[string]destroyed{}
	}
	b.last[claim.Namespace] = destroyed{uid: claim.UID, at: now}
}

// absences remember, in memory only, since when a database was not found. Forgetting costs the pause between two reads.
type absences struct {
	mu    sync.Mutex
	first map[types.UID]time.Time
}

func (a *absences) since(uid types.UID) *time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, found := a.first[uid]; found {
		return &at
	}
	return nil
}

func (a *absences) remember(uid types.UID, at *time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at == nil {
		delete(a.first, uid)
		return
	}
	if a.first == nil {
		a.first = map[types.UID]time.Time{}
	}
	a.first[uid] = *at
}
