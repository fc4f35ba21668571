// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

func TestGenerated(t *testing.T) {
	t.Parallel()
	env := &v1alpha1.Environment{}
	env.Namespace, env.Name = strings.Repeat("n", 63), "jobs"
	for where, want := range map[string]contract.Coordinates{
		"nats://a:4222,nats://b:4222":           {Provider: contract.NATS, URL: "nats://a:4222,nats://b:4222"},
		"wss://a":                               {Provider: contract.NATS, URL: "wss://a"},
		"https://sqs.eu-west-1.amazonaws.com":   {Provider: contract.SQS, URL: "https://sqs.eu-west-1.amazonaws.com"},
		"http://sqs.queues:9324?region=eu-west": {Provider: contract.SQS, URL: "http://sqs.queues:9324", Region: "eu-west"},
	} {
		got := Generated(env, Operator{Queue: where})
		if got.Provider == contract.SQS && len(got.Name) > 75 || !strings.HasPrefix(got.Name, "beanpod-nnn") {
			t.Errorf("%s: the name %s", where, got.Name)
		}
		want.Name, want.Group, want.Generated = got.Name, "jobs", true
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", where, diff)
		}
		status := QueueStatus(got)
		if status.URL != want.URL+"#"+got.Name || status.DeadLetterURL != status.URL+"-dead" {
			t.Errorf("%s: status %+v", where, status)
		}
	}
}

func TestCheckOperatorQueue(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]string{
		"nats://a:4222, nats://b:4222,":       "",
		"https://sqs.eu-west-1.amazonaws.com": "",
		"https://":                            "names a server",
		"https://key:secret@sqs":              "a user or password",
		"nats://a,amqp://b":                   "nats://",
	} {
		if got := CheckOperatorQueue(where); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", where, got, want)
		}
	}
}
