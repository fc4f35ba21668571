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
	"net/url"
	"os"
	"time"

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

// Post sends the message and waits for all of the answer. A connection that the application closed before any answer is
// posted again once, at once, on a new one: it may just have been one that was kept too long.
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
	out, unanswered := p.attempt(ctx, request(u, headers, body), false)
	if unanswered {
		out, _ = p.attempt(ctx, request(u, headers, body), true)
	}
	out.Skipped = skipped
	return out
}

// attempt sends one request. unanswered: the application closed the connection before any byte of an answer.
func (p *Poster) attempt(ctx context.Context, r *http.Request, fresh bool) (out Outcome, unanswered bool) {
	l, err := p.lines.take(ctx, address(p.url), fresh)
	switch {
	case err != nil && ctx.Err() != nil:
		return Outcome{Kind: Stopped, Err: context.Cause(ctx)}, false
	case err != nil:
		return Outcome{Kind: Refused, Err: fmt.Errorf("the application takes no connection: %w", err)}, false
	}
	status, keep := 0, false
	uncut := context.AfterFunc(ctx, func() { _ = l.SetDeadline(past) })
	if err = l.begin(ctx, p.inactivity); err == nil {
		status, keep, err = l.exchange(r)
	}
	if uncut() && keep {
		p.lines.keep(l)
	} else {
		_ = l.Close()
	}
	return l.outcome(status, err)
}

// outcome says what became of the exchange, and whether the line was closed before any byte of an answer.
func (l *line) outcome(status int, err error) (out Outcome, unanswered bool) {
	switch {
	case err == nil && status == http.StatusOK:
		return Outcome{Kind: Done, Status: status}, false
	case err == nil:
		return Outcome{Kind: Failed, Status: status, Err: fmt.Errorf("the application answered %d", status)}, false
	case l.ctx.Err() != nil:
		return Outcome{Kind: Stopped, Status: status, Err: context.Cause(l.ctx)}, false
	case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(l.endless):
		return Outcome{Kind: TimedOut, Status: status, Err: fmt.Errorf("the application sent no byte of an answer for %s", l.limit)}, false
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Outcome{Kind: TimedOut, Status: status, Err: fmt.Errorf("the attempt took too long: %s", maxAttempt)}, false
	case !l.answered:
		return Outcome{Kind: Failed, Err: errors.New("the application closed the connection without an answer")}, true
	}
	return Outcome{Kind: Failed, Status: status, Err: fmt.Errorf("the application's answer broke off: %w", err)}, false
}

// request is one of an attempt's own: its body is read once.
func request(u *url.URL, headers http.Header, body []byte) *http.Request {
	r := &http.Request{
		Method: http.MethodPost, URL: u, Host: "localhost", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
		Header: headers, ContentLength: int64(len(body)),
	}
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r
}

// drain reads the rest of an answer, and says whether the connection can be kept. An answer without end is cut, which is no
// fault: the status was given.
func drain(answer *http.Response) (keep bool, err error) {
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return false, nil
	}
	_, err = io.CopyN(io.Discard, answer.Body, maxBody)
	if errors.Is(err, io.EOF) {
		return !answer.Close, nil
	}
	return false, err
}
