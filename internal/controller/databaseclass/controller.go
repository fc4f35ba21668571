// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package databaseclass says whether DatabaseClasses can make databases and how many claims name them, and keeps those that are named. I/O.
package databaseclass

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/provision"
)

// indexClass finds the claims that name a class.
const indexClass = "databaseclass.claims"

// notInstalledRetry is when a cluster is asked again for the kinds of a provider.
const notInstalledRetry = time.Minute

// Dependencies are what a Reconciler needs; all are required.
type Dependencies struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Recorder emits events.
	Recorder events.EventRecorder
	// Providers by name.
	Providers map[v1alpha1.DatabaseProvider]database.Provider
	// Now is the clock.
	Now func() time.Time
}

// Reconciler brings the status of DatabaseClasses up to date.
type Reconciler struct {
	Dependencies
	frame shell.Frame
}

// New returns a Reconciler. SetupWithManager refuses it if a dependency is missing.
func New(d Dependencies) *Reconciler {
	return &Reconciler{Dependencies: d, frame: shell.Frame{Client: d.Client, Recorder: d.Recorder, Now: d.Now}}
}

// +kubebuilder:rbac:groups=beanpod.dev,resources=databaseclasses,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=databaseclasses/status,verbs=patch
// +kubebuilder:rbac:groups=beanpod.dev,resources=databaseclasses/finalizers,verbs=update
// +kubebuilder:rbac:groups=beanpod.dev,resources=databaseclaims,verbs=get;list;watch

// SetupWithManager registers the controller, its watches and its index.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, opts controller.Options) error {
	if r.Client == nil || r.Recorder == nil || r.Now == nil || r.Providers == nil {
		return errors.New("databaseclass: a dependency is missing")
	}
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DatabaseClaim{}, indexClass, func(o client.Object) []string { return classOf(o) })
	if err != nil {
		return fmt.Errorf("adding index %s: %w", indexClass, err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("databaseclass").
		For(&v1alpha1.DatabaseClass{}, builder.WithPredicates(r.frame.Forgetting(), shell.ByUsers())).
		Watches(&v1alpha1.DatabaseClaim{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
			var out []reconcile.Request
			for _, name := range classOf(o) {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKey{Name: name}})
			}
			return out
		}), builder.WithPredicates(shell.ComingAndGoing())).
		WithOptions(shell.Retrying(opts)).
		Complete(reconcile.AsReconciler(r.Client, r))
}

func classOf(o client.Object) []string {
	if ref := o.(*v1alpha1.DatabaseClaim).Spec.ClassRef; ref != nil {
		return []string{ref.Name}
	}
	return nil
}

// Reconcile is one pass over one class.
func (r *Reconciler) Reconcile(ctx context.Context, class *v1alpha1.DatabaseClass) (ctrl.Result, error) {
	var claims v1alpha1.DatabaseClaimList
	if err := r.Client.List(ctx, &claims, client.MatchingFields{indexClass: class.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing the claims of the class: %w", err)
	}
	count := len(claims.Items)
	if err := r.hold(ctx, class, count > 0); err != nil {
		return ctrl.Result{}, err
	}
	if !class.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(class, v1alpha1.FinalizerInUse) {
		return ctrl.Result{}, nil
	}
	before := class.DeepCopy()
	class.Status.ObservedGeneration, class.Status.Claims = class.Generation, int32(min(count, 1_000_000))
	s := condition.Summary{Done: v1alpha1.ReasonServing, DoneMessage: "DatabaseClaims can name this class.", Err: r.serves(class)}
	if !class.DeletionTimestamp.IsZero() {
		s.Verdicts = []condition.Verdict{condition.True(v1alpha1.ConditionTerminating, v1alpha1.ReasonInUse, fmt.Sprintf(
			"%d DatabaseClaims name this class, among them %s/%s; it goes once they are gone", count, claims.Items[0].Namespace, claims.Items[0].Name))}
	}
	class.Status.Conditions = condition.Summarize(before.Status.Conditions, class.Generation, metav1.NewTime(r.Now()), s)
	wait, err := r.frame.Commit(ctx, before, class, pace(before, class), transitions(before, class))
	if err != nil {
		return ctrl.Result{}, err
	}
	return shell.Result(s.Err, wait)
}

// hold makes the finalizer agree with the use.
func (r *Reconciler) hold(ctx context.Context, class *v1alpha1.DatabaseClass, used bool) error {
	before := class.DeepCopy()
	var changed bool
	switch {
	case !used:
		changed = controllerutil.RemoveFinalizer(class, v1alpha1.FinalizerInUse)
	case class.DeletionTimestamp.IsZero():
		changed = controllerutil.AddFinalizer(class, v1alpha1.FinalizerInUse)
	}
	if !changed {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, class, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("changing finalizer %s: %w", v1alpha1.FinalizerInUse, err)
	}
	return nil
}

// serves demands that the cluster has what the provider needs.
func (r *Reconciler) serves(class *v1alpha1.DatabaseClass) error {
	provider := r.Providers[class.Spec.Provider]
	if provider == nil {
		return &outcome.Stall{Reason: v1alpha1.ReasonProviderNotInstalled, Message: fmt.Sprintf("this operator does not have the provider %s", class.Spec.Provider)}
	}
	missing, err := provision.Missing(r.Client.RESTMapper(), provider.Kinds())
	if err == nil && missing != "" {
		err = &outcome.Stall{Reason: v1alpha1.ReasonProviderNotInstalled, After: notInstalledRetry, Message: fmt.Sprintf(
			"the cluster does not serve %s, which the provider %s needs; %s", missing, class.Spec.Provider, provider.Install())}
	}
	return err
}

// pace lets counts wait for the next change.
func pace(before, after *v1alpha1.DatabaseClass) shell.Pace {
	if before.Status.ObservedGeneration != after.Status.ObservedGeneration || len(before.Status.Conditions) != len(after.Status.Conditions) ||
		condition.Turned(before.Status.Conditions, after.Status.Conditions, v1alpha1.ConditionReady) != nil {
		return shell.Immediately
	}
	return shell.Beginning
}

func transitions(before, after *v1alpha1.DatabaseClass) []shell.Event {
	ready := condition.Turned(before.Status.Conditions, after.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return nil
	}
	level := corev1.EventTypeNormal
	if ready.Status != metav1.ConditionTrue {
		level = corev1.EventTypeWarning
	}
	return []shell.Event{{Type: level, Reason: ready.Reason, Action: "Check", Message: ready.Message}}
}
