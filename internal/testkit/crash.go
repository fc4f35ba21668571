// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/rest"
)

// ErrCrashed is what every request of a crashed process gets.
var ErrCrashed = errors.New("the process has crashed")

// Crash kills a process at one of its writes: the write is sent, or not, and from then on nothing gets out. Leases and events do
// not count.
type Crash struct {
	// At is the number of the write, from 1; 0: never. After says that the write still reaches the server.
	At    int
	After bool
	// Died is called once, from the request that it is about.
	Died func()

	writes atomic.Int64
	dead   atomic.Bool
	once   sync.Once
}

// Wrap returns a configuration whose clients crash together.
func (c *Crash) Wrap(config *rest.Config) *rest.Config {
	out := rest.CopyConfig(config)
	out.Wrap(func(inner http.RoundTripper) http.RoundTripper { return crasher{crash: c, inner: inner} })
	return out
}

// Crashed says whether it happened.
func (c *Crash) Crashed() bool { return c.dead.Load() }

type crasher struct {
	crash *Crash
	inner http.RoundTripper
}

// RoundTrip counts, and cuts.
func (c crasher) RoundTrip(req *http.Request) (*http.Response, error) {
	x := c.crash
	if x.dead.Load() {
		return nil, ErrCrashed
	}
	if req.Method == http.MethodGet || strings.Contains(req.URL.Path, "/leases") || strings.Contains(req.URL.Path, "/events") {
		return c.inner.RoundTrip(req)
	}
	switch n := x.writes.Add(1); {
	case x.At == 0 || n < int64(x.At):
		return c.inner.RoundTrip(req)
	case n > int64(x.At):
		return nil, ErrCrashed
	}
	x.dead.Store(true)
	if x.After {
		if resp, err := c.inner.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	}
	if x.Died != nil {
		x.once.Do(x.Died)
	}
	return nil, ErrCrashed
}
