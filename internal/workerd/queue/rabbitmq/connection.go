// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// heartbeat: a connection that is silent for two of them is broken.
const heartbeat = 10 * time.Second

// dialer checks the coordinates and credentials, and says how to connect.
func dialer(c contract.Coordinates, o queue.Options, credentials map[string]string) (func() (*amqp.Connection, error), error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the URL of queue %s cannot be read; use amqp://HOST:PORT/VHOST or amqps:// for TLS", c.Name)
	case u.Scheme != "amqp" && u.Scheme != "amqps":
		return nil, fmt.Errorf("the URL of queue %s begins with %q; use amqp://HOST:PORT/VHOST or amqps:// for TLS", c.Name, u.Scheme)
	case u.User != nil:
		return nil, fmt.Errorf("the URL of queue %s holds credentials; put username and password into the Secret of credentialsRef", c.Name)
	case credentials["username"] == "":
		return nil, fmt.Errorf("queue %s has no username; put username and password into the Secret of credentialsRef", c.Name)
	case credentials["ca.crt"] != "" && u.Scheme != "amqps":
		return nil, fmt.Errorf("queue %s has a ca.crt, and its URL does not ask for TLS; use amqps://", c.Name)
	}
	if _, err := amqp.ParseURI(c.URL); err != nil {
		return nil, fmt.Errorf("the URL of queue %s cannot be used; correct it: %w", c.Name, err)
	}
	var roots *x509.CertPool
	if ca := credentials["ca.crt"]; ca != "" {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(ca)) {
			return nil, fmt.Errorf("ca.crt in the Secret of queue %s holds no certificate in PEM", c.Name)
		}
	}
	return func() (*amqp.Connection, error) {
		properties := amqp.NewConnectionProperties()
		properties.SetClientConnectionName("beanpod " + o.Consumer)
		return amqp.DialConfig(c.URL, amqp.Config{
			SASL:            []amqp.Authentication{&amqp.PlainAuth{Username: credentials["username"], Password: credentials["password"]}},
			Heartbeat:       heartbeat,
			Properties:      properties,
			Dial:            amqp.DefaultDial(patience),
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		})
	}, nil
}

// reachable says in words why no connection came about.
func reachable(err error) error {
	var refused *amqp.Error
	switch {
	case errors.As(err, &refused) && refused.Code == amqp.AccessRefused:
		return fmt.Errorf("the broker refused the login; correct username and password in the Secret of credentialsRef, and the virtual host in the URL: %w", err)
	case errors.As(err, &refused) && refused.Code == amqp.NotAllowed:
		return fmt.Errorf("the virtual host in the URL is not there or not allowed; correct it: %w", err)
	}
	return fmt.Errorf("the broker does not answer; check the URL and the network: %w", err)
}
