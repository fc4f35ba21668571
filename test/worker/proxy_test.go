// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"net"
	"sync"
	"time"
)

// trap is what a proxy does to one connection.
type trap string

const (
	// afterRequest lets the request pass and resets the connection at once.
	afterRequest trap = "reset after request"
	// beforeAnswer resets the connection instead of passing on the answer.
	beforeAnswer trap = "reset before answer"
)

// proxy stands between two processes.
type proxy struct {
	address, to string

	lock     sync.Mutex
	listener net.Listener
	pairs    map[*pair]bool
	delay    time.Duration
	// traps wait for the next connections that send something, and sprung hears of each.
	traps  []trap
	sprung func()
}

type pair struct{ client, server net.Conn }

// up accepts connections.
func (p *proxy) up() error {
	l, err := net.Listen("tcp", p.address)
	if err != nil {
		return err
	}
	p.lock.Lock()
	p.listener = l
	p.lock.Unlock()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return nil
}

// down refuses connections, as the system does for a process that is not there. Those that stand go on.
func (p *proxy) down() {
	p.lock.Lock()
	defer p.lock.Unlock()
	_ = p.listener.Close()
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		reset(client)
		return
	}
	one := &pair{client, server}
	p.lock.Lock()
	if p.pairs == nil {
		p.pairs = map[*pair]bool{}
	}
	p.pairs[one] = true
	p.lock.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(one, server, client, afterRequest) })
	both.Go(func() { p.pass(one, client, server, beforeAnswer) })
	both.Wait()
	p.lock.Lock()
	delete(p.pairs, one)
	p.lock.Unlock()
}

// pass copies one direction, in which one kind of trap waits.
func (p *proxy) pass(one *pair, to, from net.Conn, kind trap) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			time.Sleep(p.pause())
			caught := p.spring(kind)
			if !caught || kind == afterRequest {
				if _, err := to.Write(buffer[:n]); err != nil {
					return
				}
			}
			if caught {
				reset(one.client) // the server reads what it was sent
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) pause() time.Duration {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.delay
}

func (p *proxy) slow(delay, during time.Duration) {
	set := func(d time.Duration) {
		p.lock.Lock()
		defer p.lock.Unlock()
		p.delay = d
	}
	set(delay)
	time.Sleep(during)
	set(0)
}

func (p *proxy) spring(kind trap) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	if len(p.traps) == 0 || p.traps[0] != kind {
		return false
	}
	p.traps = p.traps[1:]
	p.sprung()
	return true
}

// set lays traps, and takes those up that nobody walked into.
func (p *proxy) set(kind trap, n int, during time.Duration, sprung func()) {
	p.lock.Lock()
	p.sprung = sprung
	for range n {
		p.traps = append(p.traps, kind)
	}
	p.lock.Unlock()
	time.Sleep(during)
	p.lock.Lock()
	p.traps = nil
	p.lock.Unlock()
}

// cut resets all connections; lost hears how many there are before it happens.
func (p *proxy) cut(lost func(connections int)) {
	p.lock.Lock()
	defer p.lock.Unlock()
	lost(len(p.pairs))
	for one := range p.pairs {
		reset(one.client)
		reset(one.server)
	}
}

func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}
