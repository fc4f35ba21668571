// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// maxIdle is how long a connection is kept without a request.
const maxIdle = 90 * time.Second

// pool keeps the connections that wait for their next request, the one used last at the end.
type pool struct {
	dial Dial
	most int

	mu     sync.Mutex
	idle   []*line
	reaper *time.Timer
}

// dialError marks a connection that was never made.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// take returns a kept line, unless fresh, or a new one.
func (p *pool) take(ctx context.Context, address string, fresh bool) (*line, error) {
	for l := p.kept(); l != nil && !fresh; l = p.kept() {
		if quiet(l.Conn) {
			return l, nil
		}
		_ = l.Close()
	}
	conn, err := p.dial(ctx, "tcp", address)
	if err != nil {
		return nil, dialError{err}
	}
	return newLine(conn), nil
}

func (p *pool) kept() *line {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	l := p.idle[last]
	p.idle = p.idle[:last]
	return l
}

// keep takes a line back.
func (p *pool) keep(l *line) {
	l.idle = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) >= p.most {
		_ = l.Close()
		return
	}
	p.idle = append(p.idle, l)
	if p.reaper == nil {
		p.reaper = time.AfterFunc(maxIdle, p.reap)
	}
}

// reap closes the lines that nobody used for long.
func (p *pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.idle) && time.Since(p.idle[n].idle) >= maxIdle {
		_ = p.idle[n].Close()
		n++
	}
	p.idle = append([]*line(nil), p.idle[n:]...)
	p.reaper = nil
	if len(p.idle) > 0 {
		p.reaper = time.AfterFunc(maxIdle-time.Since(p.idle[0].idle), p.reap)
	}
}

// close ends the kept lines.
func (p *pool) close() {
	for l := p.kept(); l != nil; l = p.kept() {
		_ = l.Close()
	}
}

// quiet says whether a kept connection is open and nothing came on it. What comes without being asked for is a farewell, such
// as a 408, and would be taken for the next request's answer.
func quiet(conn net.Conn) bool {
	file, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	var peeked error
	err = raw.Control(func(fd uintptr) {
		_, _, peeked = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && peeked == syscall.EAGAIN
}
