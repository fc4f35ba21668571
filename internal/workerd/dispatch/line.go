// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"bufio"
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"time"
)

const (
	// atOnce is how many bytes of a body are written before the answer is read. What is longer is written while it is read: an
	// application may answer, and close, before it has read all.
	atOnce = 16 << 10
	// grace is how long the rest of a body may take after the answer came, as with net/http.
	grace = 50 * time.Millisecond
	// maxInformational answers (1xx) may come before the one that counts, as with net/http.
	maxInformational = 5
)

// past is a deadline that ends everything under way on a connection.
var past = time.Unix(1, 0)

var (
	errHeaders       = errors.New("the headers of the answer are too long")
	errInformational = errors.New("too many answers of 1xx")
)

// line is one connection to the application, for one request after another. net/http writes and reads the messages; its
// Transport is not used because it hands each one through two more goroutines (docs/spec/worker.md says what that cost).
type line struct {
	net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	idle time.Time

	// Of the attempt under way.
	ctx      context.Context
	limit    time.Duration
	endless  time.Time
	heard    bool  // bytes came since the deadline was set
	answered bool  // a byte of an answer came
	headers  int64 // bytes that may still come
}

func newLine(conn net.Conn) *line {
	l := &line{Conn: conn}
	l.in, l.out = bufio.NewReader(l), bufio.NewWriter(conn)
	return l
}

// begin readies the line for an attempt that ends with ctx, when the application is silent for limit, or after maxAttempt.
func (l *line) begin(ctx context.Context, limit time.Duration) error {
	now := time.Now()
	l.ctx, l.limit, l.endless = ctx, limit, now.Add(maxAttempt)
	l.heard, l.answered, l.headers = false, false, maxHeaders
	return l.wait(now)
}

// wait sets the deadline anew. ctx may have ended before: then its end, which must not be undone, is repeated.
func (l *line) wait(now time.Time) error {
	until := now.Add(l.limit)
	if until.After(l.endless) {
		until = l.endless
	}
	if err := l.SetDeadline(until); err != nil {
		return err
	}
	if err := l.ctx.Err(); err != nil {
		return errors.Join(err, l.SetDeadline(past))
	}
	return nil
}

// Read is below the parser: every byte begins the time anew, those of headers included.
func (l *line) Read(p []byte) (int, error) {
	if l.headers <= 0 {
		return 0, errHeaders
	}
	if l.heard {
		l.heard = false
		if err := l.wait(time.Now()); err != nil {
			return 0, err
		}
	}
	n, err := l.Conn.Read(p[:min(int64(len(p)), l.headers)])
	l.headers -= int64(n)
	if n > 0 {
		l.heard, l.answered = true, true
	}
	return n, err
}

// exchange sends the request and reads all of the answer. The line can be kept if it says so.
func (l *line) exchange(r *http.Request) (status int, keep bool, err error) {
	written := l.send(r)
	answer, err := l.answer(r)
	if err == nil {
		status = answer.StatusCode
		l.headers = math.MaxInt64
		keep, err = drain(answer)
	}
	return status, l.sent(written) && keep && err == nil && l.in.Buffered() == 0, err
}

// sent says whether all was written. An application that has answered without reading all has little time left to do so.
func (l *line) sent(written <-chan error) bool {
	select {
	case err := <-written:
		return err == nil
	default:
	}
	timer := time.AfterFunc(grace, func() { _ = l.SetDeadline(past) })
	err := <-written
	return timer.Stop() && err == nil
}

// send writes the request: a short one before it returns.
func (l *line) send(r *http.Request) <-chan error {
	written := make(chan error, 1)
	write := func() {
		err := r.Write(l.out)
		if err == nil {
			err = l.out.Flush()
		}
		written <- err
	}
	if r.ContentLength > atOnce {
		go write()
	} else {
		write()
	}
	return written
}

// answer reads the head of the answer that counts.
func (l *line) answer(r *http.Request) (*http.Response, error) {
	for range maxInformational + 1 {
		answer, err := http.ReadResponse(l.in, r)
		if err != nil || answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
	return nil, errInformational
}
