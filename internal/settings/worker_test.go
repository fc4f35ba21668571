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

func workerLayers(w *v1alpha1.Worker) Layers {
	env := &v1alpha1.Environment{}
	env.Namespace, env.Name = "team", "jobs"
	env.Spec.Tier, env.Spec.Worker = v1alpha1.TierWorker, w
	return Layers{Environment: env, Operator: Operator{BundleImage: "operator", Queue: "nats://nats:4222"}}
}

func TestWorkerDefaults(t *testing.T) {
	t.Parallel()
	s, problems := Resolve(workerLayers(nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := contract.Config{
		Queue:       contract.Coordinates{Provider: contract.NATS, URL: "nats://nats:4222", Name: "beanpod-team-jobs-" + s.Worker.Config.Queue.Name[18:], Group: "jobs", Generated: true},
		Application: "http://127.0.0.1:8080", Path: "/", MimeType: "application/json", Connections: 50, ConnectTimeout: 5, InactivityTimeout: 299,
		VisibilityTimeout: 300, ErrorVisibilityTimeout: 2, Retention: 345600, MaxRetries: 10, Drain: 299,
	}
	if diff := cmp.Diff(want, s.Worker.Config); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if len(s.Worker.Warnings) > 0 {
		t.Errorf("the defaults warn: %v", s.Worker.Warnings)
	}
}

func TestWorkerProblems(t *testing.T) {
	t.Parallel()
	n := func(i int32) *int32 { return &i }
	fifo := v1alpha1.Queue{SQS: &v1alpha1.SQSQueue{URL: "https://sqs/1/x.fifo"}}
	generated := v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}}
	for _, tc := range []struct {
		name, want string
		worker     v1alpha1.Worker
	}{
		{"FIFO", "a FIFO queue takes no periodic tasks", v1alpha1.Worker{Queue: fifo, PeriodicTasks: []v1alpha1.PeriodicTask{{Name: "a", Path: "/", Schedule: "0 23 * * *"}}}},
		{"schedule", "five fields", v1alpha1.Worker{Queue: generated, PeriodicTasks: []v1alpha1.PeriodicTask{{Name: "a", Path: "/", Schedule: "0 23 * *"}}}},
		{"time zone", `"Mars"`, v1alpha1.Worker{Queue: generated, PeriodicTasks: []v1alpha1.PeriodicTask{{Name: "a", Path: "/", Schedule: "0 23 * * *", TimeZone: "Mars"}}}},
		{"password", "credentialsRef", v1alpha1.Worker{Queue: v1alpha1.Queue{NATS: &v1alpha1.NATSQueue{URL: "nats://ok,nats://a:b@c", Stream: "x"}}}},
		{"visibility", "not longer than inactivityTimeoutSeconds", v1alpha1.Worker{Queue: generated, VisibilityTimeoutSeconds: n(299)}},
		{"retention", "never reaches the dead-letter queue", v1alpha1.Worker{Queue: generated, RetentionSeconds: n(60), ErrorVisibilityTimeoutSeconds: n(6)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, problems := Resolve(workerLayers(&tc.worker))
			text := strings.Join(s.Worker.Warnings, "\n")
			for _, p := range problems {
				text += p.Field + ": " + p.Message + "\n"
			}
			if !strings.Contains(text, tc.want) {
				t.Errorf("got %q, want %q", text, tc.want)
			}
		})
	}
}

// TestLease: only where the broker elects nobody, and there may be something to enqueue.
func TestLease(t *testing.T) {
	t.Parallel()
	nightly := []v1alpha1.PeriodicTask{{Name: "a", Path: "/", Schedule: "0 23 * * *"}}
	sqs := v1alpha1.Queue{SQS: &v1alpha1.SQSQueue{URL: "https://sqs.eu-central-1.amazonaws.com/1/x"}}
	rabbit := v1alpha1.Queue{RabbitMQ: &v1alpha1.RabbitMQQueue{URL: "amqp://rabbit", Queue: "x"}}
	generated := v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}}
	for _, tc := range []struct {
		name   string
		queue  v1alpha1.Queue
		tasks  []v1alpha1.PeriodicTask
		broker string
		want   string
	}{
		{"SQS", sqs, nightly, "", "team/jobs-periodic-tasks"},
		{"RabbitMQ", rabbit, nightly, "", "team/jobs-periodic-tasks"},
		{"nothing to enqueue", rabbit, nil, "", ""},
		{"Redis elects", v1alpha1.Queue{Redis: &v1alpha1.RedisQueue{URL: "redis://redis", Stream: "x"}}, nightly, "", ""},
		{"NATS elects", generated, nightly, "nats://nats:4222", ""},
		{"generated on SQS", generated, nightly, "https://sqs.eu-central-1.amazonaws.com", "team/jobs-periodic-tasks"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := workerLayers(&v1alpha1.Worker{Queue: tc.queue, PeriodicTasks: tc.tasks})
			l.Operator.Queue = tc.broker
			s, problems := Resolve(l)
			if len(problems) > 0 || s.Worker.Config.Lease != tc.want {
				t.Errorf("lease %q, problems %v; want %q", s.Worker.Config.Lease, problems, tc.want)
			}
		})
	}
}

// TestLeaseOfBundle: a bundle may have a cron.yaml, which only the daemon sees. A FIFO queue takes no tasks, wherever they are from.
func TestLeaseOfBundle(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{"https://sqs/1/x": "team/jobs-periodic-tasks", "https://sqs/1/x.fifo": ""} {
		w := Worker{Config: contract.Config{Queue: contract.Coordinates{Provider: contract.SQS, URL: url}}}
		w.elect(Settings{Namespace: "team", Name: "jobs", Version: Version{Artifact: &Artifact{}}})
		if w.Config.Lease != want {
			t.Errorf("%s: lease %q, want %q", url, w.Config.Lease, want)
		}
	}
}
