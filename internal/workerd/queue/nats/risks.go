// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// risks are sentences on settings of a stream by which messages can get lost, or come twice.
func risks(s jetstream.StreamConfig, o queue.Options) []string {
	var out []string
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf("Stream "+s.Name+" "+format, args...)) }
	if s.Storage == jetstream.MemoryStorage {
		warn("is stored in memory: a restart of the server loses its messages. Create it with file storage.")
	}
	if s.Discard == jetstream.DiscardOld && (s.MaxMsgs > 0 || s.MaxBytes > 0 || s.MaxMsgsPerSubject > 0) {
		warn("drops its oldest messages when it is full, whether they were worked or not. Set its discard policy to new, so that senders are told.")
	}
	if budget := time.Duration(o.MaxAttempts) * o.Visibility; s.MaxAge > 0 && s.MaxAge < budget {
		warn("drops messages after %v, and %d attempts of %v may take %v. Raise its max age, or lower worker.maxRetries or worker.visibilityTimeout.", s.MaxAge, o.MaxAttempts, o.Visibility, budget)
	}
	if s.Replicas < 2 {
		warn("has one replica: its messages are lost with the disk of one server. Use 3 replicas on a cluster, and sync_interval: always where a power failure must lose nothing.")
	}
	if s.Duplicates < min(duplicates, orDefault(s.MaxAge, duplicates)) {
		warn("forgets message IDs after %v, so a periodic task may be enqueued twice when its leader is replaced. Set its duplicate window to %v.", s.Duplicates, duplicates)
	}
	if s.Retention == jetstream.InterestPolicy {
		warn("drops what is sent while it has no consumer: before this environment first started, and after its consumer was deleted. Use work queue or limits retention.")
	}
	if s.NoAck {
		warn("does not confirm what is sent to it, so senders cannot know whether a message was stored. Remove no_ack.")
	}
	return out
}
