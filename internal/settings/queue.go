// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// sharedGroup is the consumer of queues that others made.
const sharedGroup = "beanpod"

// schemes that a broker's URL may have.
var schemes = map[contract.Provider][]string{
	contract.SQS:      {"https", "http"},
	contract.NATS:     {"nats", "tls", "ws", "wss"},
	contract.RabbitMQ: {"amqp", "amqps"},
	contract.Redis:    {"redis", "rediss"},
}

// coordinates say which queue a worker Environment consumes, and which Secret has the credentials. Another Environment's links use
// them too.
func coordinates(env *v1alpha1.Environment, op Operator) (contract.Coordinates, string, []Problem) {
	c, secret := asked(env, op)
	if c.Generated {
		return c, "", nil // the operator's own flag was checked when it started
	}
	return c, secret, broker(c)
}

func asked(env *v1alpha1.Environment, op Operator) (contract.Coordinates, string) {
	switch q := WorkerOf(env).Queue; {
	case q.SQS != nil:
		return contract.Coordinates{Provider: contract.SQS, URL: q.SQS.URL, Region: q.SQS.Region, Group: sharedGroup}, named(q.SQS.CredentialsRef)
	case q.NATS != nil:
		return contract.Coordinates{
			Provider: contract.NATS, URL: q.NATS.URL, Name: q.NATS.Stream, Subject: q.NATS.Subject, Group: sharedGroup,
		}, named(q.NATS.CredentialsRef)
	case q.RabbitMQ != nil:
		return contract.Coordinates{Provider: contract.RabbitMQ, URL: q.RabbitMQ.URL, Name: q.RabbitMQ.Queue, Group: sharedGroup}, named(q.RabbitMQ.CredentialsRef)
	case q.Redis != nil:
		return contract.Coordinates{Provider: contract.Redis, URL: q.Redis.URL, Name: q.Redis.Stream, Group: sharedGroup}, named(q.Redis.CredentialsRef)
	default:
		return Generated(env, op), ""
	}
}

// Generated are the coordinates of the queue that is made for an Environment. They do not depend on its UID: an Environment that is made
// again finds its messages.
func Generated(env *v1alpha1.Environment, op Operator) contract.Coordinates {
	c := contract.Coordinates{
		Provider: contract.NATS, URL: op.Queue, Name: naming.Queue(env.Namespace, env.Name), Group: env.Name, Generated: true,
	}
	if u, err := url.Parse(op.Queue); err == nil && slices.Contains(schemes[contract.SQS], u.Scheme) {
		c.Provider, c.Region, c.Name = contract.SQS, u.Query().Get("region"), naming.ShortQueue(env.Namespace, env.Name)
		u.RawQuery = ""
		c.URL = u.String()
	}
	return c
}

// CheckOperatorQueue says what is wrong with where an operator generates queues; empty: nothing.
func CheckOperatorQueue(where string) string {
	if u, err := url.Parse(where); err == nil && slices.Contains(schemes[contract.SQS], u.Scheme) {
		return CheckBroker(contract.SQS, where)
	}
	for server := range strings.SplitSeq(where, ",") {
		if strings.TrimSpace(server) == "" {
			continue
		}
		if text := CheckBroker(contract.NATS, server); text != "" {
			return text
		}
	}
	return ""
}

func named(ref *v1alpha1.LocalReference) string {
	if ref == nil {
		return ""
	}
	return ref.Name
}

// broker finds what a URL cannot be. Several servers of a NATS cluster are separated by commas.
func broker(c contract.Coordinates) []Problem {
	field := fmt.Sprintf("spec.worker.queue.%s.url", c.Provider)
	var out []Problem
	for one := range strings.SplitSeq(c.URL, ",") {
		if text := CheckBroker(c.Provider, one); text != "" {
			out = append(out, Problem{Field: field, Message: text})
		}
		if c.Provider != contract.NATS {
			break
		}
	}
	return out
}

// CheckBroker says what is wrong with the URL of one server; empty: nothing.
func CheckBroker(provider contract.Provider, server string) string {
	u, err := url.Parse(strings.TrimSpace(server))
	allowed := schemes[provider]
	switch {
	case err != nil:
		return "this is not a URL; correct it" // the parser's words would repeat what may be a password
	case u.User != nil:
		return "a URL with a user or password would be readable by everybody who may read pods; put them into a Secret and name it in credentialsRef"
	case !slices.Contains(allowed, u.Scheme) || u.Host == "":
		return fmt.Sprintf("%q is not a URL that begins with %s:// and names a server; correct it", server, strings.Join(allowed, ":// or "))
	default:
		return ""
	}
}

// QueueStatus names a queue and its dead-letter queue for people. URLs of SQS name the queue themselves, but for those of generated queues.
func QueueStatus(c contract.Coordinates) *v1alpha1.QueueStatus {
	if c.Provider == contract.SQS && !c.Generated {
		return &v1alpha1.QueueStatus{URL: c.URL}
	}
	return &v1alpha1.QueueStatus{URL: address(c.URL, c.Name), DeadLetterURL: address(c.URL, c.Name+"-dead")}
}

// address puts the queue behind the broker's URL, as its fragment.
func address(broker, queue string) string { return broker + "#" + queue }
