// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// TestKEDA says what KEDA is asked for each broker, and what is refused because KEDA cannot know it.
func TestKEDA(t *testing.T) {
	t.Parallel()
	secret := &v1alpha1.LocalReference{Name: "login"}
	sqs := func(url, region string, ref *v1alpha1.LocalReference) v1alpha1.Queue {
		return v1alpha1.Queue{SQS: &v1alpha1.SQSQueue{URL: url, Region: region, CredentialsRef: ref}}
	}
	nats := func(monitoring, account string) v1alpha1.Queue {
		return v1alpha1.Queue{NATS: &v1alpha1.NATSQueue{URL: "nats://n:4222", Stream: "jobs", MonitoringURL: monitoring, Account: account, CredentialsRef: secret}}
	}
	generated := v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}}
	stream := map[string]string{"account": "$G", "stream": "jobs", "consumer": "beanpod", "lagThreshold": "30", "natsServerMonitoringEndpoint": "n:8222"}
	for _, tc := range []struct {
		name       string
		queue      v1alpha1.Queue
		monitoring string
		want       KEDATrigger
		problem    string
	}{
		{"generated", generated, "http://nats.queues:8222/", KEDATrigger{Type: "nats-jetstream", Metadata: map[string]string{
			"account": "$G", "stream": "beanpod-team-blue-2b8b9a2876", "consumer": "blue", "lagThreshold": "30", "natsServerMonitoringEndpoint": "nats.queues:8222",
		}}, ""},
		{"generated, monitoring not known", generated, "", KEDATrigger{}, "spec.capacity.autoscaling.engine: KEDA sees"},
		{"NATS", nats("http://n:8222", ""), "http://other:8222", KEDATrigger{Type: "nats-jetstream", Metadata: stream}, ""},
		{"NATS of an account", nats("https://n:8222", "TEAM"), "", KEDATrigger{Type: "nats-jetstream", Metadata: with(stream, "account", "TEAM", "useHttps", "true")}, ""},
		{"NATS, monitoring not known", nats("", ""), "http://other:8222", KEDATrigger{}, "spec.worker.queue.nats.monitoringURL: KEDA sees"},
		{"NATS, the wrong port's scheme", nats("nats://n:4222", ""), "", KEDATrigger{}, "spec.worker.queue.nats.monitoringURL: the monitoring endpoint is"},
		{"NATS, a password", nats("http://me:secret@n:8222", ""), "", KEDATrigger{}, "without a path or a password"},
		{"SQS with keys", sqs("https://sqs.eu-west-1.amazonaws.com/1/jobs", "", secret), "", KEDATrigger{
			Type: "aws-sqs-queue", Metadata: map[string]string{"queueURL": "https://sqs.eu-west-1.amazonaws.com/1/jobs", "queueLength": "30", "awsRegion": "eu-west-1"}, Secret: "login",
			Parameters: map[string]string{"awsAccessKeyID": "accessKeyId", "awsSecretAccessKey": "secretAccessKey", "awsSessionToken": "sessionToken"},
		}, ""},
		{"SQS as KEDA, an old URL", sqs("https://queue.amazonaws.com/1/jobs", "", nil), "", KEDATrigger{
			Type: "aws-sqs-queue", Metadata: map[string]string{"queueURL": "https://queue.amazonaws.com/1/jobs", "queueLength": "30", "awsRegion": "us-east-1"}, Identity: true,
		}, ""},
		{"SQS in a private network", sqs("https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1/jobs", "", nil), "", KEDATrigger{
			Type: "aws-sqs-queue", Identity: true, Metadata: map[string]string{"queueURL": "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1/jobs", "queueLength": "30",
				"awsRegion": "eu-west-1", "awsEndpoint": "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com"},
		}, ""},
		{"SQS of somebody else", sqs("http://q:4566/1/jobs", "home", nil), "", KEDATrigger{Type: "aws-sqs-queue", Identity: true, Metadata: map[string]string{
			"queueURL": "http://q:4566/1/jobs", "queueLength": "30", "awsRegion": "home", "awsEndpoint": "http://q:4566",
		}}, ""},
		{"SQS, no region", sqs("http://q:4566/1/jobs", "", nil), "", KEDATrigger{}, "spec.worker.queue.sqs.region: KEDA must know"},
		{"RabbitMQ", v1alpha1.Queue{RabbitMQ: &v1alpha1.RabbitMQQueue{URL: "amqp://r:5672/v", Queue: "jobs", CredentialsRef: secret}}, "", KEDATrigger{
			Type: "rabbitmq", Secret: "login", Parameters: map[string]string{"username": "username", "password": "password"},
			Metadata: map[string]string{"host": "amqp://r:5672/v", "protocol": "amqp", "queueName": "jobs", "mode": "QueueLength", "value": "30"},
		}, ""},
		{"RabbitMQ with a password in its URL", v1alpha1.Queue{RabbitMQ: &v1alpha1.RabbitMQQueue{URL: "amqp://u:p@r:5672/v", Queue: "jobs"}}, "",
			KEDATrigger{}, "spec.worker.queue.rabbitmq.url"},
		{"Redis", v1alpha1.Queue{Redis: &v1alpha1.RedisQueue{URL: "rediss://r/2", Stream: "jobs", CredentialsRef: secret}}, "", KEDATrigger{
			Type: "redis-streams", Secret: "login", Parameters: map[string]string{"username": "username", "password": "password", "ca": "ca.crt"},
			Metadata: map[string]string{"address": "r:6379", "databaseIndex": "2", "enableTLS": "true", "stream": "jobs", "streamLength": "30"},
		}, ""},
		{"Redis of nobody", v1alpha1.Queue{Redis: &v1alpha1.RedisQueue{URL: "redis://r:7000", Stream: "jobs"}}, "", KEDATrigger{
			Type: "redis-streams", Metadata: map[string]string{"address": "r:7000", "stream": "jobs", "streamLength": "30"},
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, problems := Resolve(layers(func(l *Layers) {
				spec := &l.Environment.Spec
				l.Operator.Queue, l.Operator.QueueMonitoring = "nats://nats.queues:4222", tc.monitoring
				l.Environment.Namespace, l.Environment.Name = "team", "blue"
				spec.Tier, spec.Worker = v1alpha1.TierWorker, &v1alpha1.Worker{Queue: tc.queue}
				spec.Capacity = kedaCapacity(0, v1alpha1.ScalingTrigger{Type: v1alpha1.TriggerQueueDepth, Target: 30})
			}))
			if tc.problem != "" {
				if len(problems) != 1 || !strings.Contains(problems[0].Field+": "+problems[0].Message, tc.problem) || strings.Contains(problems[0].Message, "secret") {
					t.Errorf("problems %v, want one with %q", problems, tc.problem)
				}
				return
			}
			if diff := cmp.Diff([]KEDATrigger{tc.want}, s.KEDA); diff != "" || len(problems) > 0 || len(s.Unsupported) > 0 {
				t.Errorf("problems %v, unsupported %v, triggers (-want +got):\n%s", problems, s.Unsupported, diff)
			}
		})
	}
}

