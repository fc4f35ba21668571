// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

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
	"github.com/beanpod-dev/beanpod/internal/lifecycle"
)

// Indexes of the cache. They carry the package's name, because an index belongs to a kind and other controllers have theirs.
const (
	indexVersions     = "application.versions"
	indexEnvironments = "application.environments"
)

// +kubebuilder:rbac:groups=beanpod.dev,resources=applications,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=applications/status,verbs=patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=applicationversions,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=beanpod.dev,resources=environments,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the controller, its watches and its indexes.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, opts controller.Options) error {
	if r.client == nil || r.frame.Recorder == nil || r.now == nil {
		return errors.New("application: a dependency is missing")
	}
	if err := addIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("application").
		For(&v1alpha1.Application{}, builder.WithPredicates(r.frame.Forgetting(), shell.ByUsers())).
		Watches(&v1alpha1.ApplicationVersion{}, handler.EnqueueRequestsFromMapFunc(owner), builder.WithPredicates(factsChanged(versionFacts))).
		Watches(&v1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(owner), builder.WithPredicates(factsChanged(environmentFacts))).
		WithOptions(shell.Retrying(opts)).
		Complete(reconcile.AsReconciler(r.client, r))
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	byApplication := func(o client.Object) []string { return []string{applicationOf(o)} }
	if err := indexer.IndexField(ctx, &v1alpha1.ApplicationVersion{}, indexVersions, byApplication); err != nil {
		return fmt.Errorf("adding index %s: %w", indexVersions, err)
	}
	if err := indexer.IndexField(ctx, &v1alpha1.Environment{}, indexEnvironments, byApplication); err != nil {
		return fmt.Errorf("adding index %s: %w", indexEnvironments, err)
	}
	return nil
}

// applicationOf names the Application of a version or an Environment.
func applicationOf(o client.Object) string {
	switch o := o.(type) {
	case *v1alpha1.ApplicationVersion:
		return o.Spec.ApplicationRef.Name
	case *v1alpha1.Environment:
		return o.Spec.ApplicationRef.Name
	default:
		return ""
	}
}

func owner(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: applicationOf(o)}}}
}

// factsChanged stops updates that change nothing of what a pass reads.
func factsChanged[T client.Object, F any](facts func(T) F) predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !equality.Semantic.DeepEqual(facts(e.ObjectOld.(T)), facts(e.ObjectNew.(T)))
	}}
}

// The fields of facts are exported only because the comparison demands it.
type factsOfVersion struct{ Failed, Used, Deleting bool }

func versionFacts(v *v1alpha1.ApplicationVersion) factsOfVersion {
	return factsOfVersion{Failed: failed(v), Used: len(v.Status.UsedBy) > 0, Deleting: !v.DeletionTimestamp.IsZero()}
}

type factsOfEnvironment struct {
	Summary             v1alpha1.EnvironmentSummary
	Used                []string
	History             []v1alpha1.DeploymentRecord
	Protected, Deleting bool
}

func environmentFacts(env *v1alpha1.Environment) factsOfEnvironment {
	return factsOfEnvironment{
		Summary: summarize(env), Used: lifecycle.Used(env), History: env.Status.History,
		Protected: env.Spec.TerminationProtection, Deleting: !env.DeletionTimestamp.IsZero(),
	}
}
