// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Kind says what became of a POST.
type Kind string

// The kinds of outcome. Only Done deletes; Refused and Stopped are no attempts against the message.
const (
	// Done is exactly 200.
	Done Kind = "done"
	// Failed is any other answer, half an answer, or none.
	Failed Kind = "failed"
	// TimedOut is no byte of an answer for the inactivity time-out, or an attempt without end.
	TimedOut Kind = "timed_out"
	// Refused is no connection: the application has not seen the message.
	Refused Kind = "refused"
	// Stopped is the caller's context.
	Stopped Kind = "stopped"
)

// Outcome of one message's POST.
type Outcome struct {
	Kind Kind
	// Status of the answer, 0 if there was none.
	Status int
	// Err says what happened, for people, unless Done.
	Err error
	// Skipped attributes could not be headers.
	Skipped int
}

// errQuiet and errEndless end an attempt.
var (
	errQuiet   = errors.New("no byte of an answer")
	errEndless = errors.New("the attempt took too long")
)

// Post sends the message and waits for all of the answer. A connection that the application closed before any answer is
// posted again once, at once: it may just have been one that was kept too long.
func (p *Poster) Post(ctx context.Context, m *queue.Message) Outcome {
	t := taskOf(m)
	u, err := p.target(t)
	if err != nil {
		return Outcome{Kind: Failed, Err: err}
	}
	body := m.Body
	if t.name != "" {
		body = nil
	}
	headers, skipped := p.headers(m, t, clean(u.RequestURI()))
	for again := false; ; again = true {
		out, unanswered := p.attempt(ctx, u, headers, body)
		out.Skipped = skipped
		if !unanswered || again {
			return out
		}
		p.transport.CloseIdleConnections()
	}
}

// attempt sends one request. unanswered: the application closed the connection before any byte of an answer.
func (p *Poster) attempt(parent context.Context, u *url.URL, headers http.Header, body []byte) (out Outcome, unanswered bool) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	w := newWatch(p.inactivity, cancel)
	defer w.stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: w.connected})
	answer, err := p.transport.RoundTrip(request(ctx, u, headers, body))
	if err == nil {
		err = drain(answer)
	}
	status := 0
	if answer != nil {
		status = answer.StatusCode
	}
	switch {
	case err == nil && status == http.StatusOK:
		return Outcome{Kind: Done, Status: status}, false
	case err == nil:
		return Outcome{Kind: Failed, Status: status, Err: fmt.Errorf("the application answered %d", status)}, false
	case parent.Err() != nil:
		return Outcome{Kind: Stopped, Status: status, Err: context.Cause(parent)}, false
	case errors.Is(context.Cause(ctx), errQuiet):
		return Outcome{Kind: TimedOut, Status: status, Err: fmt.Errorf("the application sent %w for %s", errQuiet, p.inactivity)}, false
	case errors.Is(context.Cause(ctx), errEndless):
		return Outcome{Kind: TimedOut, Status: status, Err: fmt.Errorf("%w: %s", errEndless, maxAttempt)}, false
	case errors.As(err, new(dialError)):
		return Outcome{Kind: Refused, Err: fmt.Errorf("the application takes no connection: %w", err)}, false
	case status == 0 && !w.answered.Load():
		return Outcome{Kind: Failed, Err: errors.New("the application closed the connection without an answer")}, true
	}
	return Outcome{Kind: Failed, Status: status, Err: fmt.Errorf("the application's answer broke off: %w", err)}, false
}

// blank is what all requests have in common.
var blank = http.Request{Method: http.MethodPost, Host: "localhost", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}

// request is one of an attempt's own: net/http may keep what it was given.
func request(ctx context.Context, u *url.URL, headers http.Header, body []byte) *http.Request {
	r := blank.WithContext(ctx)
	r.URL, r.Header, r.ContentLength = u, headers, int64(len(body))
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r
}

// drain reads the rest of an answer, so that the connection can be kept; one without end is cut, which is no fault: the
// status was given.
func drain(answer *http.Response) error {
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	_, err := io.CopyN(io.Discard, answer.Body, maxBody)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
