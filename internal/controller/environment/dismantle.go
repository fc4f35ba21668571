// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/queues"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// Deleter deletes generated queues: see queues.Deleter.
type Deleter interface {
	Delete(ctx context.Context, s queues.Source, consent queues.Consent) (queues.Depth, error)
}

const (
	// queueRetry is how long after a queue could not be deleted the same is tried again.
	queueRetry = 30 * time.Second
	// soon is when to look again at what passes by itself in a moment.
	soon = 2 * time.Second
)

// errRecalled says that an Environment does not ask any more that its queue goes, or is another one than was looked at.
var errRecalled = errors.New("the deletion of the queue was recalled")

// dismantle goes on with the deletion of an Environment whose generated queue is deleted with it: first what makes instances goes, then
// the queue, then the finalizer. It says whether the pass is over: there is nothing left, or the write of the finalizers wakes the next one.
func (r *Reconciler) dismantle(ctx context.Context, env *v1alpha1.Environment, p *pass, have snapshot.Children) (bool, error) {
	if r.deleter == nil || !leaving(env) || !p.observed || !controllerutil.ContainsFinalizer(env, v1alpha1.FinalizerQueue) {
		return false, nil
	}
	r.scaler.forget(client.ObjectKeyFromObject(env)) // who looks at a queue that is gone makes it again
	left, err := r.applier.Withdraw(ctx, env, have)
	if err != nil {
		return false, err
	}
	if len(left) > 0 || len(p.now.Instances) > 0 {
		p.ending = ending{v1alpha1.ReasonWaitingForChildren, remaining(*p) + "; the queue is deleted after them"}
		return false, nil
	}
	switch p.ending, err = r.deleteQueue(ctx, env); {
	case errors.Is(err, errRecalled):
		return true, nil // the cache is about to show another Environment, which wakes the next pass
	case err != nil:
		return false, err
	case p.ending.reason != "":
		p.lookAgain(p.at.Add(p.ending.again()))
		return false, nil
	}
	before := env.DeepCopy()
	controllerutil.RemoveFinalizer(env, v1alpha1.FinalizerQueue)
	_, err = r.writeFinalizers(ctx, before, env)
	return true, err
}

// ending is what the deletion of an Environment waits for; the zero value: for nothing that only this package knows of.
type ending struct{ reason, message string }

func (e ending) again() time.Duration {
	if e.reason == v1alpha1.ReasonWaitingForChildren {
		return soon
	}
	return queueRetry
}

// deleteQueue deletes the generated queue, or says what it waits for. Its only error is errRecalled.
func (r *Reconciler) deleteQueue(ctx context.Context, env *v1alpha1.Environment) (ending, error) {
	op := r.loader.Operator
	if op.Queue == "" {
		return ending{v1alpha1.ReasonQueueNotConfigured, "the queue of the environment is to be deleted with it, and the operator has no broker any more where it could be; " +
			"set queue.url in its chart again, or " + retain}, nil
	}
	where := queues.SourceOf(contract.Config{Queue: settings.Generated(env, op)}, env.Namespace, "", "")
	depth, err := r.deleter.Delete(ctx, where, func(ctx context.Context) (bool, error) { return r.consent(ctx, env) })
	var full *queues.NotEmptyError
	switch {
	case err == nil:
		r.frame.Recorder.Eventf(env, nil, eventType(false), "QueueDeleted", "Terminate", "The queue %s and its dead-letter queue are deleted: %s",
			where.Coordinates.Name, queues.Count(depth))
		return ending{}, nil
	case errors.Is(err, errRecalled):
		return ending{}, err
	case errors.Is(err, queues.ErrBusy):
		return ending{v1alpha1.ReasonWaitingForChildren, "the queue is deleted next"}, nil
	case errors.As(err, &full):
		return ending{v1alpha1.ReasonQueueNotEmpty, fmt.Sprintf("%s; empty it, or let them be deleted: kubectl -n %s annotate environments.beanpod.dev %s %s=%s, or %s",
			full.Error(), env.Namespace, env.Name, v1alpha1.AnnotationDeleteQueueMessages, env.UID, retain)}, nil
	default:
		return ending{v1alpha1.ReasonQueueDeletionFailed, fmt.Sprintf("the queue is not deleted yet: %s; it is tried again every %s: see to the broker, or %s",
			strings.TrimSuffix(err.Error(), "."), queueRetry, retain)}, nil
	}
}

// retain is the way out of every wait for a queue.
const retain = "keep the queue: set spec.worker.queue.generated.deletionPolicy to Retain"

// consent asks the API server once more, right before a queue goes: the name of the queue is also that of an Environment that somebody
// made again meanwhile. It says whether messages may go with the queue.
func (r *Reconciler) consent(ctx context.Context, env *v1alpha1.Environment) (force bool, err error) {
	var now v1alpha1.Environment
	err = r.live.Get(ctx, client.ObjectKeyFromObject(env), &now)
	switch {
	case apierrors.IsNotFound(err):
		return false, errRecalled
	case err != nil:
		return false, fmt.Errorf("reading the Environment once more: %w", err)
	case now.UID != env.UID, !leaving(&now), !settings.DeletesQueue(&now), !controllerutil.ContainsFinalizer(&now, v1alpha1.FinalizerQueue):
		return false, errRecalled
	}
	return now.Annotations[v1alpha1.AnnotationDeleteQueueMessages] == string(now.UID), nil
}

// terminating is why an Environment that is being deleted for good is still there.
func terminating(p pass) condition.Verdict {
	reason, message := v1alpha1.ReasonWaitingForChildren, remaining(p)
	if p.ending.reason != "" {
		reason, message = p.ending.reason, p.ending.message
	}
	return condition.True(v1alpha1.ConditionTerminating, reason, message)
}

// withdrawn says whether the instances of an Environment that goes away are gone: nothing is deployed any more.
func withdrawn(env *v1alpha1.Environment, now snapshot.Snapshot) bool {
	return leaving(env) && len(now.Slots) == 0
}
