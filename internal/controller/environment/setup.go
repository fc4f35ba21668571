// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
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
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/inputs"
	"github.com/beanpod-dev/beanpod/internal/lifecycle"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/observe"
)

// Indexes of Environments by what they refer to.
const (
	indexApplication = "environment.application"
	indexVersion     = "environment.version"
	indexPlatform    = "environment.platform"
	indexSecret      = "environment.secret"
	indexConfigMap   = "environment.configMap"
	indexLink        = "environment.link"
	indexDatabase    = "environment.database"
)

// indexBinding is the index of DatabaseClaims by their Secret.
const indexBinding = "environment.claimBinding"

// +kubebuilder:rbac:groups=beanpod.dev,resources=environments,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=environments/status,verbs=patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=environments/finalizers,verbs=update
// +kubebuilder:rbac:groups=beanpod.dev,resources=applications;applicationversions;databaseclaims;platforms,verbs=get;list;watch
// +kubebuilder:rbac:groups=beanpod.dev,resources=applicationversions,verbs=create
// +kubebuilder:rbac:groups=apps,resources=deployments;controllerrevisions,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=services;serviceaccounts,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses;networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=autoscaling,resources=horizontalpodautoscalers,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=keda.sh,resources=scaledobjects;triggerauthentications,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// Of Leases, update is only there to be granted to the daemons of workers: nobody can grant what he may not do himself.
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods;secrets;configmaps;resourcequotas,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=create;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=patch
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the controller, its watches and its indexes.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, opts controller.Options) error {
	if r.client == nil || r.loader.Live == nil || r.frame.Recorder == nil || r.now == nil {
		return errors.New("environment: a dependency is missing")
	}
	if err := addIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	b := ctrl.NewControllerManagedBy(mgr).
		Named("environment").
		For(&v1alpha1.Environment{}, builder.WithPredicates(r.forgetting(), shell.ByUsers())).
		Watches(&v1alpha1.Environment{}, r.wake(inputs.EnvironmentsByName, anyNamespace), builder.WithPredicates(shell.ByUsers())).
		Watches(&v1alpha1.Environment{}, r.wake(indexLink), builder.WithPredicates(shell.ByUsers())).
		Watches(&v1alpha1.Application{}, r.wake(indexApplication), builder.WithPredicates(shell.ComingAndGoing())).
		Watches(&v1alpha1.ApplicationVersion{}, r.wake(indexVersion)).
		Watches(&corev1.Secret{}, r.wake(indexSecret), builder.OnlyMetadata).
		Watches(&corev1.Secret{}, r.wakeLinking(), builder.OnlyMetadata).
		Watches(&v1alpha1.DatabaseClaim{}, r.wake(indexDatabase), builder.WithPredicates(claimTurned())).
		Watches(&corev1.Secret{}, r.wakeBound(), builder.OnlyMetadata).
		Watches(&corev1.ConfigMap{}, r.wake(indexConfigMap), builder.OnlyMetadata).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(byLabel)).
		Watches(&appsv1.Deployment{}, children{}).
		Watches(&batchv1.Job{}, children{}).
		Watches(&coordinationv1.Lease{}, children{}, builder.WithPredicates(shell.ComingAndGoing())).
		Watches(&corev1.ResourceQuota{}, r.wakeNamespace(), builder.WithPredicates(quotaRaised())).
		WithOptions(shell.Retrying(opts))
	for _, kind := range []client.Object{
		&corev1.Service{}, &corev1.ServiceAccount{}, &networkingv1.Ingress{}, &networkingv1.NetworkPolicy{},
		&autoscalingv2.HorizontalPodAutoscaler{}, &policyv1.PodDisruptionBudget{}, &appsv1.ControllerRevision{},
		&rbacv1.Role{}, &rbacv1.RoleBinding{},
	} {
		b.Watches(kind, children{}, builder.WithPredicates(butStatus()))
	}
	if r.queues != nil {
		b.WatchesRawSource(source.Channel(r.queues.Events(), &handler.EnqueueRequestForObject{}))
	}
	if r.scaler != nil {
		b.WatchesRawSource(source.Channel(r.scaler.Depths.Events(), &handler.EnqueueRequestForObject{}))
	}
	if r.loader.Operator.GatewayAPI {
		b.Watches(&gatewayv1.HTTPRoute{}, children{}, builder.WithPredicates(butStatus()))
	}
	if r.loader.Operator.KEDA {
		watchKEDA(b)
	}
	if r.loader.ClusterScoped {
		b.Watches(&v1alpha1.Platform{}, r.wake(indexPlatform, anyNamespace), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	return b.Complete(reconcile.AsReconciler(r.client, r))
}

// watchKEDA watches what is made for KEDA, and what KEDA makes of it: it gives its autoscalers the labels of the ScaledObject.
func watchKEDA(b *builder.Builder) {
	for _, kind := range []naming.Kind{naming.ScaledObject, naming.TriggerAuthentication} {
		b.Watches(observe.NewObject(kind), children{}, builder.WithPredicates(heard()))
	}
	b.Watches(&autoscalingv2.HorizontalPodAutoscaler{}, handler.EnqueueRequestsFromMapFunc(byLabel), builder.WithPredicates(impeded()))
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	env := func(extract func(*v1alpha1.Environment) []string) client.IndexerFunc {
		return func(o client.Object) []string { return extract(o.(*v1alpha1.Environment)) }
	}
	for name, extract := range map[string]client.IndexerFunc{
		inputs.EnvironmentsByName: func(o client.Object) []string { return []string{o.GetName()} },
		indexApplication:          env(func(e *v1alpha1.Environment) []string { return []string{e.Spec.ApplicationRef.Name} }),
		indexVersion: env(func(e *v1alpha1.Environment) []string {
			if name := lifecycle.Wanted(e); name != "" {
				return []string{name}
			}
			return nil
		}),
		indexPlatform: env(func(e *v1alpha1.Environment) []string {
			if e.Spec.PlatformRef == nil {
				return nil
			}
			return []string{e.Spec.PlatformRef.Name}
		}),
		indexSecret:    env(inputs.SecretNames),
		indexConfigMap: env(inputs.ConfigMapNames),
		indexLink:      env(inputs.LinkNames),
		indexDatabase:  env(inputs.DatabaseNames),
	} {
		if err := indexer.IndexField(ctx, &v1alpha1.Environment{}, name, extract); err != nil {
			return fmt.Errorf("adding index %s: %w", name, err)
		}
	}
	byEnvironment := func(o client.Object) []string { return []string{o.GetLabels()[v1alpha1.LabelEnvironmentUID]} }
	return errors.Join(
		indexer.IndexField(ctx, &v1alpha1.DatabaseClaim{}, indexBinding, bindingOf),
		indexer.IndexField(ctx, &corev1.Pod{}, observe.PodsByEnvironment, byEnvironment),
		indexer.IndexField(ctx, &appsv1.ControllerRevision{}, observe.RevisionsByEnvironment, byEnvironment),
		indexer.IndexField(ctx, &batchv1.Job{}, observe.ReleasesByEnvironment, byEnvironment),
	)
}

// wakeOption changes where wake looks.
type wakeOption bool

// anyNamespace wakes Environments of every namespace.
const anyNamespace wakeOption = true

// wake enqueues the Environments that refer to a changed object by its name.
func (r *Reconciler) wake(index string, options ...wakeOption) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []reconcile.Request {
		opts := []client.ListOption{client.MatchingFields{index: changed.GetName()}, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency}
		if len(options) == 0 {
			opts = append(opts, client.InNamespace(changed.GetNamespace()))
		}
		var list v1alpha1.EnvironmentList
		if err := r.client.List(ctx, &list, opts...); err != nil {
			log.FromContext(ctx).Error(err, "Listing the environments to wake was cut short", "index", index)
		}
		out := make([]reconcile.Request, 0, len(list.Items))
		for i := range list.Items {
			if list.Items[i].UID != changed.GetUID() {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
			}
		}
		return out
	})
}

