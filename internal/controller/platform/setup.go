// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

// indexEnvironments finds the Environments that name a Platform.
const indexEnvironments = "platform.environments"

// +kubebuilder:rbac:groups=beanpod.dev,resources=platforms,verbs=get;list;watch
// +kubebuilder:rbac:groups=beanpod.dev,resources=platforms/status,verbs=patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=environments,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the controller, its watches and its index.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, opts controller.Options) error {
	if r.client == nil || r.frame.Recorder == nil || r.now == nil {
		return errors.New("platform: a dependency is missing")
	}
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.Environment{}, indexEnvironments, named); err != nil {
		return fmt.Errorf("adding index %s: %w", indexEnvironments, err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("platform").
		For(&v1alpha1.Platform{}, builder.WithPredicates(r.frame.Forgetting(), predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(used), builder.WithPredicates(otherPlatform())).
		WithOptions(shell.Retrying(opts)).
		Complete(reconcile.AsReconciler(r.client, r))
}

func named(o client.Object) []string {
	if ref := o.(*v1alpha1.Environment).Spec.PlatformRef; ref != nil {
		return []string{ref.Name}
	}
	return nil
}

func used(_ context.Context, o client.Object) []reconcile.Request {
	var out []reconcile.Request
	for _, name := range named(o) {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKey{Name: name}})
	}
	return out
}

// otherPlatform stops updates of Environments that change no count.
func otherPlatform() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !equality.Semantic.DeepEqual(e.ObjectOld.(*v1alpha1.Environment).Spec.PlatformRef, e.ObjectNew.(*v1alpha1.Environment).Spec.PlatformRef)
	}}
}
