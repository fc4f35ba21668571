// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rabbitmq

import (
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	s := common(t)
	declared(t, s, "open-classic", true, nil)
	declared(t, s, "open-classic-ttl", true, amqp.Table{"x-message-ttl": 1000})
	declared(t, s, "open-transient", false, nil)
	declared(t, s, "open-stream", true, amqp.Table{"x-queue-type": "stream"})
	for name, test := range map[string]struct {
		change      func(*contract.Coordinates)
		credentials map[string]string
		want        []string
	}{
		"no username":            {func(*contract.Coordinates) {}, nil, []string{"no username", "Secret"}},
		"wrong password":         {func(*contract.Coordinates) {}, map[string]string{"username": "guest", "password": "secret"}, []string{"refused the login", "Secret"}},
		"no name":                {func(c *contract.Coordinates) { c.Name = "" }, login, []string{"no name", "queue.rabbitmq.queue"}},
		"not a URL of RabbitMQ":  {func(c *contract.Coordinates) { c.URL = "redis://localhost" }, login, []string{`begins with "redis"`, "amqp://"}},
		"credentials in the URL": {func(c *contract.Coordinates) { c.URL = "amqp://guest:secret@localhost" }, login, []string{"holds credentials", "Secret"}},
		"ca.crt without TLS":     {func(*contract.Coordinates) {}, map[string]string{"ca.crt": "x", "username": "guest"}, []string{"amqps://"}},
		"no virtual host":        {func(c *contract.Coordinates) { c.URL += "shop" }, login, []string{"virtual host"}},
		"nobody there":           {func(c *contract.Coordinates) { c.URL = "amqp://127.0.0.1:1" }, login, []string{"does not answer", "URL"}},
		"not there":              {func(c *contract.Coordinates) { c.Generated = false }, login, []string{"not there", "queue.rabbitmq.queue"}},
		"classic":                {func(c *contract.Coordinates) { c.Name = "open-classic" }, login, []string{"open-classic: it is a classic queue", "x-queue-type quorum"}},
		"classic with arguments": {func(c *contract.Coordinates) { c.Name = "open-classic-ttl" }, login, []string{"it is a classic queue"}},
		"transient":              {func(c *contract.Coordinates) { c.Name = "open-transient" }, login, []string{"not durable"}},
		"stream":                 {func(c *contract.Coordinates) { c.Name = "open-stream" }, login, []string{"it is a stream queue"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.coordinates("open-orders")
			test.change(&c)
			_, err := Open(t.Context(), c, usual("a"), test.credentials)
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
}

func declared(t *testing.T, s *server, name string, durable bool, arguments amqp.Table) {
	t.Helper()
	if _, err := s.channel(t).QueueDeclare(name, durable, false, false, false, arguments); err != nil {
		t.Fatal(err)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	s := common(t)
	slow := usual("a")
	slow.Visibility = time.Hour
	for name, test := range map[string]struct {
		arguments amqp.Table
		options   queue.Options
		want      []string
	}{
		"plain":       {amqp.Table{}, usual("a"), nil},
		"lifetimes":   {amqp.Table{"x-message-ttl": 60000, "x-expires": 600000}, usual("a"), []string{"x-message-ttl 60000", "x-expires 600000"}},
		"drops":       {amqp.Table{"x-max-length": 10, "x-max-length-bytes": 1000}, usual("a"), []string{"x-max-length 10", "x-max-length-bytes 1000"}},
		"refuses":     {amqp.Table{"x-max-length": 10, "x-overflow": "reject-publish"}, usual("a"), nil},
		"low limit":   {amqp.Table{"x-delivery-limit": 5}, usual("a"), []string{"up after 5 deliveries"}},
		"high limit":  {amqp.Table{"x-delivery-limit": 50}, usual("a"), nil},
		"slow worker": {amqp.Table{}, slow, []string{"consumer_timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.coordinates("warn-" + strings.ReplaceAll(name, " ", "-"))
			test.arguments["x-queue-type"] = "quorum"
			declared(t, s, c.Name, true, test.arguments)
			c.Generated = false
			got := s.open(t, c, test.options).Warnings()
			if len(got) != len(test.want) {
				t.Fatalf("warnings: %q, want %d", got, len(test.want))
			}
			for i, word := range test.want {
				if !strings.Contains(got[i], word) {
					t.Errorf("%q does not say %q", got[i], word)
				}
			}
		})
	}
}

// TestFull: what a queue refuses was not sent, and what has no queue neither.
func TestFull(t *testing.T) {
	t.Parallel()
	s := common(t)
	c := s.coordinates("full")
	c.Generated = false
	declared(t, s, c.Name, true, amqp.Table{"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"})
	q := s.open(t, c, usual("a"))
	var refused error
	for range 20 { // the broker enforces the length a little late
		if refused = q.Send(t.Context(), "", []byte("x"), nil); refused != nil {
			break
		}
	}
	if refused == nil || !strings.Contains(refused.Error(), "did not take the message") {
		t.Errorf("Send to a full queue: %v", refused)
	}
	if _, err := s.channel(t).QueueDelete(c.Name, false, false, false); err != nil {
		t.Fatal(err)
	}
	if err := q.Send(t.Context(), "", []byte("x"), nil); err == nil || !strings.Contains(err.Error(), "no queue full") {
		t.Errorf("Send to a queue that was deleted: %v", err)
	}
}

// TestForeignMessage: producers set other properties than we do, or none.
func TestForeignMessage(t *testing.T) {
	t.Parallel()
	s := common(t)
	q := s.open(t, s.coordinates("foreign"), usual("a"))
	headers := amqp.Table{"n": int32(7), "f": 1.5, "flag": true, "list": []any{"a"}, "s": "text"}
	if err := s.channel(t).PublishWithContext(t.Context(), "", "foreign", true, false, amqp.Publishing{Body: []byte("x"), Headers: headers}); err != nil {
		t.Fatal(err)
	}
	m := mustReceive(t, q, 1)[0]
	if got := m.Attributes; len(got) != 3 || got[0].Value != "1.5" || got[1].Value != "7" || got[2].Value != "text" {
		t.Errorf("attributes: %v", got)
	}
	if time.Since(m.SentAt) > time.Minute {
		t.Errorf("sent at %v", m.SentAt)
	}
	if err := q.Release(t.Context(), m, 0, true); err != nil {
		t.Fatal(err)
	}
	if again := mustReceive(t, q, 1)[0]; again.ID != m.ID || m.ID == "" || again.Attempt != 2 {
		t.Errorf("message %q came back as %q at attempt %d", m.ID, again.ID, again.Attempt)
	}
}
