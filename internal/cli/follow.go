// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/cli/verdict"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

// ending is how waiting for a deployment ended.
type ending struct {
	env     *v1alpha1.Environment
	version string
	verdict verdict.Verdict
	took    time.Duration
	limit   time.Duration
	// causes that were seen while the deployment was under way: what comes back is healthy again.
	causes []v1alpha1.HealthCause
	// timedOut and detached say why nobody waits any longer.
	timedOut, detached bool
}

// watcher follows one environment.
type watcher struct {
	*env
	*cluster
	out   *output
	key   client.ObjectKey
	limit time.Duration
}

var errTimeout = errors.New("the time is over")

// look is called for each state of the environment that is seen, and again every now and then; it says whether that is the end.
type look func(context.Context, *v1alpha1.Environment) bool

// follow waits for a goal.
func (w *watcher) follow(ctx context.Context, goal verdict.Goal) (*ending, error) {
	end := &ending{version: goal.Version, limit: w.limit}
	var stuckSince time.Time
	err := w.until(ctx, func(ctx context.Context, env *v1alpha1.Environment) bool {
		v := verdict.Judge(env, goal)
		end.env, end.verdict = env, v
		if bad := badCauses(env); len(bad) > 0 && env.Status.ObservedGeneration >= goal.Generation {
			end.causes = bad
		}
		if w.final(v, &stuckSince) {
			return true
		}
		w.out.progress(event{Message: w.describe(ctx, env, goal, v), Reason: v.Reason})
		return false
	})
	end.timedOut, end.detached = errors.Is(err, errTimeout), errors.Is(err, context.Canceled)
	switch {
	case apierrors.IsNotFound(err) && end.env != nil:
		end.verdict = verdict.Verdict{State: verdict.Superseded, Reason: v1alpha1.ReasonTerminating, Message: "the environment was deleted"}
		return end, nil
	case err != nil && end.env != nil && (end.timedOut || end.detached):
		return end, nil
	}
	return end, err
}

// final says whether nothing more is to come. A complaint must last, so the time when it began is kept for the caller.
func (w *watcher) final(v verdict.Verdict, stuckSince *time.Time) bool {
	switch v.State {
	case verdict.Waiting:
		*stuckSince = time.Time{}
		return false
	case verdict.Stuck:
		if stuckSince.IsZero() {
			*stuckSince = w.Now()
		}
		return w.Now().Sub(*stuckSince) >= w.Settle
	}
	return true
}

// describe is what goes on. While the version is being made, the version itself knows best.
func (w *watcher) describe(ctx context.Context, env *v1alpha1.Environment, goal verdict.Goal, v verdict.Verdict) string {
	if v.Reason != v1alpha1.ReasonVersionNotReady {
		return v.Message
	}
	version := &v1alpha1.ApplicationVersion{}
	if err := w.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: goal.Version}, version); err != nil {
		return v.Message
	}
	if ready := condition.Find(version.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Message != "" {
		return fmt.Sprintf("%s: %s, %s", goal.Version, ready.Reason, ready.Message)
	}
	return v.Message
}

// until watches the environment until look says so, the limit is reached, or the context ends. A watch that breaks is begun again.
func (w *watcher) until(ctx context.Context, see look) error {
	if w.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, w.limit, errTimeout)
		defer cancel()
	}
	for {
		done, err := w.once(ctx, see)
		switch {
		case done:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case apierrors.IsNotFound(err), apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
			return err
		case err != nil:
			w.out.progress(event{Message: "the API server cannot be asked, trying again: " + err.Error()})
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.Look):
		}
	}
}

// once reads the environment and watches it until the watch breaks.
func (w *watcher) once(ctx context.Context, see look) (bool, error) {
	current := &v1alpha1.Environment{}
	if err := w.Get(ctx, w.key, current); err != nil {
		return false, err
	}
	if see(ctx, current) {
		return true, nil
	}
	changes, err := w.Watch(ctx, &v1alpha1.EnvironmentList{}, client.InNamespace(w.key.Namespace), client.MatchingFields{"metadata.name": w.key.Name},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: current.ResourceVersion}})
	if err != nil {
		return false, nil // who may not watch, or not now, reads it again and again
	}
	defer changes.Stop()
	again := time.NewTicker(w.Look)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case change, open := <-changes.ResultChan():
			if current = changed(change, open); current == nil {
				return false, nil // reading it again tells more
			}
		case <-again.C:
		}
		if see(ctx, current) {
			return true, nil
		}
	}
}

// changed is the environment as a watch has it; nil when the watch ended, or with it the environment.
func changed(change watch.Event, open bool) *v1alpha1.Environment {
	env, isEnvironment := change.Object.(*v1alpha1.Environment)
	if !open || !isEnvironment || change.Type == watch.Deleted {
		return nil
	}
	return env
}

func badCauses(env *v1alpha1.Environment) []v1alpha1.HealthCause {
	if env.Status.Health == nil {
		return nil
	}
	var out []v1alpha1.HealthCause
	for _, cause := range env.Status.Health.Causes {
		switch cause.Severity {
		case v1alpha1.HealthWarning, v1alpha1.HealthDegraded, v1alpha1.HealthSevere:
			out = append(out, cause)
		}
	}
	return out
}