// wakeNamespace enqueues the Environments of a namespace that wait for a quota.
func (r *Reconciler) wakeNamespace() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []reconcile.Request {
		var list v1alpha1.EnvironmentList
		if err := r.client.List(ctx, &list, client.InNamespace(changed.GetNamespace()), client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
			log.FromContext(ctx).Error(err, "Listing the environments that wait for a quota was cut short")
		}
		var out []reconcile.Request
		for i := range list.Items {
			if c := condition.Find(list.Items[i].Status.Conditions, v1alpha1.ConditionApplied); c != nil && c.Reason == v1alpha1.ReasonQuotaExceeded {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
			}
		}
		return out
	})
}

// quotaRaised passes what may make room: a quota that goes away, or whose limits change. What is used changes with every pod.
func quotaRaised() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, ok1 := e.ObjectOld.(*corev1.ResourceQuota)
			is, ok2 := e.ObjectNew.(*corev1.ResourceQuota)
			return ok1 && ok2 && !(equality.Semantic.DeepEqual(was.Spec, is.Spec) && equality.Semantic.DeepEqual(was.Status.Hard, is.Status.Hard))
		},
	}
}

// byLabel wakes the Environment that a pod, or KEDA's autoscaler, was made for.
func byLabel(_ context.Context, o client.Object) []reconcile.Request {
	name := o.GetLabels()[v1alpha1.LabelEnvironment]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: name}}}
}

