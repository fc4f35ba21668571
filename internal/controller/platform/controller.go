// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

// Dependencies are what a Reconciler needs; all are required.
type Dependencies struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Recorder emits events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler brings the status of Platforms up to date.
type Reconciler struct {
	client client.Client
	now    func() time.Time
	frame  shell.Frame
}

// New returns a Reconciler. SetupWithManager refuses it if a dependency is missing.
func New(d Dependencies) *Reconciler {
	return &Reconciler{
		client: d.Client, now: d.Now,
		frame: shell.Frame{Client: d.Client, Recorder: d.Recorder, Now: d.Now},
	}
}

// Reconcile is one pass over one Platform.
func (r *Reconciler) Reconcile(ctx context.Context, p *v1alpha1.Platform) (ctrl.Result, error) {
	if !p.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	var users v1alpha1.EnvironmentList
	if err := r.client.List(ctx, &users, client.MatchingFields{indexEnvironments: p.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing Environments: %w", err)
	}
	before, now := p.DeepCopy(), r.now()
	p.Status.ObservedGeneration = p.Generation
	p.Status.Branches = branches(p, users.Items)
	warnings, next := outdated(p, now)
	p.Status.Conditions = condition.Summarize(before.Status.Conditions, p.Generation, metav1.NewTime(now), summary(warnings))
	wait, err := r.frame.Commit(ctx, before, p, pace(before, p), transitions(before, warnings))
	if err != nil {
		return ctrl.Result{}, err
	}
	return shell.Result(nil, wait, next)
}
