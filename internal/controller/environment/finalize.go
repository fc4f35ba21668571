// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// guard keeps the finalizers in step with the spec. Only an Environment that is protected, or whose queue is deleted with it, has one:
// everything else is collected through owner references, which costs no write. It says whether the Environment is gone now.
//
// The chart's admission policy refuses the deletion of a protected Environment in the first place; the finalizer holds where
// that policy is not installed.
func (r *Reconciler) guard(ctx context.Context, env *v1alpha1.Environment) (bool, error) {
	before := env.DeepCopy()
	changed := false
	for _, f := range []struct {
		name   string
		wanted bool
	}{
		{v1alpha1.FinalizerProtection, env.Spec.TerminationProtection},
		{v1alpha1.FinalizerQueue, r.deleter != nil && settings.DeletesQueue(env)},
	} {
		switch {
		case !f.wanted:
			changed = controllerutil.RemoveFinalizer(env, f.name) || changed
		case env.DeletionTimestamp == nil: // later none can be added any more; one that is there stays
			changed = controllerutil.AddFinalizer(env, f.name) || changed
		}
	}
	if !changed {
		return false, nil
	}
	return r.writeFinalizers(ctx, before, env)
}

// writeFinalizers says whether the Environment is gone now.
func (r *Reconciler) writeFinalizers(ctx context.Context, before, env *v1alpha1.Environment) (bool, error) {
	err := r.client.Patch(ctx, env, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("writing the finalizers of %s: %w", env.Name, err)
	}
	return env.DeletionTimestamp != nil && len(env.Finalizers) == 0, nil
}
