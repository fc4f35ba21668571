// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Worker is the contract of the queue daemon that runs beside the application in a Worker environment: it receives
// a message, POSTs it to the application, and deletes it only when the answer is 200. Names and defaults are Beanstalk's.
type Worker struct {
	// queue to consume: exactly one kind.
	// +required
	Queue Queue `json:"queue"`

	// path that messages are POSTed to. Defaults to /.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/[^\s]*$`
	Path string `json:"path,omitempty"`

	// mimeType of the POSTs. Defaults to application/json.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9!#$&^_.+-]+/[ -~]+$`
	MimeType string `json:"mimeType,omitempty"`

	// connections is how many POSTs run at a time in each instance. Defaults to 50.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Connections *int32 `json:"connections,omitempty"`

	// connectTimeoutSeconds for a connection to the application. Defaults to 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	ConnectTimeoutSeconds *int32 `json:"connectTimeoutSeconds,omitempty"`

	// inactivityTimeoutSeconds is how long the application may take to answer. Defaults to 299.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=36000
	InactivityTimeoutSeconds *int32 `json:"inactivityTimeoutSeconds,omitempty"`

	// visibilityTimeoutSeconds is how long a message is locked for one attempt; longer than inactivityTimeoutSeconds. Defaults to 300.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=43200
	VisibilityTimeoutSeconds *int32 `json:"visibilityTimeoutSeconds,omitempty"`

	// errorVisibilityTimeoutSeconds is how long a message waits after a failed attempt. Defaults to 2.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=43200
	ErrorVisibilityTimeoutSeconds *int32 `json:"errorVisibilityTimeoutSeconds,omitempty"`

	// retentionSeconds is how long a message is kept at most. Defaults to 345600, four days.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=1209600
	RetentionSeconds *int32 `json:"retentionSeconds,omitempty"`

	// maxRetries is how many times a message is received before it goes to the dead-letter queue. Defaults to 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxRetries *int32 `json:"maxRetries,omitempty"`

	// periodicTasks put a message into the queue at certain times; a bundle's cron.yaml adds to them. Unset: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	PeriodicTasks []PeriodicTask `json:"periodicTasks,omitempty"`
}

// Queue is where messages come from.
//
// +kubebuilder:validation:XValidation:rule="[has(self.generated), has(self.sqs), has(self.nats), has(self.rabbitmq), has(self.redis)].filter(x, x).size() == 1",message="set exactly one of queue.generated, sqs, nats, rabbitmq and redis"
type Queue struct {
	// generated makes a queue and a dead-letter queue on the operator's own provider.
	// +optional
	Generated *GeneratedQueue `json:"generated,omitempty"`

	// sqs is an existing queue of Amazon SQS.
	// +optional
	SQS *SQSQueue `json:"sqs,omitempty"`

	// nats is an existing stream of NATS JetStream.
	// +optional
	NATS *NATSQueue `json:"nats,omitempty"`

	// rabbitmq is an existing quorum queue of RabbitMQ.
	// +optional
	RabbitMQ *RabbitMQQueue `json:"rabbitmq,omitempty"`

	// redis is an existing stream of Redis.
	// +optional
	Redis *RedisQueue `json:"redis,omitempty"`
}

// GeneratedQueue is made for the environment.
type GeneratedQueue struct {
	// deletionPolicy is Retain (the default) or Delete, when the environment goes.
	// +optional
	// +kubebuilder:validation:Enum=Retain;Delete
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
}

// SQSQueue is a queue of Amazon SQS.
type SQSQueue struct {
	// url of the queue.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	URL string `json:"url"`

	// region of the queue. Unset: taken from the url.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Region string `json:"region,omitempty"`

	// credentialsRef names a Secret with accessKeyId and secretAccessKey. Unset: the pod's own identity.
	// +optional
	CredentialsRef *LocalReference `json:"credentialsRef,omitempty"`
}

// NATSQueue is a stream of NATS JetStream.
type NATSQueue struct {
	// url of the server: nats://nats.queues:4222.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	URL string `json:"url"`

	// stream name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Stream string `json:"stream"`

	// subject of the stream to consume. Unset: all of it.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Subject string `json:"subject,omitempty"`

	// monitoringURL is the HTTP monitoring endpoint of the server: http://nats.queues:8222. Only autoscaling.engine KEDA needs it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	MonitoringURL string `json:"monitoringURL,omitempty"`

	// account of the stream, by its name or ID, where KEDA asks the monitoring endpoint. Defaults to $G, the account of servers
	// that have no others.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Account string `json:"account,omitempty"`

	// credentialsRef names a Secret with user and password, or creds. Unset: none.
	// +optional
	CredentialsRef *LocalReference `json:"credentialsRef,omitempty"`
}

// RabbitMQQueue is a quorum queue of RabbitMQ.
type RabbitMQQueue struct {
	// url of the server: amqps://rabbit.queues:5671/vhost.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	URL string `json:"url"`

	// queue name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Queue string `json:"queue"`

	// credentialsRef names a Secret with username and password. Unset: none.
	// +optional
	CredentialsRef *LocalReference `json:"credentialsRef,omitempty"`
}

// RedisQueue is a stream of Redis.
type RedisQueue struct {
	// url of the server: rediss://redis.queues:6379/0.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	URL string `json:"url"`

	// stream key.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Stream string `json:"stream"`

	// credentialsRef names a Secret with username and password. Unset: none.
	// +optional
	CredentialsRef *LocalReference `json:"credentialsRef,omitempty"`
}

// PeriodicTask puts a message into the queue at certain times.
type PeriodicTask struct {
	// name of the task; the application gets it in a header.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:Pattern=`^[!-~]([ -~]*[!-~])?$`
	Name string `json:"name"`

	// path that the message is POSTed to.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/[^\s]*$`
	Path string `json:"path"`

	// schedule in five fields: "0 23 * * *".
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=100
	Schedule string `json:"schedule"`

	// timeZone by its IANA name: Asia/Seoul. Defaults to UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// QueueStatus says which queue is consumed.
type QueueStatus struct {
	// url of the queue.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	URL string `json:"url,omitempty"`

	// deadLetterURL is the url of the dead-letter queue.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	DeadLetterURL string `json:"deadLetterURL,omitempty"`
}

// WorkerStatus says what only a worker environment has.
type WorkerStatus struct {
	// leader is the instance that enqueues periodic tasks.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Leader string `json:"leader,omitempty"`
}
