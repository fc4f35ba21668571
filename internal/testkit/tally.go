// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// Tally counts the writes of a client by namespace, where reading the audit log again and again would be too slow. Leases and
// events do not count.
type Tally struct {
	mu    sync.Mutex
	count map[string]int
	last  map[string]time.Time
}

// Watch returns a configuration whose clients are counted.
func (t *Tally) Watch(config *rest.Config) *rest.Config {
	out := rest.CopyConfig(config)
	out.Wrap(func(inner http.RoundTripper) http.RoundTripper { return counter{tally: t, inner: inner} })
	return out
}

// Writes is how many writes there were in a namespace, and when the last one was.
func (t *Tally) Writes(namespace string) (int, time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count[namespace], t.last[namespace]
}

type counter struct {
	tally *Tally
	inner http.RoundTripper
}

// RoundTrip counts the request and sends it.
func (c counter) RoundTrip(req *http.Request) (*http.Response, error) {
	path := req.URL.Path
	_, inside, ok := strings.Cut(path, "/namespaces/")
	if req.Method != http.MethodGet && ok && !strings.Contains(path, "/leases") && !strings.Contains(path, "/events") {
		namespace, _, _ := strings.Cut(inside, "/")
		c.tally.add(namespace)
	}
	return c.inner.RoundTrip(req)
}

func (t *Tally) add(namespace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == nil {
		t.count, t.last = map[string]int{}, map[string]time.Time{}
	}
	t.count[namespace]++
	t.last[namespace] = time.Now()
}
