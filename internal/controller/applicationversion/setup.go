// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"errors"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/lifecycle"
)

// Indexes of the cache. They carry the package's name, because an index belongs to a kind and other controllers have theirs.
const (
	indexApplication = "applicationversion.application"
	indexLabel       = "applicationversion.label"
	indexPullSecret  = "applicationversion.pullSecret"
	indexMentioned   = "applicationversion.mentioned"
	indexBuild       = "applicationversion.build"
)

// +kubebuilder:rbac:groups=beanpod.dev,resources=applicationversions,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=applicationversions/status,verbs=patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=applications,verbs=get;list;watch
// +kubebuilder:rbac:groups=beanpod.dev,resources=environments,verbs=get;list;watch
// +kubebuilder:rbac:groups=beanpod.dev,resources=applicationversions/finalizers,verbs=update
// +kubebuilder:rbac:groups=beanpod.dev,resources=platforms,verbs=get;list;watch
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods;secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=create
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the controller, its watches and its indexes.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, opts controller.Options) error {
	if r.client == nil || r.live == nil || r.registry == nil || r.keeper.Logs == nil || r.frame.Recorder == nil || r.now == nil {
		return errors.New("applicationversion: a dependency is missing")
	}
	if err := addIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	on := ctrl.NewControllerManagedBy(mgr)
	if r.imager != nil {
		if err := mgr.Add(r.imager); err != nil {
			return fmt.Errorf("adding what makes images: %w", err)
		}
		on.WatchesRawSource(source.Channel(r.imager.wake, &handler.EnqueueRequestForObject{}))
	}
	return on.
		Named("applicationversion").
		For(&v1alpha1.ApplicationVersion{}, builder.WithPredicates(r.frame.Forgetting(), shell.ByUsers())).
		Watches(&v1alpha1.ApplicationVersion{}, r.enqueue(indexLabel, func(o client.Object) string {
			return labelKey(o.(*v1alpha1.ApplicationVersion))
		}, anotherThan), builder.WithPredicates(shell.ComingAndGoing())).
		Watches(&v1alpha1.Application{}, r.enqueue(indexApplication, client.Object.GetName, anybody),
			builder.WithPredicates(shell.ComingAndGoing())).
		Watches(&v1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(mentionedBy), builder.WithPredicates(mentionsChanged())).
		Watches(&corev1.Secret{}, r.enqueue(indexPullSecret, client.Object.GetName, unresolved),
			builder.OnlyMetadata, builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		Watches(&batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(builds)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(builds)).
		WithOptions(shell.Retrying(opts)).
		Complete(reconcile.AsReconciler(r.client, r))
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	version := func(extract func(*v1alpha1.ApplicationVersion) []string) client.IndexerFunc {
		return func(o client.Object) []string { return extract(o.(*v1alpha1.ApplicationVersion)) }
	}
	for _, index := range []struct {
		kind    client.Object
		name    string
		extract client.IndexerFunc
	}{
		{&v1alpha1.ApplicationVersion{}, indexApplication, version(func(v *v1alpha1.ApplicationVersion) []string {
			return []string{v.Spec.ApplicationRef.Name}
		})},
		{&v1alpha1.ApplicationVersion{}, indexLabel, version(func(v *v1alpha1.ApplicationVersion) []string {
			return []string{labelKey(v)}
		})},
		{&v1alpha1.ApplicationVersion{}, indexPullSecret, version(func(v *v1alpha1.ApplicationVersion) []string {
			switch {
			case v.Spec.Source.Image != nil && v.Spec.Source.Image.PullSecretRef != nil:
				return []string{v.Spec.Source.Image.PullSecretRef.Name}
			case v.Spec.Source.Bundle != nil && v.Spec.Source.Bundle.SecretRef != nil:
				return []string{v.Spec.Source.Bundle.SecretRef.Name}
			default:
				return nil
			}
		})},
		{&batchv1.Job{}, indexBuild, buildOf},
		{&corev1.Pod{}, indexBuild, buildOf},
		{&v1alpha1.Environment{}, indexMentioned, func(o client.Object) []string { return mentioned(o.(*v1alpha1.Environment)) }},
	} {
		if err := indexer.IndexField(ctx, index.kind, index.name, index.extract); err != nil {
			return fmt.Errorf("adding index %s: %w", index.name, err)
		}
	}
	return nil
}

// enqueue looks up versions in an index by a key that the changed object gives, and wakes those that care.
func (r *Reconciler) enqueue(index string, key func(client.Object) string, cares func(*v1alpha1.ApplicationVersion, client.Object) bool) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []reconcile.Request {
		var list v1alpha1.ApplicationVersionList
		err := r.client.List(ctx, &list, client.InNamespace(changed.GetNamespace()), client.MatchingFields{index: key(changed)},
			client.UnsafeDisableDeepCopy, staleIsFine)
		if err != nil {
			log.FromContext(ctx).Error(err, "Listing the versions to wake was cut short", "index", index)
		}
		var out []reconcile.Request
		for i := range list.Items {
			if cares(&list.Items[i], changed) {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
			}
		}
		return out
	})
}

// buildOf is the version that a Job or a pod builds, if it does.
func buildOf(o client.Object) []string {
	if name := o.GetLabels()[v1alpha1.LabelBuild]; name != "" {
		return []string{name}
	}
	return nil
}

// builds wakes the version that a Job or a pod builds.
func builds(_ context.Context, o client.Object) []reconcile.Request {
	var out []reconcile.Request
	for _, name := range buildOf(o) {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: name}})
	}
	return out
}

func anybody(*v1alpha1.ApplicationVersion, client.Object) bool { return true }

func anotherThan(ver *v1alpha1.ApplicationVersion, changed client.Object) bool {
	return ver.Name != changed.GetName()
}

func unresolved(ver *v1alpha1.ApplicationVersion, _ client.Object) bool { return !resolved(ver) }

// mentionedBy wakes every version that an Environment says something about; of an update, before and after.
func mentionedBy(_ context.Context, env client.Object) []reconcile.Request {
	var out []reconcile.Request
	for _, name := range mentioned(env.(*v1alpha1.Environment)) {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: env.GetNamespace(), Name: name}})
	}
	return out
}

// mentionsChanged stops updates of Environments that say nothing new about versions, which are nearly all.
func mentionsChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, is := e.ObjectOld.(*v1alpha1.Environment), e.ObjectNew.(*v1alpha1.Environment)
		return lifecycle.Wanted(was) != lifecycle.Wanted(is) ||
			!slices.Equal(platformOf(was), platformOf(is)) ||
			!slices.Equal(lifecycle.Used(was), lifecycle.Used(is)) ||
			!slices.Equal(was.Status.FailedVersions, is.Status.FailedVersions)
	}}
}
