// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package nats is a queue on NATS JetStream: a stream, a durable pull consumer that all daemons of an environment share, a
// stream NAME-dead for dead letters, and a bucket for what the broker does not keep. I/O; called by whoever opens queues.
//
// Send can tell repeated keys apart, within the stream's duplicate window.
package nats

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// patience is how long one operation tries to reach a broker that is being restarted, unless its context ends before.
const patience = 10 * time.Second

type natsQueue struct {
	at       contract.Coordinates
	options  queue.Options
	conn     *client.Conn
	js       jetstream.JetStream
	state    jetstream.KeyValue
	warnings []string
	// created tells this stream from an earlier one of the same name, whose sequences were others.
	created time.Time
	// held is how long a message stays with who received it: what the consumer really says.
	held time.Duration
	// maxAge of the stream's messages, 0 for ever.
	maxAge time.Duration
	// subject that Send publishes to; empty if there is none.
	subject string

	pulls puller
	terms terms
	// repaired is when the consumer was last looked for because nobody answered.
	repaired time.Time
	lock     sync.Mutex
}

// Open connects to the stream of the coordinates. Generated streams are made or adjusted; others must be there. The consumer,
// NAME-dead and the bucket are Beanpod's own in both cases, and are made where they are missing.
//
// Options without Visibility or Retention leave what is there as it is, for callers that only look. With Existing a stream that is not
// there is not made.
func Open(ctx context.Context, c contract.Coordinates, o queue.Options, credentials map[string]string) (queue.Queue, error) {
	if c.Name == "" {
		return nil, errors.New("the queue has no stream: set queue.nats.stream to the name of a JetStream stream")
	}
	if c.Group == "" {
		c.Group = "beanpod"
	}
	q := &natsQueue{at: c, options: o}
	q.pulls.init(q)
	if err := q.connect(credentials); err != nil {
		return nil, err
	}
	if err := q.setUp(ctx); err != nil {
		q.conn.Close()
		return nil, err
	}
	return q, nil
}

func (q *natsQueue) connect(credentials map[string]string) error {
	options, err := connection(credentials)
	if err != nil {
		return fmt.Errorf("the credentials of stream %s at %s: %w", q.at.Name, q.at.URL, err)
	}
	options = append(options,
		client.Name("beanpod "+q.at.Name+" "+q.options.Consumer),
		client.DisconnectErrHandler(func(*client.Conn, error) { q.pulls.disconnected() }),
	)
	if q.conn, err = client.Connect(q.at.URL, options...); err != nil {
		return fmt.Errorf("connecting to NATS at %s for stream %s: %w; check queue.nats.url and the Secret of credentialsRef", q.at.URL, q.at.Name, err)
	}
	if q.js, err = jetstream.New(q.conn, jetstream.WithDefaultTimeout(5*time.Second)); err != nil {
		q.conn.Close()
		return err
	}
	return nil
}

// connection turns a Secret's keys into options of the client.
func connection(credentials map[string]string) ([]client.Option, error) {
	options := []client.Option{
		client.Timeout(5 * time.Second),
		client.MaxReconnects(-1), client.ReconnectWait(250 * time.Millisecond), client.IgnoreAuthErrorAbort(),
		client.PingInterval(10 * time.Second), client.MaxPingsOutstanding(2), // a connection that is dead on one side is noticed in half a minute
		// A request that waited for the connection to come back would hand messages to nobody.
		client.ReconnectBufSize(-1),
	}
	switch {
	case credentials["creds"] != "":
		options = append(options, client.UserCredentialBytes([]byte(credentials["creds"])))
	case credentials["token"] != "":
		options = append(options, client.Token(credentials["token"]))
	case credentials["user"] != "":
		options = append(options, client.UserInfo(credentials["user"], credentials["password"]))
	}
	if pem := credentials["ca.crt"]; pem != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(pem)) {
			return nil, errors.New("ca.crt holds no certificate: put the PEM of the authority that signed the server's certificate there")
		}
		options = append(options, client.Secure(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	}
	return options, nil
}

func (q *natsQueue) dead() string { return q.at.Name + "-dead" }

func (q *natsQueue) DeadLetterURL() string { return q.at.URL + "#" + q.dead() }

func (q *natsQueue) Warnings() []string { return q.warnings }

func (q *natsQueue) Close() error {
	q.pulls.close()
	q.conn.Close()
	return nil
}
