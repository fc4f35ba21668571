// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// globalAccount is the account of NATS for those who name none.
const globalAccount = "$G"

// KEDATrigger is one trigger of a ScaledObject, in KEDA's words.
type KEDATrigger struct {
	// Type of KEDA's scaler: cpu, memory, nats-jetstream, aws-sqs-queue, rabbitmq or redis-streams.
	Type string
	// MetricType is Utilization for cpu and memory; empty: KEDA's default, an average for each instance.
	MetricType string
	// Metadata are the scaler's own settings.
	Metadata map[string]string
	// Secret with credentials; empty: none. Parameters are the keys of the Secret by the parameter of KEDA's scaler that each becomes.
	Secret     string
	Parameters map[string]string
	// Identity is true when KEDA asks as itself, by the cloud's own means.
	Identity bool
}

// Authenticates says whether KEDA needs more than the trigger to ask.
func (t KEDATrigger) Authenticates() bool { return t.Secret != "" || t.Identity }

// keda translates the triggers, the queue first; nil while KEDA does not scale.
func (s Settings) keda(l Layers) ([]KEDATrigger, []Problem) {
	env := l.Environment
	if s.Scaler != ScalerKEDA {
		return nil, nil
	}
	var out []KEDATrigger
	var problems []Problem
	if queue := byQueue(env); queue && s.Worker.Config.Queue.Provider == "" {
		return nil, nil // what is wrong with the queue was said
	} else if queue {
		trigger, wrong := kedaQueue(l, s.Worker.Config.Queue)
		trigger.Metadata[targetName[trigger.Type]] = strconv.Itoa(int(s.Depth.Target))
		if trigger.Parameters != nil {
			trigger.Secret = s.Worker.Credentials
		}
		out, problems = append(out, trigger), append(problems, wrong...)
	}
	if len(out) > 0 && triggerOf(env, v1alpha1.TriggerCPU) == nil && triggerOf(env, v1alpha1.TriggerMemory) == nil {
		return out, problems
	}
	for _, t := range s.Placement.Triggers {
		kind := "cpu"
		if t.Type == v1alpha1.TriggerMemory {
			kind = "memory"
		}
		out = append(out, KEDATrigger{Type: kind, MetricType: "Utilization", Metadata: map[string]string{"value": strconv.Itoa(int(t.Target))}})
	}
	return out, problems
}

// targetName is what KEDA's scalers call the number of messages for each instance.
var targetName = map[string]string{
	"nats-jetstream": "lagThreshold", "aws-sqs-queue": "queueLength", "rabbitmq": "value", "redis-streams": "streamLength",
}

// kedaQueue asks for the messages that wait and, where KEDA can see them, those in flight.
func kedaQueue(l Layers, c contract.Coordinates) (KEDATrigger, []Problem) {
	credentials := l.Environment.Spec.Worker != nil && hasCredentials(l.Environment.Spec.Worker.Queue)
	switch c.Provider {
	case contract.SQS:
		return kedaSQS(c, credentials)
	case contract.RabbitMQ:
		t := KEDATrigger{Type: "rabbitmq", Metadata: map[string]string{"host": c.URL, "protocol": "amqp", "queueName": c.Name, "mode": "QueueLength"}}
		if credentials {
			t.Parameters = map[string]string{"username": "username", "password": "password"}
		}
		return t, nil
	case contract.Redis:
		return kedaRedis(c, credentials), nil
	default:
		return kedaNATS(l, c)
	}
}

func hasCredentials(q v1alpha1.Queue) bool {
	return q.SQS != nil && q.SQS.CredentialsRef != nil || q.RabbitMQ != nil && q.RabbitMQ.CredentialsRef != nil || q.Redis != nil && q.Redis.CredentialsRef != nil
}

