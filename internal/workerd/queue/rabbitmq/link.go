// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// lanes is how many channels a daemon fetches through: a channel waits for the answer to each request.
const lanes = 4

// link is a connection with one channel. When either breaks both are over, and so is what was received through it.
type link struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	gone       chan struct{}
	// rpc is held during a request that the broker answers: the library does not keep answers apart.
	rpc sync.Mutex

	// lanes are links on the same connection, this one first, through which messages are fetched at a time.
	lanes []*link

	// flushes counts the barriers that were begun, and flushed the last that ended.
	flush            sync.Mutex
	flushes, flushed uint64

	// window bounds what is published and not confirmed; unrouted counts what came back, by message ID.
	window   chan struct{}
	returns  chan amqp.Return
	lock     sync.Mutex
	unrouted map[string]int
}

func newLink(connection *amqp.Connection) (*link, error) {
	channel, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	l := &link{connection: connection, channel: channel, gone: make(chan struct{})}
	broken, ended := connection.NotifyClose(make(chan *amqp.Error, 1)), channel.NotifyClose(make(chan *amqp.Error, 1))
	go func() {
		select {
		case <-broken:
		case <-ended:
		}
		close(l.gone)
		_ = connection.Close() // no more than a repetition where it is what broke
	}()
	return l, nil
}

// widen makes more lanes.
func widen(l *link) error {
	l.lanes = []*link{l}
	for len(l.lanes) < lanes {
		more, err := newLink(l.connection)
		if err != nil {
			return err
		}
		l.lanes = append(l.lanes, more)
	}
	return nil
}

// get takes a message, nil if there is none.
func (l *link) get(name string) (*queue.Message, error) {
	l.rpc.Lock()
	defer l.rpc.Unlock()
	d, ok, err := l.channel.Get(name, false)
	if err != nil || !ok {
		return nil, err
	}
	return message(l, d), nil
}

// confirm makes a link on which the broker confirms what is published.
func confirm(l *link) error {
	l.window, l.unrouted = make(chan struct{}, 256), map[string]int{}
	// Confirmations come after the return of the same message, so that it is in the buffer by then.
	l.returns = l.channel.NotifyReturn(make(chan amqp.Return, cap(l.window)))
	return l.channel.Confirm(false)
}

func (l *link) over() bool {
	select {
	case <-l.gone:
		return true
	default:
		return false
	}
}

// barrier returns when the broker has handled all that was sent before: deletes have no answer of their own. One barrier does
// for all that wait for it.
func (l *link) barrier(name string) error {
	l.lock.Lock()
	l.flushes++
	mine := l.flushes
	l.lock.Unlock()
	l.flush.Lock()
	defer l.flush.Unlock()
	if l.flushed >= mine {
		return nil
	}
	l.lock.Lock()
	covers := l.flushes
	l.lock.Unlock()
	_, err := l.ready(name)
	if err == nil {
		l.flushed = covers
	}
	return err
}

// ready is how many messages wait.
func (l *link) ready(name string) (int, error) {
	l.rpc.Lock()
	defer l.rpc.Unlock()
	q, err := l.channel.QueueDeclarePassive(name, true, false, false, false, nil)
	return q.Messages, err
}

// publish returns when the broker has the message on disk in the queue of that name.
func (l *link) publish(ctx context.Context, name string, message amqp.Publishing) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case l.window <- struct{}{}:
		defer func() { <-l.window }()
	case <-ctx.Done():
		return errors.New("the broker confirms nothing; is it short of memory or disk?")
	}
	confirmation, err := l.channel.PublishWithDeferredConfirm("", name, true, false, message)
	if err != nil {
		return err
	}
	stored, err := confirmation.WaitContext(ctx)
	switch {
	case err != nil:
		return errors.New("the broker did not confirm in time; the message may be there or not")
	case !stored:
		return errors.New("the broker did not take the message, or the connection broke; the queue may be full")
	case l.returned(message.MessageId):
		return fmt.Errorf("there is no queue %s any more", name)
	}
	return nil
}

func (l *link) returned(id string) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	for {
		select {
		case r, open := <-l.returns:
			if open {
				l.unrouted[r.MessageId]++
				continue
			}
		default:
		}
		break
	}
	if l.unrouted[id] == 0 {
		return false
	}
	if l.unrouted[id]--; l.unrouted[id] == 0 {
		delete(l.unrouted, id)
	}
	return true
}
