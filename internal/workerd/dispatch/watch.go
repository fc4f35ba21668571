// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// watch cancels one attempt when the application sends nothing for too long. Every byte begins the time anew, headers
// included, so it sits below net/http on the connection. It also ends an attempt whose application sends for ever.
type watch struct {
	timer    *time.Timer
	limit    time.Duration
	endless  time.Time
	cancel   context.CancelCauseFunc
	conn     atomic.Pointer[watchedConn]
	answered atomic.Bool
}

// newWatch begins to count once there is a connection: until then the connect time-out counts.
func newWatch(limit time.Duration, cancel context.CancelCauseFunc) *watch {
	w := &watch{limit: limit, endless: time.Now().Add(maxAttempt), cancel: cancel}
	w.timer = time.AfterFunc(maxAttempt, w.end)
	return w
}

func (w *watch) end() {
	if time.Now().Before(w.endless) {
		w.cancel(errQuiet)
		return
	}
	w.cancel(errEndless)
}

// heard begins the time anew.
func (w *watch) heard() { w.timer.Reset(min(w.limit, time.Until(w.endless))) }

// connected is called by net/http before it writes the request: the connection's bytes are ours from here.
func (w *watch) connected(info httptrace.GotConnInfo) {
	if c, ok := info.Conn.(*watchedConn); ok {
		w.conn.Store(c)
		c.watch.Store(w)
		w.heard()
	}
}

// stop leaves the connection to the next attempt.
func (w *watch) stop() {
	w.timer.Stop()
	if c := w.conn.Load(); c != nil {
		c.watch.CompareAndSwap(w, nil)
	}
}

// watchedConn tells the watch of its present attempt about each read.
type watchedConn struct {
	net.Conn
	watch atomic.Pointer[watch]
}

// Read implements net.Conn.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if w := c.watch.Load(); n > 0 && w != nil {
		w.answered.Store(true)
		w.heard()
	}
	return n, err
}

// dialError marks what went wrong before the application could see anything.
type dialError struct{ error }

// Unwrap returns the network's error.
func (e dialError) Unwrap() error { return e.error }
