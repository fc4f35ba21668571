// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/evidence"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/registry"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/store"
)

// Dependencies are what a Reconciler needs; all are required where it does not say otherwise. Without a store in Operator no bundle is built.
type Dependencies struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads one named pull Secret from the API server when a registry has to be asked, and nothing else.
	Live client.Reader
	// Recorder emits events.
	Recorder events.EventRecorder
	// Registry is asked which digest a reference stands for.
	Registry *registry.Resolver
	// Store and Images make images of artifacts; both are nil where there is no registry for them.
	Store  store.Store
	Images *registry.Appender
	// Logs reads the logs of builds.
	Logs evidence.LogReader
	// Operator is what the installation decides.
	Operator settings.Operator
	// Now is the clock.
	Now func() time.Time
}

// Reconciler brings the status of ApplicationVersions up to date.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	registry *registry.Resolver
	keeper   *evidence.Keeper
	operator settings.Operator
	store    store.Store
	imager   *imager
	now      func() time.Time
	frame    shell.Frame
}

// New returns a Reconciler. SetupWithManager refuses it if a dependency is missing.
func New(d Dependencies) *Reconciler {
	out := &Reconciler{
		client: d.Client, live: d.Live, registry: d.Registry, operator: d.Operator, store: d.Store, now: d.Now,
		keeper: &evidence.Keeper{Client: d.Client, Live: d.Live, Logs: d.Logs, Now: d.Now},
		frame:  shell.Frame{Client: d.Client, Recorder: d.Recorder, Now: d.Now},
	}
	if d.Images != nil && d.Store != nil {
		out.imager = newImager(d.Images, d.Now)
	}
	return out
}

// Reconcile is one pass over one version.
func (r *Reconciler) Reconcile(ctx context.Context, ver *v1alpha1.ApplicationVersion) (ctrl.Result, error) {
	use, err := r.lookUpUsage(ctx, ver)
	if err != nil {
		return ctrl.Result{}, err
	}
	err = r.holdOrRelease(ctx, ver, use)
	if released(ver) {
		return ctrl.Result{}, err
	}
	before := ver.DeepCopy()
	found := r.run(ctx, ver, use, err)
	ver.Status.Conditions = condition.Summarize(before.Status.Conditions, ver.Generation, metav1.NewTime(r.now()), found)
	wait, err := r.frame.Commit(ctx, before, ver, shell.Immediately, transitions(before, ver))
	if err != nil {
		return ctrl.Result{}, err
	}
	return shell.Result(found.Err, wait)
}

// run fills the status in memory and says what was found. Users are not reported while the version is not held for them.
func (r *Reconciler) run(ctx context.Context, ver *v1alpha1.ApplicationVersion, use usage, notHeld error) condition.Summary {
	ver.Status.ObservedGeneration = ver.Generation
	s := condition.Summary{Verdicts: verdicts(ver, use), Err: notHeld}
	if s.Err != nil {
		return s
	}
	reportUsage(ver, use)
	if s.Err = r.checkPlace(ctx, ver); s.Err != nil {
		return s
	}
	if ver.Spec.Source.Image == nil {
		return r.bundle(ctx, ver, use, s)
	}
	s.Err = r.resolve(ctx, ver)
	s.Done, s.DoneMessage = v1alpha1.ReasonProcessed, processedMessage(ver)
	return s
}

// checkPlace demands that the Application exists and that no older version there has the same label.
func (r *Reconciler) checkPlace(ctx context.Context, ver *v1alpha1.ApplicationVersion) error {
	known, err := r.applicationExists(ctx, ver)
	if err != nil {
		return err
	}
	if !known {
		return &outcome.Stall{Reason: v1alpha1.ReasonApplicationNotFound, Message: noApplicationMessage(ver)}
	}
	holder, err := r.labelHolder(ctx, ver)
	if err != nil {
		return err
	}
	if holder.UID != ver.UID {
		return &outcome.Stall{Reason: v1alpha1.ReasonLabelConflict, Message: labelConflictMessage(ver, holder)}
	}
	return nil
}
