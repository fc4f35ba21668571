// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/naming"
)

// snapshots takes the snapshot that was asked for by annotation. Its token names it, so the same token never takes another one.
func (r *Reconciler) snapshots(ctx context.Context, p *pass) error {
	token := p.claim.Annotations[v1alpha1.AnnotationSnapshotRequested]
	if token == "" || token == operations(p.claim).Snapshot || !p.facts.Ready {
		return nil
	}
	name := naming.DatabaseSnapshot(p.claim.Name, p.wanted.ID, token)
	facts, err := r.take(ctx, p, name)
	if err != nil {
		return err
	}
	switch {
	case facts.Usable:
		p.keepSnapshot(facts)
		p.operated().Snapshot = token
	case facts.Failed:
		p.event(corev1.EventTypeWarning, "SnapshotFailed", "Snapshot", fmt.Sprintf("Snapshot %s of %s %q failed: %s To try again, set another token.", name, v1alpha1.AnnotationSnapshotRequested, token, facts.Message))
		p.operated().Snapshot = token
	default:
		p.waits = append(p.waits, whileMaking)
	}
	return nil
}

// take makes a snapshot if there is none of the name, and says how far it is.
func (r *Reconciler) take(ctx context.Context, p *pass, name string) (database.SnapshotFacts, error) {
	if err := r.readSnapshot(ctx, p, name); err != nil {
		return database.SnapshotFacts{}, err
	}
	facts := p.provider.ReadSnapshot(p.wanted, name, p.have)
	if facts.Usable || facts.Failed {
		return facts, nil
	}
	return facts, r.provision.Apply(ctx, p.provider.Snapshot(p.wanted, name, p.have), p.have)
}

// readSnapshot reads what a snapshot is made of. A cluster that does not serve volume snapshots has none; the provider says what that means.
func (r *Reconciler) readSnapshot(ctx context.Context, p *pass, name string) error {
	var refs []database.Ref
	for _, ref := range p.provider.SnapshotRefs(p.wanted, name) {
		missing, err := r.provision.Missing([]schema.GroupVersionKind{ref.GroupVersionKind})
		if err != nil {
			return err
		}
		if missing == "" {
			refs = append(refs, ref)
		}
	}
	return r.read(ctx, p, refs)
}

func (p *pass) keepSnapshot(facts database.SnapshotFacts) {
	if last := p.claim.Status.LastSnapshot; last != nil && last.Name == facts.Name {
		return
	}
	p.claim.Status.LastSnapshot = &v1alpha1.DatabaseSnapshotRecord{Name: facts.Name, At: metav1.NewTime(p.at)}
	p.event(corev1.EventTypeNormal, "SnapshotTaken", "Snapshot", fmt.Sprintf("Snapshot %s is complete and can be restored with spec.restoreFrom.", facts.Name))
}

func operations(claim *v1alpha1.DatabaseClaim) v1alpha1.DatabaseOperations {
	if o := claim.Status.Operations; o != nil {
		return *o
	}
	return v1alpha1.DatabaseOperations{}
}

func (p *pass) operated() *v1alpha1.DatabaseOperations {
	if p.claim.Status.Operations == nil {
		p.claim.Status.Operations = &v1alpha1.DatabaseOperations{}
	}
	return p.claim.Status.Operations
}

func (p *pass) event(kind, reason, action, message string) {
	p.events = append(p.events, shell.Event{Type: kind, Reason: reason, Action: action, Message: condition.Cut(message)})
}
