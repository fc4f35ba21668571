// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// queueSilent is Beanstalk's rule: a queue that nobody polled for three minutes makes the environment red.
func queueSilent(all census) *v1alpha1.HealthCause {
	if all.in.Now.Queue.Unseen {
		return &v1alpha1.HealthCause{
			Code: CauseQueueNotPolled, Severity: v1alpha1.HealthSevere,
			Message: fmt.Sprintf("The operator, which scales by the depth of the queue, had no answer of its broker for %d minutes; the number of instances stays as it is. "+
				"See why in the operator's log, and check the broker, spec.worker.queue and its Secret.", int(snapshot.SilentAfter.Minutes())),
		}
	}
	if q := all.in.Now.Queue; !q.Known || !q.Silent || all.ready == 0 && all.in.grace() {
		return nil
	}
	return &v1alpha1.HealthCause{
		Code: CauseQueueNotPolled, Severity: v1alpha1.HealthSevere,
		Message: fmt.Sprintf("No instance had an answer of the queue's broker for %d minutes. See why in the log of the container beanpod-queue-daemon, "+
			"and check the broker, spec.worker.queue and its Secret.", int(snapshot.SilentAfter.Minutes())),
	}
}

// queueOld tells by the age of the oldest message, not by their number, that instances do not keep up.
func queueOld(all census) *v1alpha1.HealthCause {
	c := &v1alpha1.HealthCause{Code: CauseQueueBacklog}
	switch all.in.Now.Queue.Age {
	case snapshot.AgeOld:
		c.Severity, c.Message = v1alpha1.HealthWarning, "five minutes"
	case snapshot.AgeVeryOld:
		c.Severity, c.Message = v1alpha1.HealthDegraded, "an hour"
	default:
		return nil
	}
	c.Message = "The oldest message has waited for more than " + c.Message + ". Run more instances with spec.capacity, allow more at a time " +
		"with spec.worker.connections, or see what makes the application slow."
	return c
}

// deadLetters stay until somebody takes them.
func deadLetters(all census) *v1alpha1.HealthCause {
	dead := all.in.Now.Queue.Dead
	if dead <= 0 {
		return nil
	}
	what := "1 message was tried too often and lies"
	if dead > 1 {
		what = fmt.Sprintf("%d messages were tried too often and lie", dead)
	}
	return &v1alpha1.HealthCause{
		Code: CauseDeadLetters, Severity: v1alpha1.HealthWarning, Count: int32(min(dead, maxCount)),
		Message: what + " in the dead-letter queue, status.queue.deadLetterURL. See why in the log of the container beanpod-queue-daemon; " +
			"put them back into the queue when that is mended, or delete them.",
	}
}
