// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"strings"
	"testing"

	client "github.com/redis/go-redis/v9"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--requirepass", "secret")
	password := map[string]string{"password": "secret"}
	admin := client.NewClient(&client.Options{Addr: s.Address, Password: "secret", Protocol: 2})
	t.Cleanup(func() { _ = admin.Close() })
	if err := admin.Set(t.Context(), "counter", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change      func(*contract.Coordinates)
		credentials map[string]string
		want        []string
	}{
		"no password":            {func(*contract.Coordinates) {}, nil, []string{"orders", "wants a password", "Secret"}},
		"wrong password":         {func(*contract.Coordinates) {}, map[string]string{"password": "guess"}, []string{"refused the password", "Secret"}},
		"no name":                {func(c *contract.Coordinates) { c.Name = "" }, password, []string{"no name", "queue.redis.stream"}},
		"not a URL of Redis":     {func(c *contract.Coordinates) { c.URL = "amqp://localhost" }, password, []string{`begins with "amqp"`, "redis://"}},
		"credentials in the URL": {func(c *contract.Coordinates) { c.URL = "redis://:secret@" + s.Address }, nil, []string{"holds credentials", "Secret"}},
		"ca.crt without TLS":     {func(*contract.Coordinates) {}, map[string]string{"ca.crt": "x", "password": "secret"}, []string{"rediss://"}},
		"ca.crt that is none": {
			func(c *contract.Coordinates) { c.URL = "rediss://" + s.Address }, map[string]string{"ca.crt": "x", "password": "secret"}, []string{"no certificate in PEM"},
		},
		"not there":    {func(c *contract.Coordinates) { c.Generated = false }, password, []string{`"orders" is not there`, "queue.redis.stream"}},
		"not a stream": {func(c *contract.Coordinates) { c.Name = "counter" }, password, []string{"a string, not a stream"}},
		"nobody there": {func(c *contract.Coordinates) { c.URL = "redis://127.0.0.1:1" }, password, []string{"does not answer", "URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.coordinates("orders")
			test.change(&c)
			_, err := Open(t.Context(), c, plain("a"), test.credentials)
			if err == nil {
				t.Fatal("it was opened")
			}
			for _, word := range test.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q tells the password", err)
			}
		})
	}
	q, err := Open(t.Context(), s.coordinates("fine"), plain("a"), password)
	if err != nil {
		t.Fatal(err)
	}
	_ = q.Close()
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flags []string
		want  string
	}{
		"safe":       {nil, ""},
		"evicts":     {[]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, "maxmemory-policy allkeys-lru"},
		"no file":    {[]string{"--appendonly", "no"}, "Set appendonly yes"},
		"late write": {[]string{"--appendfsync", "everysec"}, "appendfsync everysec"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, test.flags...)
			said := strings.Join(s.open(t, s.coordinates("orders"), plain("a")).Warnings(), "\n")
			if !strings.Contains(said, test.want) || test.want == "" && said != "" {
				t.Errorf("warnings: %q, want %q", said, test.want)
			}
		})
	}
}

func TestOpenRefusesServers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flags []string
		want  string
	}{
		"cluster": {[]string{"--cluster-enabled", "yes"}, "part of a Redis Cluster"},
		"replica": {[]string{"--replicaof", "127.0.0.1 1"}, "name the primary"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, test.flags...)
			if _, err := Open(t.Context(), s.coordinates("orders"), plain("a"), nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v does not say %q", err, test.want)
			}
		})
	}
}
