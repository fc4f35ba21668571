// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package unsupported

import (
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

// +kubebuilder:rbac:groups=beanpod.dev,resources=configurationtemplates;domainmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups=beanpod.dev,resources=configurationtemplates/status;domainmaps/status,verbs=patch

// SetupWithManager registers a controller for each kind.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, opts controller.Options) error {
	if r.frame.Client == nil || r.frame.Recorder == nil || r.frame.Now == nil {
		return errors.New("unsupported: a dependency is missing")
	}
	return errors.Join(
		register(r, mgr, opts, configurationTemplates),
		register(r, mgr, opts, domainMaps),
	)
}

func register[T client.Object](r *Reconciler, mgr ctrl.Manager, opts controller.Options, k kind[T]) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named(k.name).
		For(k.object, builder.WithPredicates(r.frame.Forgetting(), predicate.GenerationChangedPredicate{})).
		WithOptions(shell.Retrying(opts)).
		Complete(reconcile.AsReconciler[T](r.frame.Client, answerer[T]{frame: &r.frame, kind: k}))
}
