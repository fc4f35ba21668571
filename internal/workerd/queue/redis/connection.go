// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"

	client "github.com/redis/go-redis/v9"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// options of the connection that the coordinates and credentials ask for.
func options(c contract.Coordinates, credentials map[string]string) (*client.Options, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the URL of queue %s cannot be read; use redis://HOST:PORT/DATABASE or rediss:// for TLS", c.Name)
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return nil, fmt.Errorf("the URL of queue %s begins with %q; use redis://HOST:PORT/DATABASE or rediss:// for TLS", c.Name, u.Scheme)
	case u.User != nil:
		return nil, fmt.Errorf("the URL of queue %s holds credentials; put username and password into the Secret of credentialsRef", c.Name)
	case credentials["ca.crt"] != "" && u.Scheme != "rediss":
		return nil, fmt.Errorf("queue %s has a ca.crt, and its URL does not ask for TLS; use rediss://", c.Name)
	}
	o, err := client.ParseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("the URL of queue %s cannot be used; correct it: %w", c.Name, err)
	}
	if ca := credentials["ca.crt"]; ca != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(ca)) {
			return nil, fmt.Errorf("ca.crt in the Secret of queue %s holds no certificate in PEM", c.Name)
		}
		o.TLSConfig = &tls.Config{RootCAs: pool, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	o.Username, o.Password = credentials["username"], credentials["password"]
	// What is not repeatable must not be repeated: the adapter does so itself where it may.
	o.MaxRetries = -1
	o.Protocol, o.ReadTimeout, o.WriteTimeout, o.DialTimeout, o.DialerRetries = 2, patience, patience, patience, 1
	o.ContextTimeoutEnabled = true
	return o, nil
}

// inspect looks for settings of the server that make it unfit, and warns of those that risk messages.
func (q *Queue) inspect(ctx context.Context) ([]string, error) {
	text, err := q.db.Info(ctx, "everything").Result()
	if err != nil {
		return nil, reachable(err)
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[key] = value
		}
	}
	switch {
	case info["redis_mode"] == "cluster":
		return nil, errors.New("the server is part of a Redis Cluster, which the worker daemon cannot use; name a server that is none, or a primary behind Sentinel")
	case info["role"] == "slave":
		return nil, errors.New("the server is a replica and takes no writes; name the primary")
	}
	var warnings []string
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	if policy := info["maxmemory_policy"]; strings.HasPrefix(policy, "allkeys") {
		warn("Redis may throw the stream %s away when its memory is full (maxmemory-policy %s). Set noeviction.", q.at.Name, policy)
	}
	if info["aof_enabled"] == "0" {
		warn("Redis keeps no append-only file: a crash of the server loses the messages since its last snapshot. Set appendonly yes.")
		return warnings, nil
	}
	// Managed services forbid the command, and then nothing is known.
	if sync := q.db.ConfigGet(ctx, "appendfsync").Val()["appendfsync"]; sync != "" && sync != "always" {
		warn("Redis writes to disk after it answered (appendfsync %s): a power loss loses up to a second of messages, or more with no. Set appendfsync always, or accept it.", sync)
	}
	return warnings, nil
}

// reachable says in words why the first command failed.
func reachable(err error) error {
	switch {
	case client.HasErrorPrefix(err, "NOAUTH"):
		return errors.New("the server wants a password; put it into the Secret of credentialsRef, under password")
	case client.HasErrorPrefix(err, "WRONGPASS"):
		return errors.New("the server refused the password; correct username and password in the Secret of credentialsRef")
	case client.HasErrorPrefix(err, "NOPERM"):
		return fmt.Errorf("the user lacks permissions; allow INFO, TIME, EVAL, EVALSHA and the commands of streams, sorted sets, hashes and strings: %w", err)
	}
	return fmt.Errorf("the server does not answer; check the URL and the network: %w", err)
}
