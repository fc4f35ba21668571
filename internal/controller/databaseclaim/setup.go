// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

// Indexes of the cache: Environments by the claims that they bind, claims by what they refer to, and pods by the claim that they probe.
const (
	indexClaim   = "databaseclaim.environment"
	indexClass   = "databaseclaim.class"
	indexSecret  = "databaseclaim.secret"
	indexCoupled = "databaseclaim.coupled"
	indexProbe   = "databaseclaim.probe"
)

// +kubebuilder:rbac:groups=beanpod.dev,resources=databaseclaims,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=beanpod.dev,resources=databaseclaims/status,verbs=patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=databaseclaims/finalizers,verbs=update
// +kubebuilder:rbac:groups=beanpod.dev,resources=databaseclasses;environments,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=batch,resources=cronjobs,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups="",resources=services,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups=postgresql.cnpg.io,resources=clusters,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups=postgresql.cnpg.io,resources=backups,verbs=get;create
// +kubebuilder:rbac:groups=snapshot.storage.k8s.io,resources=volumesnapshots,verbs=get;create
// +kubebuilder:rbac:groups=rds.services.k8s.aws,resources=dbinstances,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups=rds.services.k8s.aws,resources=dbsnapshots,verbs=get;create
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the controller, its watches and its indexes.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, opts controller.Options) error {
	if r.Client == nil || r.Live == nil || r.Recorder == nil || r.Now == nil || r.Providers == nil {
		return errors.New("databaseclaim: a dependency is missing")
	}
	if err := addIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	b := ctrl.NewControllerManagedBy(mgr).
		Named("databaseclaim").
		For(&v1alpha1.DatabaseClaim{}, builder.WithPredicates(r.frame.Forgetting(), shell.ByUsers())).
		Watches(&v1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(r.environments), builder.WithPredicates(bindingChanged())).
		Watches(&corev1.Secret{}, r.enqueue(indexSecret), builder.OnlyMetadata, builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		Watches(&appsv1.StatefulSet{}, handler.EnqueueRequestsFromMapFunc(labelled), builder.OnlyMetadata).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(labelled), builder.WithPredicates(probeEnded())).
		Watches(&batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(labelled), builder.WithPredicates(probeEnded())).
		WithOptions(shell.Retrying(opts))
	if r.ClusterScoped {
		b.Watches(&v1alpha1.DatabaseClass{}, r.enqueue(indexClass), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	return b.Complete(reconcile.AsReconciler(r.Client, r))
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	claim := func(extract func(v1alpha1.DatabaseClaimSpec) string) client.IndexerFunc {
		return func(o client.Object) []string {
			if text := extract(o.(*v1alpha1.DatabaseClaim).Spec); text != "" {
				return []string{text}
			}
			return nil
		}
	}
	for _, index := range []struct {
		kind    client.Object
		name    string
		extract client.IndexerFunc
	}{
		{&v1alpha1.Environment{}, indexClaim, func(o client.Object) []string { return claimsOf(o.(*v1alpha1.Environment)) }},
		{&v1alpha1.DatabaseClaim{}, indexClass, claim(func(s v1alpha1.DatabaseClaimSpec) string {
			if s.ClassRef == nil {
				return ""
			}
			return s.ClassRef.Name
		})},
		{&v1alpha1.DatabaseClaim{}, indexSecret, claim(func(s v1alpha1.DatabaseClaimSpec) string {
			if s.External == nil {
				return ""
			}
			return s.External.CredentialsRef.Name
		})},
		{&v1alpha1.DatabaseClaim{}, indexCoupled, claim(func(s v1alpha1.DatabaseClaimSpec) string {
			if s.CoupledTo == nil {
				return ""
			}
			return s.CoupledTo.EnvironmentRef.Name
		})},
		{&corev1.Pod{}, indexProbe, probed},
	} {
		if err := indexer.IndexField(ctx, index.kind, index.name, index.extract); err != nil {
			return fmt.Errorf("adding index %s: %w", index.name, err)
		}
	}
	return nil
}

// enqueue wakes the claims that refer to an object by its name.
func (r *Reconciler) enqueue(index string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []reconcile.Request {
		return r.claims(ctx, index, changed)
	})
}

func (r *Reconciler) claims(ctx context.Context, index string, changed client.Object) []reconcile.Request {
	var list v1alpha1.DatabaseClaimList
	if err := r.Client.List(ctx, &list, client.InNamespace(changed.GetNamespace()), client.MatchingFields{index: changed.GetName()}, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing the claims to wake was cut short", "index", index)
	}
	var out []reconcile.Request
	for i := range list.Items {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return append(out, labelled(ctx, changed)...)
}

// environments wakes the claims that an Environment binds, and those that are coupled to it.
func (r *Reconciler) environments(ctx context.Context, changed client.Object) []reconcile.Request {
	out := r.claims(ctx, indexCoupled, changed)
	for _, name := range claimsOf(changed.(*v1alpha1.Environment)) {
		out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: changed.GetNamespace(), Name: name}})
	}
	return out
}

// bindingChanged stops updates of Environments that say nothing new about databases, which are nearly all.
func bindingChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, is := e.ObjectOld.(*v1alpha1.Environment), e.ObjectNew.(*v1alpha1.Environment)
		return !slices.Equal(claimsOf(was), claimsOf(is)) || !equality.Semantic.DeepEqual(was.Status.Databases, is.Status.Databases) || (was.DeletionTimestamp == nil) != (is.DeletionTimestamp == nil)
	}}
}

// labelled wakes the claim that an object was made for.
func labelled(_ context.Context, changed client.Object) []reconcile.Request {
	name := changed.GetLabels()[v1alpha1.LabelDatabase]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: changed.GetNamespace(), Name: name}}}
}
