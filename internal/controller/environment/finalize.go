// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// guard keeps the finalizer in step with spec.terminationProtection. Only a protected Environment has one: everything else
// is collected through owner references, which costs no write. It says whether the Environment is gone now.
//
// The chart's admission policy refuses the deletion of a protected Environment in the first place; the finalizer holds where
// that policy is not installed.
func (r *Reconciler) guard(ctx context.Context, env *v1alpha1.Environment) (bool, error) {
	has, wants := controllerutil.ContainsFinalizer(env, v1alpha1.FinalizerProtection), env.Spec.TerminationProtection
	if env.DeletionTimestamp != nil && wants {
		// A finalizer cannot be added any more; one that is there stays.
		return false, nil
	}
	if has == wants {
		return false, nil
	}
	before := env.DeepCopy()
	if wants {
		controllerutil.AddFinalizer(env, v1alpha1.FinalizerProtection)
	} else {
		controllerutil.RemoveFinalizer(env, v1alpha1.FinalizerProtection)
	}
	err := r.client.Patch(ctx, env, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return false, fmt.Errorf("writing the finalizer of %s: %w", env.Name, client.IgnoreNotFound(err))
	}
	return env.DeletionTimestamp != nil && len(env.Finalizers) == 0, nil
}