// TestKEDATriggers: KEDA takes cpu, memory and the queue together, and cannot begin from nothing without a queue.
func TestKEDATriggers(t *testing.T) {
	t.Parallel()
	depth := v1alpha1.ScalingTrigger{Type: v1alpha1.TriggerQueueDepth, Target: 30}
	cpu := v1alpha1.ScalingTrigger{Type: v1alpha1.TriggerCPU, Target: 60}
	memory := v1alpha1.ScalingTrigger{Type: v1alpha1.TriggerMemory, Target: 80}
	for _, tc := range []struct {
		name     string
		tier     v1alpha1.Tier
		least    int32
		triggers []v1alpha1.ScalingTrigger
		scaler   Scaler
		want     string
		idle     string
	}{
		{"web with nothing said", v1alpha1.TierWebServer, 1, nil, ScalerKEDA, "cpu 70", ""},
		{"web with both", v1alpha1.TierWebServer, 1, []v1alpha1.ScalingTrigger{memory, cpu}, ScalerKEDA, "cpu 60 memory 80", ""},
		{"web has no queue", v1alpha1.TierWebServer, 1, []v1alpha1.ScalingTrigger{depth}, ScalerKEDA, "cpu 70", "spec.capacity.autoscaling.triggers: QueueDepth"},
		{"web from zero", v1alpha1.TierWebServer, 0, []v1alpha1.ScalingTrigger{cpu}, ScalerNone, "", ""},
		{"worker by cpu", v1alpha1.TierWorker, 1, []v1alpha1.ScalingTrigger{cpu}, ScalerKEDA, "cpu 60", ""},
		{"worker by all", v1alpha1.TierWorker, 0, []v1alpha1.ScalingTrigger{cpu, depth, memory}, ScalerKEDA, "nats-jetstream cpu 60 memory 80", ""},
		{"not known to KEDA", v1alpha1.TierWebServer, 1, []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerRequests, Target: 1}}, ScalerKEDA, "cpu 70",
			"spec.capacity.autoscaling.triggers: RequestsPerInstance"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, problems := Resolve(layers(func(l *Layers) {
				l.Operator.Queue, l.Operator.QueueMonitoring = "nats://n:4222", "http://n:8222"
				l.Environment.Spec.Tier = tc.tier
				l.Environment.Spec.Capacity = kedaCapacity(tc.least, tc.triggers...)
			}))
			var got []string
			for _, trigger := range s.KEDA {
				got = append(got, strings.TrimSpace(trigger.Type+" "+trigger.Metadata["value"]))
			}
			if len(problems) > 0 || s.Scaler != tc.scaler || strings.Join(got, " ") != tc.want || strings.Join(s.Unsupported, " ") != tc.idle {
				t.Errorf("scaler %s, triggers %q, unsupported %v, problems %v", s.Scaler, got, s.Unsupported, problems)
			}
		})
	}
}

func kedaCapacity(least int32, triggers ...v1alpha1.ScalingTrigger) *v1alpha1.Capacity {
	return &v1alpha1.Capacity{Min: &least, Max: ptr.To[int32](9), Autoscaling: &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingKEDA, Triggers: triggers}}
}

// with is a map with some other values.
func with(m map[string]string, pairs ...string) map[string]string {
	out := map[string]string{}
	for key, value := range m {
		out[key] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}
