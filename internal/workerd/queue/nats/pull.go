// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"
)

const (
	// round is how long one request for messages stays with the broker. A request cannot be taken back, so this bounds how long
	// one that nobody waits for any more can still be answered; what it brings is given back.
	round = time.Second
	// late is how much longer than that an answer may be under way.
	late = 2 * time.Second
)

var errClosed = errors.New("the queue is closed")

// puller asks for messages. A request keeps its subscription until the broker has said all, although nobody waits for it any
// more: no answer that is under way meanwhile is left unread.
type puller struct {
	queue  *natsQueue
	ended  chan struct{} // closed by close
	giving sync.WaitGroup

	lock   sync.Mutex
	pulls  map[*pull]bool
	closed bool
}

// pull is one request.
type pull struct {
	want, got int
	messages  []*client.Msg
	done      chan struct{} // closed when the broker has said all
	status    string
	abandoned bool
	answers   *client.Subscription
}

func (p *puller) init(q *natsQueue) {
	p.queue = q
	p.ended, p.pulls = make(chan struct{}), map[*pull]bool{}
}

// arrived takes one answer.
func (p *puller) arrived(one *pull, m *client.Msg) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if !strings.HasPrefix(m.Reply, ackPrefix) { // not a delivery
		if status := m.Header.Get("Status"); status != "" && status != "100" {
			one.status = status
			p.finish(one)
		}
		return
	}
	if one.abandoned {
		p.giving.Go(func() { p.queue.giveBack(m) })
	} else {
		one.messages = append(one.messages, m)
	}
	if one.got++; one.got == one.want {
		p.finish(one)
	}
}

// finish needs the lock.
func (p *puller) finish(one *pull) {
	if p.pulls[one] {
		delete(p.pulls, one)
		close(one.done)
		if one.answers != nil {
			_ = one.answers.Drain() // reads what has come already
		}
	}
}

func (p *puller) disconnected() {
	p.lock.Lock()
	defer p.lock.Unlock()
	for one := range p.pulls { // the broker forgets them with the connection
		p.finish(one)
	}
}

// once asks for up to want messages and waits for the first one up to expires; then it takes what is there.
func (p *puller) once(ctx context.Context, want int, expires time.Duration) ([]*client.Msg, string, error) {
	one := &pull{want: want, done: make(chan struct{})}
	if err := p.ask(one, expires); err != nil {
		p.lock.Lock()
		defer p.lock.Unlock()
		p.finish(one)
		one.abandoned = true
		return one.messages, "", err
	}
	timer := time.AfterFunc(expires+late, func() {
		p.lock.Lock()
		defer p.lock.Unlock()
		p.finish(one)
	})
	select {
	case <-one.done:
		timer.Stop()
	case <-ctx.Done():
	case <-p.ended:
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	one.abandoned = true
	return one.messages, one.status, nil
}

// ask sends the request: no_wait with expires means to wait for the first message, and for no others.
func (p *puller) ask(one *pull, expires time.Duration) error {
	request, err := json.Marshal(map[string]any{"batch": one.want, "expires": expires.Nanoseconds(), "no_wait": true})
	if err != nil {
		return err
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.closed {
		return errClosed
	}
	inbox := client.NewInbox()
	if one.answers, err = p.queue.conn.Subscribe(inbox, func(m *client.Msg) { p.arrived(one, m) }); err != nil {
		return err
	}
	if err := one.answers.SetPendingLimits(-1, -1); err != nil { // no more comes than was asked for, and none of it may be dropped
		return err
	}
	p.pulls[one] = true
	return p.queue.conn.PublishRequest(fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", p.queue.at.Name, p.queue.at.Group), inbox, request)
}

// close waits for the answers to the last requests, to give back what they bring.
func (p *puller) close() {
	p.lock.Lock()
	if p.closed {
		p.lock.Unlock()
		return
	}
	p.closed = true
	close(p.ended)
	var open []*pull
	for one := range p.pulls {
		open = append(open, one)
	}
	p.lock.Unlock()
	for _, one := range open {
		<-one.done // at most round and late
	}
	p.giving.Wait()
}
