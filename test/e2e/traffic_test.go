// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// interval between two requests of one client: 60 a second. Five clients together leave two cores room for the cluster itself.
	interval = time.Second / 60
	// patience with one request.
	patience = 5 * time.Second
	// maxInFlight bounds what a stall may pile up; a request beyond it counts as failed.
	maxInFlight = 2000
	// fewest requests that a claim of "none failed" rests on.
	fewest = 2000
)

// answer is what the sample application says at /.
type answer struct {
	Version    string            `json:"version"`
	Instance   string            `json:"instance"`
	Properties map[string]string `json:"properties"`
}

// traffic is a client with an open loop: a request is due every interval, whatever became of those before, so a stall
// is seen as failures and not as fewer requests. Every other request opens a connection of its own. It never retries.
type traffic struct {
	story, host string
	cancel      context.CancelFunc
	done        chan struct{}

	mu       sync.Mutex
	sent     int
	ok       map[string]int // by version
	failures map[string]int // by error
	last     answer
	// forgiven failures, by a part of their text, are expected; the closing line leaves them out.
	forgiven string
}

// hammer sends requests until the test or stop ends them.
func hammer(t *testing.T, host string) *traffic {
	t.Helper()
	untilServed(t, host)
	ctx, cancel := context.WithCancel(context.Background())
	c := &traffic{
		story: t.Name(), host: host, cancel: cancel, done: make(chan struct{}),
		ok: map[string]int{}, failures: map[string]int{},
	}
	go c.loop(ctx)
	t.Cleanup(func() { c.stop() })
	return c
}

// untilServed waits until the router knows the host: that it is a moment behind a new environment is no failure.
func untilServed(t *testing.T, host string) {
	t.Helper()
	eventually(t, time.Minute, "an answer of "+host, func() error {
		_, err := ask(newClient(false), host, "/")
		return err
	})
}

func (c *traffic) loop(ctx context.Context) {
	defer close(c.done)
	kept, fresh := newClient(true), newClient(false)
	defer kept.CloseIdleConnections()
	var flying sync.WaitGroup
	defer flying.Wait()
	room := make(chan struct{}, maxInFlight)
	began := time.Now()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(began.Add(time.Duration(i) * interval))):
		}
		client := kept
		if i%2 == 1 {
			client = fresh
		}
		select {
		case room <- struct{}{}:
		default:
			c.count(answer{}, errors.New("too many requests wait already"))
			continue
		}
		flying.Go(func() {
			a, err := ask(client, c.host, "/")
			<-room
			c.count(a, err)
		})
	}
}

func (c *traffic) count(a answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	if err != nil {
		if c.failures[err.Error()]++; c.failures[err.Error()] <= 3 {
			log.Printf("%s: request %d failed: %v", c.story, c.sent, err) // when it was tells what the environment was doing
		}
		return
	}
	c.ok[a.Version]++
	c.last = a
}

// result is what a client has seen.
type result struct {
	sent, failed int
	ok, failures map[string]int
}

func (r result) String() string {
	s := fmt.Sprintf("%d requests, %d failed", r.sent, r.failed)
	for _, v := range slices.Sorted(maps.Keys(r.ok)) {
		s += fmt.Sprintf(", %d from %s", r.ok[v], v)
	}
	for _, f := range slices.Sorted(maps.Keys(r.failures)) {
		s += fmt.Sprintf("\n  %d× %s", r.failures[f], f)
	}
	return s
}

func (c *traffic) so() result {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := result{sent: c.sent, ok: maps.Clone(c.ok), failures: maps.Clone(c.failures)}
	for _, n := range c.failures {
		r.failed += n
	}
	return r
}

// stop waits for the answers that are due, and counts for the closing line once.
func (c *traffic) stop() result {
	c.cancel()
	<-c.done
	r := c.so()
	counted := r
	for f, n := range r.failures {
		if c.forgiven != "" && strings.Contains(f, c.forgiven) {
			counted.sent, counted.failed = counted.sent-n, counted.failed-n
		}
	}
	totals.set(c, counted)
	return r
}

// stopUnfailed goes on until there were enough requests, and demands that none failed and that only these versions answered.
func (c *traffic) stopUnfailed(t *testing.T, versions ...string) {
	t.Helper()
	c.stopUnfailedAfter(t, fewest, versions...)
}

func (c *traffic) stopUnfailedAfter(t *testing.T, least int, versions ...string) {
	t.Helper()
	c.reach(least)
	r := c.stop()
	t.Log(r)
	if r.failed > 0 {
		t.Errorf("want no failed request, got %v", r)
	}
	if r.sent < least {
		t.Errorf("only %d requests were sent, want at least %d", r.sent, least)
	}
	if got := slices.Sorted(maps.Keys(r.ok)); !slices.Equal(got, versions) {
		t.Errorf("versions %v answered, want %v", got, versions)
	}
}

func (c *traffic) reach(n int) {
	for deadline := time.Now().Add(2 * time.Duration(n) * interval); c.so().sent < n && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
}

func newClient(keep bool) *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: patience}).DialContext, DisableKeepAlives: !keep, MaxIdleConnsPerHost: 50,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask sends one request through the router.
func ask(c *http.Client, host, path string) (answer, error) {
	var a answer
	body, err := fetch(c, host, path)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("the answer is no JSON: %w", err)
	}
	return a, nil
}

func fetch(c *http.Client, host, path string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+theCluster.nodeIP+path, nil)
	if err != nil {
		return nil, err
	}
	req.Host = host
	resp, err := c.Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // without the URL, so that like errors are counted together
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, strings.TrimSpace(string(body[:min(len(body), 80)])))
	}
	return body, nil
}

// totals of the whole run.
var totals tally

type tally struct {
	mu      sync.Mutex
	clients map[*traffic]result
}

func (a *tally) set(c *traffic, r result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.clients == nil {
		a.clients = map[*traffic]result{}
	}
	a.clients[c] = r
}

func (a *tally) summary(took time.Duration) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	sent, failed, all := map[string]int{}, map[string]int{}, 0
	for c, r := range a.clients {
		sent[c.story] += r.sent
		failed[c.story] += r.failed
		all += r.sent
	}
	parts := []string{}
	for _, story := range slices.Sorted(maps.Keys(sent)) {
		parts = append(parts, fmt.Sprintf("%s %d/%d", strings.TrimPrefix(story, "Test"), sent[story], failed[story]))
	}
	return fmt.Sprintf("e2e: %d requests in %s; sent/failed: %s", all, took.Round(time.Second), strings.Join(parts, ", "))
}