// kedaNATS asks a server's monitoring endpoint: KEDA does not speak NATS.
func kedaNATS(l Layers, c contract.Coordinates) (KEDATrigger, []Problem) {
	t := KEDATrigger{Type: "nats-jetstream", Metadata: map[string]string{"account": globalAccount, "stream": c.Name, "consumer": c.Group}}
	field, monitoring, next := "spec.capacity.autoscaling.engine", l.Operator.QueueMonitoring, "set queue.monitoringURL in the operator's chart"
	if q := WorkerOf(l.Environment).Queue.NATS; q != nil {
		field, monitoring, next = "spec.worker.queue.nats.monitoringURL", q.MonitoringURL, "set it to http://HOST:8222"
		t.Metadata["account"] = cmp.Or(q.Account, globalAccount)
	}
	u, err := url.Parse(monitoring)
	switch {
	case monitoring == "":
		return t, []Problem{{Field: field, Message: "KEDA sees how many messages wait only at the HTTP monitoring endpoint of the NATS server, which is not known; " +
			next + ", or let engine BuiltIn scale"}}
	case err != nil || CheckMonitoring(monitoring) != "":
		return t, []Problem{{Field: field, Message: CheckMonitoring(monitoring)}}
	}
	t.Metadata["natsServerMonitoringEndpoint"] = u.Host
	if u.Scheme == "https" {
		t.Metadata["useHttps"] = "true"
	}
	return t, nil
}

// CheckMonitoring says what is wrong with the URL of a NATS server's monitoring endpoint; empty: nothing.
func CheckMonitoring(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "the monitoring endpoint is a URL such as http://nats.queues:8222, without a path or a password; correct it"
	}
	return ""
}

// kedaRedis takes the length of the stream: the daemon deletes what is done, so that is what waits, what is in flight and what is delayed.
func kedaRedis(c contract.Coordinates, credentials bool) KEDATrigger {
	t := KEDATrigger{Type: "redis-streams", Metadata: map[string]string{"stream": c.Name}}
	if u, err := url.Parse(c.URL); err == nil {
		t.Metadata["address"] = u.Host
		if u.Port() == "" {
			t.Metadata["address"] += ":6379"
		}
		if database := strings.Trim(u.Path, "/"); database != "" {
			t.Metadata["databaseIndex"] = database
		}
		if u.Scheme == "rediss" {
			t.Metadata["enableTLS"] = "true"
		}
	}
	if credentials {
		t.Parameters = map[string]string{"username": "username", "password": "password", "ca": "ca.crt"}
	}
	return t
}

// amazonHost are Amazon's own queues, old and new, and privateHost their endpoints in private networks: the region is in them. The
// daemon reads URLs in the same way.
var (
	amazonHost  = regexp.MustCompile(`^(?:sqs(?:-fips)?\.([a-z0-9-]+)|([a-z0-9-]+)\.queue|queue)\.amazonaws\.com(?:\.cn)?$`)
	privateHost = regexp.MustCompile(`\.sqs\.([a-z0-9-]+)\.vpce\.amazonaws\.com(?:\.cn)?$`)
)

func kedaSQS(c contract.Coordinates, credentials bool) (KEDATrigger, []Problem) {
	t := KEDATrigger{Type: "aws-sqs-queue", Metadata: map[string]string{"queueURL": c.URL}, Identity: !credentials}
	if credentials {
		t.Parameters = map[string]string{"awsAccessKeyID": "accessKeyId", "awsSecretAccessKey": "secretAccessKey", "awsSessionToken": "sessionToken"}
	}
	region := c.Region
	if u, err := url.Parse(c.URL); err == nil && c.URL != "" {
		host := strings.ToLower(u.Hostname())
		if m := amazonHost.FindStringSubmatch(host); m != nil {
			region = cmp.Or(region, m[1], m[2], "us-east-1")
		} else {
			t.Metadata["awsEndpoint"] = fmt.Sprintf("%s://%s", u.Scheme, u.Host)
		}
		if m := privateHost.FindStringSubmatch(host); m != nil {
			region = cmp.Or(region, m[1])
		}
	}
	if region == "" && c.URL != "" {
		return t, []Problem{{Field: "spec.worker.queue.sqs.region", Message: "KEDA must know the queue's region, and its URL does not name one; set it"}}
	}
	t.Metadata["awsRegion"] = region
	return t, nil
}
