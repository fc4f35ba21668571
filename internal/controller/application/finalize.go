// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

// maxNamed is how many names a message repeats.
const maxNamed = 10

// hold adds the finalizer as soon as there is something to wait for; an empty Application costs no write.
func (r *Reconciler) hold(ctx context.Context, app *v1alpha1.Application, have family) error {
	if !app.DeletionTimestamp.IsZero() || have.empty() {
		return nil
	}
	before := app.DeepCopy()
	if !controllerutil.AddFinalizer(app, v1alpha1.FinalizerApplication) {
		return nil
	}
	return r.patchFinalizers(ctx, before, app)
}

func (r *Reconciler) patchFinalizers(ctx context.Context, before, app *v1alpha1.Application) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, app, patch); client.IgnoreNotFound(err) != nil {
		before.DeepCopyInto(app)
		return fmt.Errorf("changing finalizer %s: %w", v1alpha1.FinalizerApplication, err)
	}
	return nil
}

// finalize lets a deleted Application go: its Environments first, which only their owner or the force annotation deletes,
// then its versions, then itself. In a terminating namespace everything is deleted already and it only waits.
func (r *Reconciler) finalize(ctx context.Context, app *v1alpha1.Application, have family) findings {
	switch {
	case !controllerutil.ContainsFinalizer(app, v1alpha1.FinalizerApplication):
		return findings{released: true}
	case len(have.environments) > 0:
		return r.waitForEnvironments(ctx, app, have.environments)
	}
	if left, err := r.deleteVersions(ctx, app, have.versions); err != nil || left > 0 {
		out := waiting(v1alpha1.ReasonWaitingForChildren, "Deletion waits until its ApplicationVersions are deleted.", err)
		out.next = time.Second
		return out
	}
	before := app.DeepCopy()
	controllerutil.RemoveFinalizer(app, v1alpha1.FinalizerApplication)
	if err := r.patchFinalizers(ctx, before, app); err != nil {
		return waiting(v1alpha1.ReasonWaitingForChildren, "Deletion is almost done.", err)
	}
	return findings{released: true}
}

// waitForEnvironments deletes the Environments if it is told to, and names those that are left.
func (r *Reconciler) waitForEnvironments(ctx context.Context, app *v1alpha1.Application, envs []v1alpha1.Environment) findings {
	force := app.Annotations[v1alpha1.AnnotationForceDelete] == "true"
	var names, protected []string
	var err error
	for i := range envs {
		env := &envs[i]
		names = append(names, env.Name)
		switch {
		case env.Spec.TerminationProtection:
			protected = append(protected, env.Name)
		case force && env.DeletionTimestamp.IsZero() && err == nil:
			if err = r.deleteEnvironment(ctx, env); err != nil {
				err = fmt.Errorf("deleting Environment %s: %w", env.Name, err)
			}
		}
	}
	parts := []string{fmt.Sprintf("Deletion waits for its Environments: %s.", shell.Names(names, maxNamed))}
	if !force {
		parts = append(parts, fmt.Sprintf("Delete them, or set the annotation %s: \"true\" to have them deleted.", v1alpha1.AnnotationForceDelete))
	}
	if len(protected) > 0 {
		parts = append(parts, fmt.Sprintf("Set spec.terminationProtection to false first in %s.", shell.Names(protected, maxNamed)))
	}
	return waiting(v1alpha1.ReasonEnvironmentsExist, strings.Join(parts, " "), err)
}

// waiting is what a pass over a deleted Application found that has to wait.
func waiting(reason, message string, err error) findings {
	out := findings{Summary: condition.Summary{
		Verdicts: []condition.Verdict{condition.True(v1alpha1.ConditionTerminating, reason, message)}, Err: err,
	}}
	if err == nil {
		out.Hold, out.HoldMessage = v1alpha1.ReasonTerminating, message
	}
	return out
}

func (r *Reconciler) deleteEnvironment(ctx context.Context, env *v1alpha1.Environment) error {
	uid := env.UID
	target := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: env.Name}}
	return ignoreOther(r.client.Delete(ctx, target, client.Preconditions{UID: &uid}))
}

// deleteVersions asks for the deletion of at most maxDeletions versions and returns how many are still to be asked for. It does
// not wait for them: one that another Application's Environment uses stays until it is free.
func (r *Reconciler) deleteVersions(ctx context.Context, app *v1alpha1.Application, versions []v1alpha1.ApplicationVersion) (left int, err error) {
	asked := 0
	for i := range versions {
		v := &versions[i]
		if !v.DeletionTimestamp.IsZero() {
			continue
		}
		if asked == maxDeletions {
			left++
			continue
		}
		asked++
		uid := v.UID
		target := &v1alpha1.ApplicationVersion{ObjectMeta: metav1.ObjectMeta{Namespace: v.Namespace, Name: v.Name}}
		if err := ignoreOther(r.client.Delete(ctx, target, client.Preconditions{UID: &uid})); err != nil {
			return left, fmt.Errorf("deleting ApplicationVersion %s: %w", v.Name, err)
		}
		if err := r.discard(ctx, app, v); err != nil {
			return left, err
		}
	}
	return left, nil
}

// ignoreOther forgives that the object is gone, or that another one has its name by now: neither is ours to delete.
func ignoreOther(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
