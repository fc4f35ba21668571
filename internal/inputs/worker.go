// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// worker finds what the installation lacks that tier Worker needs.
func (l *Loader) worker(env *v1alpha1.Environment) error {
	switch {
	case env.Spec.Tier != v1alpha1.TierWorker:
		return nil
	case l.Operator.BundleImage == "":
		return stall(v1alpha1.ReasonTierNotSupported, "spec.tier Worker needs the queue daemon, and the operator does not know its own image, which holds it; start it with --bundle-image")
	case settings.WorkerOf(env).Queue.Generated != nil && l.Operator.Queue == "":
		return stall(v1alpha1.ReasonQueueNotConfigured, "the environment asks for a generated queue, and the operator has no broker to make it on; "+
			"set queue.url in its chart, or name an existing queue in spec.worker.queue (sqs, nats, rabbitmq or redis)")
	default:
		return nil
	}
}

// queueReferences are the Secrets with a queue's credentials. Which keys NATS and Redis need depends on how they know their callers, so
// only the daemon can tell.
func queueReferences(env *v1alpha1.Environment, add adder) {
	if env.Spec.Tier != v1alpha1.TierWorker {
		return
	}
	secret := func(broker string, ref *v1alpha1.LocalReference, keys ...string) {
		if ref == nil {
			return
		}
		for _, key := range append(keys, everyKey) {
			add(kindSecret, ref.Name, key, "spec.worker.queue."+broker+".credentialsRef")
		}
	}
	switch q := settings.WorkerOf(env).Queue; {
	case q.SQS != nil:
		secret("sqs", q.SQS.CredentialsRef, "accessKeyId", "secretAccessKey")
	case q.NATS != nil:
		secret("nats", q.NATS.CredentialsRef)
	case q.RabbitMQ != nil:
		secret("rabbitmq", q.RabbitMQ.CredentialsRef, "username", "password")
	case q.Redis != nil:
		secret("redis", q.Redis.CredentialsRef)
	}
}
