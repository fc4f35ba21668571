// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"net/http"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// Writes records every request of a client that is not a read, in order, as "PATCH applicationversions/shop-41/status". It can
// refuse them as well.
type Writes struct {
	mu     sync.Mutex
	seen   []string
	refuse func(write string) error
}

// Watch returns a configuration whose clients are recorded.
func (w *Writes) Watch(config *rest.Config) *rest.Config {
	out := rest.CopyConfig(config)
	out.Wrap(func(inner http.RoundTripper) http.RoundTripper { return recorder{writes: w, inner: inner} })
	return out
}

// Take returns what was written since the last call.
func (w *Writes) Take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.seen
	w.seen = nil
	return out
}

// Refuse makes writes fail, before they reach the server, with the error that the function returns; nil lets them pass.
func (w *Writes) Refuse(refuse func(write string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = refuse
}

type recorder struct {
	writes *Writes
	inner  http.RoundTripper
}

// RoundTrip records the request, and sends it unless it is refused.
func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		write := req.Method + " " + shorten(req.URL.Path)
		r.writes.mu.Lock()
		r.writes.seen = append(r.writes.seen, write)
		refuse := r.writes.refuse
		r.writes.mu.Unlock()
		if refuse != nil {
			if err := refuse(write); err != nil {
				return nil, err
			}
		}
	}
	return r.inner.RoundTrip(req)
}

// shorten drops what comes before the resource: the group, the version and the namespace.
func shorten(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	skip := 2
	if parts[0] == "apis" {
		skip = 3
	}
	if len(parts) > skip+2 && parts[skip] == "namespaces" {
		skip += 2
	}
	return strings.Join(parts[min(skip, len(parts)):], "/")
}
