// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

const (
	// maxBody is how much of an answer is read (and thrown away) before the connection is closed.
	maxBody = 1 << 20
	// maxHeaders bounds the answer's headers.
	maxHeaders = 64 << 10
	// maxAttempt bounds one POST: brokers let a message be held for twelve hours at most.
	maxAttempt = 12*time.Hour - time.Minute
)

// Dial opens connections to the application.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Poster posts to one application. It is safe for many goroutines.
type Poster struct {
	lines      pool
	probes     *http.Transport
	url        *url.URL
	healthPath string
	// Headers of every POST, which nobody changes.
	userAgent, mimeType, queue []string
	inactivity                 time.Duration
}

// New makes a Poster of a validated configuration. A nil dial is the network.
func New(c contract.Config, dial Dial) (*Poster, error) {
	u, err := url.Parse(c.Application)
	if err != nil {
		return nil, fmt.Errorf("reading the application's address: %w", err)
	}
	target, err := url.ParseRequestURI(c.Path)
	if err != nil {
		return nil, fmt.Errorf("reading the path of the application: %w", err)
	}
	target.Scheme, target.Host = u.Scheme, u.Host
	if dial == nil {
		dial = (&net.Dialer{Timeout: time.Duration(c.ConnectTimeout) * time.Second}).DialContext
	}
	return &Poster{
		lines: pool{dial: dial, most: c.Connections}, // one kept connection for each slot
		// Health checks leave the kept connections to the messages.
		probes: &http.Transport{DialContext: dial, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaders},
		url:    target, healthPath: c.HealthPath, userAgent: []string{userAgent}, mimeType: []string{c.MimeType}, queue: []string{queueName(c.Queue)},
		inactivity: time.Duration(c.InactivityTimeout) * time.Second,
	}, nil
}

// queueName is what the header says: the last segment of the queue's URL, else its name.
func queueName(q contract.Coordinates) string {
	if q.Name != "" {
		return clean(q.Name)
	}
	if u, err := url.Parse(q.URL); err == nil {
		return clean(path.Base(u.Path))
	}
	return ""
}

// Close ends the kept connections.
func (p *Poster) Close() { p.lines.close() }

// Probe says whether the application answers its health path with 2xx or 3xx; without one a connection is enough.
func (p *Poster) Probe(ctx context.Context) error {
	if p.healthPath == "" {
		conn, err := p.lines.dial(ctx, "tcp", address(p.url))
		if err != nil {
			return err
		}
		return conn.Close()
	}
	u, err := url.ParseRequestURI(p.healthPath)
	if err != nil {
		return err
	}
	u.Scheme, u.Host = p.url.Scheme, p.url.Host
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "beanpod-worker")
	answer, err := p.probes.RoundTrip(r)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 399 {
		return fmt.Errorf("the application answered %s with %d", p.healthPath, answer.StatusCode)
	}
	return nil
}

func address(u *url.URL) string {
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return u.Host
}
