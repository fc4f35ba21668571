// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package databaseclaim provides the databases of DatabaseClaims, publishes how to connect, and ends them as their policy says. I/O.
package databaseclaim

import (
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/provision"
)

// Dependencies are what a Reconciler needs; all are required where it does not say otherwise.
type Dependencies struct {
	// Client reads from the cache and writes. Live reads the API server.
	Client client.Client
	Live   client.Reader
	// Recorder emits events.
	Recorder events.EventRecorder
	// Operator is what the installation decides.
	Operator database.Operator
	// Providers by name.
	Providers map[v1alpha1.DatabaseProvider]database.Provider
	// DeletionDelay is the pause before a database is deleted; 0: deletion.DefaultDelay.
	DeletionDelay time.Duration
	// ClusterScoped is false when only some namespaces are watched; DatabaseClasses cannot be read then.
	ClusterScoped bool
	// Now is the clock.
	Now func() time.Time
}

// Reconciler brings databases to what their claims say.
type Reconciler struct {
	Dependencies
	provision *provision.Provisioner
	brake     brake
	absent    absences
	frame     shell.Frame
}

// New returns a Reconciler. SetupWithManager refuses it if a dependency is missing.
func New(d Dependencies) *Reconciler {
	return &Reconciler{
		Dependencies: d,
		provision:    &provision.Provisioner{Client: d.Client, Live: d.Live, Now: d.Now},
		frame:        shell.Frame{Client: d.Client, Recorder: d.Recorder, Now: d.Now},
	}
}

// pass is what one pass over a claim finds.
type pass struct {
	claim *v1alpha1.DatabaseClaim
	// before is the claim as it was read.
	before *v1alpha1.DatabaseClaim
	at     time.Time
	// class and provider are nil for external databases, and when they are not found.
	class    *v1alpha1.DatabaseClass
	provider database.Provider
	wanted   database.Wanted
	have     database.Objects
	facts    database.Facts
	// users are the Environments that bind the claim.
	users []string
	// published says that the Secret is complete; version is its resource version then.
	published bool
	version   string
	// unprobed says that the database is not probed.
	unprobed bool
	// coupling says why the end of an Environment did not end the claim; empty: it is not so.
	coupling string
	// ended says that this pass deleted the claim; the next one sees that, and goes on.
	ended    bool
	verdicts []condition.Verdict
	events   []shell.Event
	// waits are when to look again.
	waits []time.Duration
}

// Reconcile is one pass over one claim.
func (r *Reconciler) Reconcile(ctx context.Context, claim *v1alpha1.DatabaseClaim) (ctrl.Result, error) {
	if released(claim) {
		return ctrl.Result{}, nil
	}
	p := &pass{claim: claim, before: claim.DeepCopy(), at: r.Now()}
	err := r.run(ctx, p)
	if p.ended {
		r.tell(p)
		return ctrl.Result{}, nil
	}
	if released(claim) && !p.before.DeletionTimestamp.IsZero() {
		r.provision.Release(database.ID(claim))
		r.tell(p)
		return ctrl.Result{}, nil // it is gone, or will be as soon as others let go of it
	}
	r.summarize(p, err)
	wait, commitErr := r.frame.Commit(ctx, p.before, claim, pace(p.before, claim), append(p.events, transitions(p.before, claim)...))
	if commitErr != nil {
		return ctrl.Result{}, commitErr
	}
	return shell.Result(err, append(p.waits, wait)...)
}

// tell emits the events of a claim that has no status to write any more.
func (r *Reconciler) tell(p *pass) {
	for _, e := range p.events {
		r.Recorder.Eventf(p.claim, e.Related, e.Type, e.Reason, e.Action, "%s", e.Message)
	}
}

func (r *Reconciler) run(ctx context.Context, p *pass) error {
	if err := r.lookUp(ctx, p); err != nil {
		return err
	}
	if !p.claim.DeletionTimestamp.IsZero() {
		return errors.Join(r.end(ctx, p), r.probe(ctx, p))
	}
	if err := r.follow(ctx, p); err != nil || p.ended {
		return err
	}
	if p.claim.Spec.External != nil {
		return errors.Join(r.handOn(ctx, p), r.probe(ctx, p))
	}
	if err := r.offered(p); err != nil {
		return err
	}
	return errors.Join(r.provide(ctx, p), r.probe(ctx, p))
}

// summarize writes what a pass found into the status, in memory.
func (r *Reconciler) summarize(p *pass, err error) {
	st := &p.claim.Status
	st.ObservedGeneration = p.claim.Generation
	st.UsedBy = nil
	for _, name := range p.users[:min(len(p.users), maxUsers)] {
		st.UsedBy = append(st.UsedBy, v1alpha1.DatabaseUse{Environment: name})
	}
	s := condition.Summary{Verdicts: append(r.standing(p), p.verdicts...), Err: err}
	switch {
	case err != nil:
	case p.claim.Spec.External != nil:
		s.Done, s.DoneMessage = v1alpha1.ReasonExternal, "Applications can connect with Secret "+p.claim.Status.Binding.Name+"; somebody else runs the database."
	default:
		s.Done, s.DoneMessage = v1alpha1.ReasonProvisioned, "The database runs; applications can connect with Secret "+p.claim.Status.Binding.Name+"."
	}
	st.Conditions = condition.Summarize(p.before.Status.Conditions, p.claim.Generation, metav1.NewTime(p.at), s)
}

// offered demands a class that offers what the claim asks for, and a provider that the cluster has.
func (r *Reconciler) offered(p *pass) error {
	name := p.claim.Spec.ClassRef.Name
	if p.class == nil {
		if !r.ClusterScoped {
			return &outcome.Stall{Reason: v1alpha1.ReasonClassNotFound, Message: "spec.classRef cannot be used, because this operator watches some namespaces only and DatabaseClasses belong to " +
				"the cluster; use spec.external, or install the operator for the whole cluster"}
		}
		return &outcome.Stall{Reason: v1alpha1.ReasonClassNotFound, Message: "spec.classRef names DatabaseClass " + quote(name) + ", which does not exist; create it, or name another one: kubectl get databaseclasses.beanpod.dev"}
	}
	if p.provider == nil {
		return &outcome.Stall{Reason: v1alpha1.ReasonProviderNotInstalled, Message: "DatabaseClass " + quote(name) + " has the provider " + string(p.class.Spec.Provider) + ", which this operator does not have"}
	}
	missing, err := r.provision.Missing(p.provider.Kinds())
	if err != nil {
		return err
	}
	if missing != "" {
		return &outcome.Stall{
			Reason: v1alpha1.ReasonProviderNotInstalled, After: time.Minute,
			Message: "the cluster does not serve " + missing + ", which DatabaseClass " + quote(name) + " needs; " + p.provider.Install(),
		}
	}
	return nil
}
