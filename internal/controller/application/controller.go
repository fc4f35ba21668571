// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/store"
)

// Dependencies are what a Reconciler needs; all are required.
type Dependencies struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Recorder emits events.
	Recorder events.EventRecorder
	// Store holds what versions were made from, to be deleted with them where the Application says so; nil: there is none.
	Store store.Store
	// Now is the clock.
	Now func() time.Time
}

// Reconciler brings Applications up to date.
type Reconciler struct {
	client client.Client
	store  store.Store
	now    func() time.Time
	frame  shell.Frame
}

// New returns a Reconciler. SetupWithManager refuses it if a dependency is missing.
func New(d Dependencies) *Reconciler {
	return &Reconciler{
		client: d.Client, store: d.Store, now: d.Now,
		frame: shell.Frame{Client: d.Client, Recorder: d.Recorder, Now: d.Now},
	}
}

// Reconcile is one pass over one Application.
func (r *Reconciler) Reconcile(ctx context.Context, app *v1alpha1.Application) (ctrl.Result, error) {
	have, err := r.lookUp(ctx, app)
	if err != nil {
		return ctrl.Result{}, err
	}
	notHeld := r.hold(ctx, app, have)
	before := app.DeepCopy()
	found := r.run(ctx, app, &have, notHeld)
	if found.released {
		return ctrl.Result{}, nil
	}
	report(app, have, found.left)
	app.Status.Conditions = condition.Summarize(before.Status.Conditions, app.Generation, metav1.NewTime(r.now()), found.Summary)
	wait, err := r.frame.Commit(ctx, before, app, pace(before, app, found), transitions(before, app, found))
	if err != nil {
		return ctrl.Result{}, err
	}
	return shell.Result(found.Err, wait, found.next)
}

// findings are what one pass found and did.
type findings struct {
	condition.Summary
	// released means that the Application is deleted and does not wait for us.
	released bool
	// swept lists the versions that this pass deleted, left is how many more may go, next is when to look again.
	swept []string
	left  int
	next  time.Duration
}

func (r *Reconciler) run(ctx context.Context, app *v1alpha1.Application, have *family, notHeld error) findings {
	switch {
	case notHeld != nil:
		return findings{Summary: condition.Summary{Err: notHeld}}
	case !app.DeletionTimestamp.IsZero():
		return r.finalize(ctx, app, *have)
	default:
		out := r.sweep(ctx, app, have)
		out.Done, out.DoneMessage = v1alpha1.ReasonAccepted, "Versions and Environments can name this Application."
		return out
	}
}

// family is what belongs to an Application. It is read from the cache without copying and must not be changed.
type family struct {
	versions     []v1alpha1.ApplicationVersion
	environments []v1alpha1.Environment
}

func (f family) empty() bool { return len(f.versions)+len(f.environments) == 0 }

func (r *Reconciler) lookUp(ctx context.Context, app *v1alpha1.Application) (family, error) {
	var (
		versions     v1alpha1.ApplicationVersionList
		environments v1alpha1.EnvironmentList
	)
	for index, list := range map[string]client.ObjectList{indexVersions: &versions, indexEnvironments: &environments} {
		err := r.client.List(ctx, list, client.InNamespace(app.Namespace), client.MatchingFields{index: app.Name}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return family{}, fmt.Errorf("listing by %s: %w", index, err)
		}
	}
	slices.SortFunc(environments.Items, func(a, b v1alpha1.Environment) int { return cmp.Compare(a.Name, b.Name) })
	return family{versions: versions.Items, environments: environments.Items}, nil
}
