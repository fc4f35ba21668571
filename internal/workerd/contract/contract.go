// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package contract is what the operator and the worker daemon agree on: the daemon's configuration, its ports and paths, and
// the names of headers and attributes. It is pure, a leaf, and imports nothing from Kubernetes.
package contract

import "encoding/json"

// EnvConfig is the environment variable of the daemon that holds its Config as JSON. EnvInstance holds the pod's name.
const (
	EnvConfig   = "BEANPOD_WORKER"
	EnvInstance = "BEANPOD_INSTANCE"
)

// Port is where the daemon serves /healthz, /readyz, /metrics and /status (a Status as JSON).
const Port = 9324

// CredentialsDir is where the Secret of the queue's credentialsRef is mounted in the daemon: one file for each key.
const CredentialsDir = "/var/run/beanpod/queue"

// TokenDir is where the daemon finds token and ca.crt, with which it reads and writes the Lease that Config names.
const TokenDir = "/var/run/beanpod/api"

// Provider is a kind of broker.
type Provider string

// Elects says whether the broker offers a compare-and-set, by which daemons elect who enqueues periodic tasks.
func (p Provider) Elects() bool { return p == NATS || p == Redis }

// The brokers.
const (
	SQS      Provider = "sqs"
	NATS     Provider = "nats"
	RabbitMQ Provider = "rabbitmq"
	Redis    Provider = "redis"
)

// Coordinates say which queue is meant; they hold no credentials.
type Coordinates struct {
	Provider Provider `json:"provider"`
	// URL of the broker; of the queue itself with SQS.
	URL string `json:"url"`
	// Name of the stream (NATS, Redis) or of the queue (RabbitMQ).
	Name string `json:"name,omitempty"`
	// Subject to consume (NATS). Empty: all of the stream.
	Subject string `json:"subject,omitempty"`
	// Region (SQS). Empty: taken from the URL.
	Region string `json:"region,omitempty"`
	// Group is the name of the consumer (NATS) or consumer group (Redis): "beanpod" for queues that others made, the
	// environment's name for generated ones.
	Group string `json:"group,omitempty"`
	// Generated queues are made by who opens them first; others must be there.
	Generated bool `json:"generated,omitempty"`
}

// Config is what the daemon does. All durations are whole seconds, as in Beanstalk's options; defaults are already filled in.
type Config struct {
	Queue Coordinates `json:"queue"`
	// Application is where messages are POSTed: http://127.0.0.1:8080.
	Application string `json:"application"`
	// HealthPath of the application, which must answer with 2xx or 3xx before anything is pulled. Empty: a TCP connection is enough.
	HealthPath             string `json:"healthPath,omitempty"`
	Path                   string `json:"path"`
	MimeType               string `json:"mimeType"`
	Connections            int    `json:"connections"`
	ConnectTimeout         int    `json:"connectTimeout"`
	InactivityTimeout      int    `json:"inactivityTimeout"`
	VisibilityTimeout      int    `json:"visibilityTimeout"`
	ErrorVisibilityTimeout int    `json:"errorVisibilityTimeout"`
	Retention              int    `json:"retention"`
	MaxRetries             int    `json:"maxRetries"`
	// Drain is how long POSTs may go on after SIGTERM.
	Drain int `json:"drain"`
	// CronFile of the bundle; need not exist. Empty: none.
	CronFile string `json:"cronFile,omitempty"`
	// Tasks of the environment; they win over those of CronFile with the same name.
	Tasks []Task `json:"tasks,omitempty"`
	// Lease of Kubernetes elects who enqueues periodic tasks, where the broker cannot: NAMESPACE/NAME.
	Lease string `json:"lease,omitempty"`
}

// Task is a periodic task.
type Task struct {
	Name     string `json:"name"`
	Path     string `json:"path"`
	Schedule string `json:"schedule"`
	TimeZone string `json:"timeZone,omitempty"`
}

// Status is what the daemon says about itself at /status.
type Status struct {
	// InFlight is how many messages it holds now.
	InFlight int `json:"inFlight"`
	// Polled is how many seconds ago the broker last answered.
	Polled int `json:"polledSecondsAgo"`
	// Waiting messages in the queue, as the broker last said; -1: not known.
	Waiting int64 `json:"waiting"`
	// Dead messages in the dead-letter queue; -1: not known.
	Dead int64 `json:"dead"`
	// Oldest waiting message's age in seconds; -1: not known.
	Oldest int64 `json:"oldestSeconds"`
	// Leader says that this daemon enqueues the periodic tasks.
	Leader   bool `json:"leader,omitempty"`
	Draining bool `json:"draining,omitempty"`
}

// Marshal writes the configuration for EnvConfig: the same value gives the same text.
func (c Config) Marshal() (string, error) {
	b, err := json.Marshal(c)
	return string(b), err
}

// Attributes that mark a message as a periodic task, and the prefix that is never forwarded (Amazon's daemon 2.0).
const (
	AttributePrefix    = "beanstalk.sqsd."
	AttributePath      = AttributePrefix + "path"
	AttributeTask      = AttributePrefix + "task_name"
	AttributeScheduled = AttributePrefix + "scheduled_time"
	// TaskBody is the body of a periodic task in the queue; the application gets an empty one.
	TaskBody = "elasticbeanstalk scheduled job"
)
