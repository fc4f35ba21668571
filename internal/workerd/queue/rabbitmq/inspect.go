// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// own are the arguments of the queues that we make. With them the broker moves what is rejected to the dead-letter queue, and
// keeps it until that has it. The limit is there because newer brokers set a low one otherwise.
func (q *Queue) own() amqp.Table {
	return amqp.Table{
		"x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": q.dead(), "x-dead-letter-strategy": "at-least-once",
		"x-overflow": "reject-publish", "x-delivery-limit": int64(1_000_000),
	}
}

// prepare makes what is ours to make, and looks at the queue.
func (q *Queue) prepare(c *amqp.Connection) error {
	there, err := exists(c, q.at.Name)
	if err != nil {
		return err
	}
	if !there && !q.at.Generated {
		return errors.New("the queue is not there; correct queue.rabbitmq.queue and the virtual host in the URL, or declare it as a quorum queue")
	}
	if err := q.makeDead(c); err != nil {
		return err
	}
	if !there {
		if err := declare(c, q.at.Name, q.own()); err != nil {
			return fmt.Errorf("the queue cannot be made; allow the user to configure %s and %s: %w", q.at.Name, q.dead(), err)
		}
	}
	arguments, err := learn(c, q.at.Name, q.own())
	if refused(err, amqp.AccessRefused) {
		q.warnings = append(q.warnings, fmt.Sprintf("The user may not configure the queue %s, so that its type and limits are not known; make sure that it is a quorum queue.", q.at.Name))
		return nil
	}
	if err != nil {
		return err
	}
	q.moves = arguments["x-dead-letter-exchange"] == "" && arguments["x-dead-letter-routing-key"] == q.dead() && arguments["x-dead-letter-strategy"] == "at-least-once" && arguments["x-overflow"] == "reject-publish"
	q.warnings = append(q.warnings, q.judge(c, arguments)...)
	return nil
}

// makeDead declares the dead-letter queue where it is missing.
func (q *Queue) makeDead(c *amqp.Connection) error {
	there, err := exists(c, q.dead())
	if err == nil && !there {
		err = declare(c, q.dead(), amqp.Table{"x-queue-type": "quorum"})
	}
	if err != nil {
		return fmt.Errorf("the dead-letter queue %s is not there and cannot be made; declare it, or allow the user to configure it: %w", q.dead(), err)
	}
	return nil
}

// judge finds the arguments that risk messages.
func (q *Queue) judge(c *amqp.Connection, arguments amqp.Table) []string {
	var out []string
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, name := range []string{"x-message-ttl", "x-expires"} {
		if v, ok := arguments[name]; ok {
			warn("The queue %s throws messages away after a time (%s %v). Leave it out.", q.at.Name, name, v)
		}
	}
	for _, name := range []string{"x-max-length", "x-max-length-bytes"} {
		if v, ok := arguments[name]; ok && arguments["x-overflow"] != "reject-publish" {
			warn("The queue %s throws its oldest messages away when it is full (%s %v). Set x-overflow to reject-publish.", q.at.Name, name, v)
		}
	}
	limit, ok := arguments["x-delivery-limit"].(int64)
	version, _ := c.Properties["version"].(string)
	major, _, _ := strings.Cut(version, ".")
	if n, _ := strconv.Atoi(major); !ok && n >= 4 {
		limit, ok = 20, true // the default of these brokers
	}
	if ok && limit >= 0 && limit <= int64(q.options.MaxAttempts) {
		warn("The broker gives a message of the queue %s up after %d deliveries, which is not more than maxRetries. Raise x-delivery-limit.", q.at.Name, limit)
	}
	if q.options.Visibility > 25*time.Minute {
		warn("RabbitMQ takes a message of the queue %s back after 30 minutes (consumer_timeout), and the visibility timeout is %v. Raise consumer_timeout at the broker above it.", q.at.Name, q.options.Visibility)
	}
	return out
}

// on runs one request on a channel of its own: a refusal ends the channel.
func on(c *amqp.Connection, request func(*amqp.Channel) error) error {
	channel, err := c.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = channel.Close() }()
	return request(channel)
}

func exists(c *amqp.Connection, name string) (bool, error) {
	err := on(c, func(channel *amqp.Channel) error {
		_, err := channel.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	if refused(err, amqp.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func declare(c *amqp.Connection, name string, arguments amqp.Table) error {
	return on(c, func(channel *amqp.Channel) error {
		_, err := channel.QueueDeclare(name, true, false, false, false, arguments)
		return err
	})
}

func refused(err error, code int) bool {
	var e *amqp.Error
	return errors.As(err, &e) && e.Code == code
}

// differs is how the broker complains about the first argument that is not as declared.
var differs = regexp.MustCompile(`inequivalent arg '([^']+)' for queue .* but current is (?:the value '(.*)' of type '(\w+)'|'([^']*)'|none)`)

// learn finds the arguments of a queue that is there. The protocol has no question for it; but who declares a queue with others
// than it has is told one of them, and nothing changes.
func learn(c *amqp.Connection, name string, guess amqp.Table) (amqp.Table, error) {
	for range 30 {
		err := declare(c, name, guess)
		if err == nil {
			return guess, nil
		}
		if !refused(err, amqp.PreconditionFailed) {
			return nil, err
		}
		found := differs.FindStringSubmatch(err.Error())
		if found == nil {
			return nil, err
		}
		// Values of the type that we guessed come without their type.
		argument, value, kind, none := found[1], found[2]+found[4], found[3], strings.HasSuffix(found[0], "none")
		if _, number := guess[argument].(int64); number {
			kind = "long"
		}
		switch {
		case argument == "x-queue-type" || !strings.HasPrefix(argument, "x-"):
			return nil, fmt.Errorf("it is %s, not a durable quorum queue, and would lose messages or never say how often one was tried; declare another one with x-queue-type quorum, and move the messages", describe(argument, value))
		case none:
			delete(guess, argument)
		default:
			guess[argument] = typed(value, kind)
		}
	}
	return nil, errors.New("its arguments cannot be found out; declare the queue with x-queue-type quorum and no other arguments")
}

func describe(argument, value string) string {
	switch {
	case argument != "x-queue-type":
		return "not durable, or exclusive, or deletes itself"
	case value == "":
		return "a classic queue"
	}
	return "a " + value + " queue"
}

func typed(value, kind string) any {
	switch n, err := strconv.ParseInt(value, 10, 64); {
	case kind == "bool":
		return value == "true"
	case err == nil && kind != "longstr" && kind != "":
		return n
	}
	return value
}
