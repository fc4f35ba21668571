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
	"github.com/nats-io/nuid"
)

const (
	// round is how long one request for messages stays with the broker. A request cannot be taken back, so this bounds how long
	// one that nobody waits for any more can still be answered; what it brings is given back.
	round = time.Second
	// late is how much longer than that an answer may be under way.
	late = 2 * time.Second
)

var errClosed = errors.New("the queue is closed")

// puller asks for messages. All answers come to one subscription that lives as long as the queue: none that is under way
// while somebody stops waiting is left unread, as it would be with a subscription for each request.
type puller struct {
	queue  *natsQueue
	inbox  string
	ended  chan struct{} // closed by close
	giving sync.WaitGroup

	lock   sync.Mutex
	pulls  map[string]*pull
	lost   chan struct{} // closed when the connection is lost
	closed bool
}

// pull is one request.
type pull struct {
	want, got int
	messages  []*client.Msg
	done      chan struct{} // closed when the broker has said all
	status    string
	abandoned bool
}

func (p *puller) init(q *natsQueue) {
	p.queue, p.inbox = q, client.NewInbox()
	p.ended, p.lost, p.pulls = make(chan struct{}), make(chan struct{}), map[string]*pull{}
}

func (p *puller) listen() error {
	s, err := p.queue.conn.Subscribe(p.inbox+".*", p.arrived)
	if err != nil {
		return err
	}
	return s.SetPendingLimits(-1, -1) // what was handed over must not be dropped here; it is bounded by what was asked for
}

// arrived sorts an answer to its request. It runs in one goroutine.
func (p *puller) arrived(m *client.Msg) {
	token := strings.TrimPrefix(m.Subject, p.inbox+".")
	p.lock.Lock()
	defer p.lock.Unlock()
	one := p.pulls[token]
	if status := m.Header.Get("Status"); status != "" && len(m.Data) == 0 && !strings.HasPrefix(m.Reply, ackPrefix) {
		if one != nil && status != "100" {
			one.status = status
			p.finish(token, one)
		}
		return
	}
	if one == nil || one.abandoned {
		p.giving.Go(func() { p.queue.giveBack(m) })
	} else {
		one.messages = append(one.messages, m)
	}
	if one != nil {
		if one.got++; one.got == one.want {
			p.finish(token, one)
		}
	}
}

// finish needs the lock.
func (p *puller) finish(token string, one *pull) {
	if p.pulls[token] == one {
		delete(p.pulls, token)
		close(one.done)
	}
}

func (p *puller) disconnected() {
	p.lock.Lock()
	defer p.lock.Unlock()
	close(p.lost)
	p.lost = make(chan struct{})
	for token, one := range p.pulls { // the broker forgets them with the connection
		p.finish(token, one)
	}
}

// once asks for up to want messages and waits for the first one up to expires; then it takes what is there.
func (p *puller) once(ctx context.Context, want int, expires time.Duration) ([]*client.Msg, string, error) {
	token := nuid.Next()
	one := &pull{want: want, done: make(chan struct{})}
	p.lock.Lock()
	if p.closed {
		p.lock.Unlock()
		return nil, "", errClosed
	}
	p.pulls[token] = one
	p.lock.Unlock()
	if err := p.ask(token, want, expires); err != nil {
		p.lock.Lock()
		defer p.lock.Unlock()
		p.finish(token, one)
		return one.messages, "", err
	}
	timer := time.AfterFunc(expires+late, func() {
		p.lock.Lock()
		defer p.lock.Unlock()
		p.finish(token, one)
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
func (p *puller) ask(token string, want int, expires time.Duration) error {
	request, err := json.Marshal(map[string]any{"batch": want, "expires": expires.Nanoseconds(), "no_wait": true})
	if err != nil {
		return err
	}
	subject := fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", p.queue.at.Name, p.queue.at.Group)
	return p.queue.conn.PublishRequest(subject, p.inbox+"."+token, request)
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
	for _, one := range p.pulls {
		open = append(open, one)
	}
	p.lock.Unlock()
	for _, one := range open {
		<-one.done // at most round and late
	}
	p.giving.Wait()
}
