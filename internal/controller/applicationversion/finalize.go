// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// holdOrRelease makes the finalizer agree with the usage: an unused version has none and costs nothing, a used one has it
// before status says so. A deleted version cannot be given one any more.
func (r *Reconciler) holdOrRelease(ctx context.Context, ver *v1alpha1.ApplicationVersion, use usage) error {
	before := ver.DeepCopy()
	var changed bool
	switch {
	case !use.used():
		changed = controllerutil.RemoveFinalizer(ver, v1alpha1.FinalizerInUse)
	case ver.DeletionTimestamp.IsZero():
		changed = controllerutil.AddFinalizer(ver, v1alpha1.FinalizerInUse)
	}
	if !changed {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, ver, patch); client.IgnoreNotFound(err) != nil {
		before.DeepCopyInto(ver)
		return fmt.Errorf("changing finalizer %s: %w", v1alpha1.FinalizerInUse, err)
	}
	return nil
}

// released says whether a deleted version does not wait for us.
func released(ver *v1alpha1.ApplicationVersion) bool {
	return !ver.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(ver, v1alpha1.FinalizerInUse)
}
