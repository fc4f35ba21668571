// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/beanpod-dev/beanpod/internal/store"
)

const (
	// share is how many of the requests that are served at a time may be of one person or pod.
	share = 8
	// patience is how long a sender may take to begin; from then on it must send slowestSender bytes a second on average.
	patience      = 30 * time.Second
	slowestSender = 32 << 10
)

// shares counts the requests under way of everybody.
type shares struct {
	mu   sync.Mutex
	held map[string]int
}

// take returns what gives the place back; nil when somebody has all that he may have.
func (s *shares) take(who string) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[who] >= share {
		return nil
	}
	if s.held == nil {
		s.held = map[string]int{}
	}
	s.held[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held[who]--; s.held[who] == 0 {
			delete(s.held, who)
		}
	}
}

func busy(w http.ResponseWriter, message string) {
	w.Header().Set("Retry-After", "2")
	fail(w, http.StatusTooManyRequests, "Busy", message)
}

// sender is the body of an upload. It names the errors of who sends, which are not the store's, and ends one that is too slow: it keeps
// others from their turn.
type sender struct {
	in    io.Reader
	conn  *http.ResponseController
	began time.Time
	bytes int64
}

// Read implements io.Reader.
func (b *sender) Read(p []byte) (int, error) {
	until := b.began.Add(patience + time.Duration(b.bytes)*time.Second/slowestSender)
	if last := b.began.Add(slowest); until.After(last) {
		until = last
	}
	_ = b.conn.SetReadDeadline(until) // where there is no connection there is no deadline
	n, err := b.in.Read(p)
	b.bytes += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w (%w)", store.ErrCut, err)
	}
	return n, err //nolint:wrapcheck // io.Reader's own end
}