// forgetting drops what is remembered of an Environment when it is gone.
func (r *Reconciler) forgetting() predicate.Predicate {
	return predicate.Funcs{DeleteFunc: func(e event.DeleteEvent) bool {
		if env, ok := e.Object.(*v1alpha1.Environment); ok {
			r.applier.Forget(env)
			r.frame.Forget(env)
			if r.queues != nil {
				r.queues.Forget(client.ObjectKeyFromObject(env))
			}
			r.scaler.forget(client.ObjectKeyFromObject(env))
		}
		return true
	}}
}

// children wakes the Environment that owns a child. When a stranger that has one of an Environment's names goes away, it
// wakes that Environment, which could not use the name so far.
type children struct{}

type work = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Create implements handler.EventHandler.
func (children) Create(_ context.Context, e event.CreateEvent, q work) { enqueueOwner(e.Object, q) }

// Update implements handler.EventHandler. The old owner counts too, so that a removed owner reference is noticed.
func (children) Update(_ context.Context, e event.UpdateEvent, q work) {
	enqueueOwner(e.ObjectOld, q)
	enqueueOwner(e.ObjectNew, q)
}

// Generic implements handler.EventHandler.
func (children) Generic(_ context.Context, e event.GenericEvent, q work) { enqueueOwner(e.Object, q) }

// Delete implements handler.EventHandler.
func (children) Delete(_ context.Context, e event.DeleteEvent, q work) {
	if enqueueOwner(e.Object, q) {
		return
	}
	name := e.Object.GetName()
	slot := strings.TrimSuffix(strings.TrimSuffix(name, "-a"), "-b")
	for _, candidate := range slices.Compact([]string{name, slot, strings.TrimSuffix(name, naming.Election(""))}) {
		q.Add(reconcile.Request{NamespacedName: client.ObjectKey{Namespace: e.Object.GetNamespace(), Name: candidate}})
	}
}

func enqueueOwner(o client.Object, q work) bool {
	owner := metav1.GetControllerOf(o)
	if owner == nil || owner.Kind != "Environment" || !strings.HasPrefix(owner.APIVersion, v1alpha1.GroupVersion.Group+"/") {
		return false
	}
	q.Add(reconcile.Request{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: owner.Name}})
	return true
}

// butStatus stops updates of a child that change nothing but its status. Kinds without a generation always pass.
func butStatus() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, is := e.ObjectOld, e.ObjectNew
		return is.GetGeneration() == 0 || is.GetGeneration() != was.GetGeneration() ||
			is.GetDeletionTimestamp() != nil ||
			!maps.Equal(is.GetLabels(), was.GetLabels()) || !maps.Equal(is.GetAnnotations(), was.GetAnnotations()) ||
			!equality.Semantic.DeepEqual(is.GetOwnerReferences(), was.GetOwnerReferences())
	}}
}
