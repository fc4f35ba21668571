// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// named are the Environments of a namespace that refer to something by its name, to be read and never changed.
func (r *Reconciler) named(ctx context.Context, namespace, index, name string) []v1alpha1.Environment {
	var out v1alpha1.EnvironmentList
	if err := r.client.List(ctx, &out, client.InNamespace(namespace), client.MatchingFields{index: name},
		client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
		log.FromContext(ctx).Error(err, "Listing the environments to wake was cut short", "index", index)
	}
	return out.Items
}

// wakeLinking enqueues the Environments that link to one that refers to a changed Secret: they get its keys too.
func (r *Reconciler) wakeLinking() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []reconcile.Request {
		var out []reconcile.Request
		for _, target := range r.named(ctx, changed.GetNamespace(), indexSecret, changed.GetName()) {
			for _, env := range r.named(ctx, changed.GetNamespace(), indexLink, target.Name) {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&env)})
			}
		}
		return out
	})
}
