// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/deletion"
	"github.com/beanpod-dev/beanpod/internal/outcome"
)

// end does the next step of a deletion, which deletion.Next chooses. Everything that it is told was read live in this pass.
func (r *Reconciler) end(ctx context.Context, p *pass) error {
	o, err := r.look(ctx, p)
	if err != nil {
		return err
	}
	step := deletion.Next(o)
	r.absent.remember(p.claim.UID, step.AbsentSince)
	if err := r.act(ctx, p, o, step); err != nil {
		return err
	}
	if released(p.claim) {
		return nil
	}
	record := step.Record
	p.claim.Status.Deletion = &record
	if res := p.claim.Status.Resource; res == nil && step.ResourceID != "" && p.provider != nil {
		p.claim.Status.Resource = &v1alpha1.DatabaseResource{Provider: p.wanted.Provider, Name: p.wanted.Resource, ID: step.ResourceID}
	}
	p.verdicts = append(p.verdicts, condition.True(v1alpha1.ConditionTerminating, step.Reason, step.Message))
	return &outcome.Wait{Reason: step.Reason, Message: step.Message, After: step.After}
}

// look collects what is known of a claim that is being deleted.
func (r *Reconciler) look(ctx context.Context, p *pass) (deletion.Observed, error) {
	claim := p.claim
	users, err := r.liveUsers(ctx, claim)
	if err != nil {
		return deletion.Observed{}, err
	}
	p.users = users
	o := deletion.Observed{
		Now: p.at, Namespace: claim.Namespace, Claim: claim.Name, Resource: database.Resource(claim),
		UID: string(claim.UID), Requested: claim.DeletionTimestamp.Time, Edited: claim.Generation != p.before.Status.ObservedGeneration,
		Protected: database.Protected(claim), Policy: database.Policy(claim), External: claim.Spec.External != nil,
		Confirmation: claim.Annotations[v1alpha1.AnnotationConfirmDeletion], Users: users, OurMark: claim.Annotations[v1alpha1.AnnotationDatabaseID],
		Provisioned: claim.Status.Resource != nil || claim.Annotations[v1alpha1.AnnotationDatabaseID] != "",
		Delay:       r.DeletionDelay, AbsentSince: r.absent.since(claim.UID),
	}
	o.NewSnapshot = deletion.SnapshotName(o.Resource, p.at)
	if claim.Spec.ClassRef != nil {
		o.ClassName = claim.Spec.ClassRef.Name
	}
	if d := claim.Status.Deletion; d != nil {
		o.Record = *d
	}
	if claim.Status.Resource != nil {
		o.RecordedID = claim.Status.Resource.ID
	}
	holder, err := holderOf(ctx, r.Live, claim)
	if err != nil {
		return o, err
	}
	if holder != "" {
		// The data are another claim's: this one never had them, whatever its annotation says, and lets go of nothing.
		o.Provisioned, o.RecordedID = false, ""
		return o, nil
	}
	if o.External || p.class == nil {
		return o, nil
	}
	o.Class = deletion.ClassForbids
	if database.Allows(p.class, o.Policy) {
		o.Class = deletion.ClassAllows
	}
	if p.provider == nil {
		return o, nil
	}
	if missing, err := r.provision.Missing(p.provider.Kinds()); err != nil || missing != "" {
		return o, nil //nolint:nilerr // a provider that cannot be asked stays Unknown
	}
	return o, r.ask(ctx, p, &o)
}

// liveUsers lists the Environments that bind the claim, past the cache.
func (r *Reconciler) liveUsers(ctx context.Context, claim *v1alpha1.DatabaseClaim) ([]string, error) {
	var list v1alpha1.EnvironmentList
	if err := r.Live.List(ctx, &list, client.InNamespace(claim.Namespace)); err != nil {
		return nil, fmt.Errorf("listing the Environments that bind the claim: %w", err)
	}
	var out []string
	for i := range list.Items {
		if slices.Contains(claimsOf(&list.Items[i]), claim.Name) {
			out = append(out, list.Items[i].Name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// ask reads the provider's objects. What cannot be read stays unknown.
func (r *Reconciler) ask(ctx context.Context, p *pass, o *deletion.Observed) error {
	if err := r.secretOf(ctx, p); err != nil {
		return err
	}
	if err := r.read(ctx, p, p.provider.Refs(p.wanted)); err != nil {
		o.Provider, p.facts.Message = deletion.Unknown, err.Error()
		return nil
	}
	p.facts = p.provider.Read(p.wanted, p.have)
	o.Provider = deletion.Absent
	for _, ref := range p.provider.Doomed(p.wanted, p.have) {
		if live := p.have[ref]; live != nil {
			o.Provider = deletion.Present
			o.Mark = live.GetAnnotations()[v1alpha1.AnnotationDatabaseID]
			break
		}
	}
	o.FoundID = p.facts.ID
	if wait, held := r.brake.holds(p.claim, p.at); held {
		o.Brake = wait
	}
	return r.snapshotFor(ctx, p, o)
}

// secretOf resolves the claim, and finds the Secret of a database that was adopted.
func (r *Reconciler) secretOf(ctx context.Context, p *pass) error {
	p.wanted, _ = database.Resolve(p.claim, p.class, r.Operator) // what the class refuses by now exists all the same
	p.wanted.Clients = p.users
	switch b := p.claim.Status.Binding; {
	case b != nil:
		p.wanted.Secret = b.Name
	case p.claim.Spec.Adopt != nil:
		left, err := r.provision.Left(ctx, p.claim.Namespace, p.wanted.Resource)
		if err != nil {
			return err
		}
		if left.Secret != "" {
			p.wanted.Secret = left.Secret
		}
	}
	return nil
}

// snapshotFor says how far the snapshot is that policy Snapshot takes.
func (r *Reconciler) snapshotFor(ctx context.Context, p *pass, o *deletion.Observed) error {
	name := o.Record.Snapshot
	if o.Policy != v1alpha1.DatabaseSnapshot || name == "" {
		return nil
	}
	if err := r.readSnapshot(ctx, p, name); err != nil {
		return err
	}
	facts := p.provider.ReadSnapshot(p.wanted, name, p.have)
	o.SnapshotMessage = facts.Message
	switch {
	case facts.Usable:
		o.Snapshot = deletion.SnapshotUsable
		p.keepSnapshot(facts)
	case facts.Failed:
		o.Snapshot = deletion.SnapshotFailed
	case facts.Exists:
		o.Snapshot = deletion.SnapshotRunning
	}
	return nil
}

// act does what a step says. The status is written after it: whoever dies between the two does it again.
func (r *Reconciler) act(ctx context.Context, p *pass, o deletion.Observed, step deletion.Step) error {
	switch step.Action {
	case deletion.TakeSnapshot:
		_, err := r.take(ctx, p, step.Record.Snapshot)
		return err
	case deletion.KeepRecord:
		if err := r.keep(ctx, p); err != nil {
			return err
		}
		p.event(corev1.EventTypeNormal, "Retained", "Delete", fmt.Sprintf(
			"The database %s keeps running, with its Secret. Take it over with spec.adopt.providerResourceName of another DatabaseClaim.", database.Resource(p.claim)))
		return r.letGo(ctx, p)
	case deletion.Destroy:
		return r.destroy(ctx, p)
	case deletion.LetGo:
		return r.leave(ctx, p, o)
	default:
		return nil
	}
}

// keep writes what is left behind on the Secret that is left too.
func (r *Reconciler) keep(ctx context.Context, p *pass) error {
	claim := p.claim
	if claim.Status.Binding == nil && p.wanted.Secret == "" {
		return nil // nothing was ever made
	}
	record := database.Retained{
		Claim: claim.Name, ClaimUID: string(claim.UID), At: p.at.UTC().Format(time.RFC3339), Class: claim.Spec.ClassRef.Name,
		Resource: database.Resource(claim), ID: database.ID(claim), Engine: claim.Spec.Engine.Name,
		DatabaseName: orElse(claim.Spec.DatabaseName, "ebdb"), Username: orElse(claim.Spec.Username, "ebroot"), Storage: claim.Spec.Storage,
	}
	if p.class != nil {
		record.Provider = p.class.Spec.Provider
	}
	if res := claim.Status.Resource; res != nil {
		record.Provider, record.ProviderID = res.Provider, res.ID
	}
	name := p.wanted.Secret
	if claim.Status.Binding != nil {
		name = claim.Status.Binding.Name
	}
	return r.provision.Keep(ctx, claim.Namespace, name, record)
}

// destroy deletes the database: each object after a live read, and only with the identity of the claim's data on it. Nothing is done
// for a claim that is not, or not any more, what the decision was made about.
func (r *Reconciler) destroy(ctx context.Context, p *pass) error {
	var live v1alpha1.DatabaseClaim
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(p.claim), &live); err != nil {
		return fmt.Errorf("reading the claim before its database is deleted: %w", err)
	}
	if live.UID != p.claim.UID || live.ResourceVersion != p.claim.ResourceVersion {
		return &outcome.Wait{Reason: v1alpha1.ReasonDestroying, Message: "the claim changed a moment ago; looking again", After: time.Second}
	}
	r.brake.destroyed(p.claim, p.at)
	if p.claim.Status.Deletion == nil || p.claim.Status.Deletion.Phase != v1alpha1.DeletionDestroying {
		p.event(corev1.EventTypeNormal, "Destroying", "Delete", fmt.Sprintf("The database %s is being deleted, as spec.deletionPolicy %s says.", p.wanted.Resource, database.Policy(p.claim)))
	}
	if err := r.provision.Apply(ctx, p.provider.Release(p.wanted, p.have), p.have); err != nil {
		return err
	}
	if releaser, ok := p.provider.(database.Releaser); ok {
		if released, message := releaser.Released(p.wanted, p.have); !released {
			log.FromContext(ctx).Info("The provider's own protection is not lifted yet", "message", message)
			p.waits = append(p.waits, whileMaking)
			return nil
		}
	}
	for _, ref := range p.provider.Doomed(p.wanted, p.have) {
		fresh, err := r.provision.Read(ctx, p.claim.Namespace, []database.Ref{ref})
		if err != nil {
			return err
		}
		live := fresh[ref]
		if live == nil || live.GetDeletionTimestamp() != nil || !r.same(p, live) || owned(live, p.have) {
			continue
		}
		if err := r.provision.Delete(ctx, live); err != nil {
			return err
		}
	}
	return nil
}

// same says whether an object still is the one that the decision was made about.
func (r *Reconciler) same(p *pass, live *unstructured.Unstructured) bool {
	return live.GetAnnotations()[v1alpha1.AnnotationDatabaseID] == p.wanted.ID
}

// owned says whether an object goes with another one that was read: its deletion in the foreground ends only after this one's, which is up
// to whoever made both.
func owned(live *unstructured.Unstructured, have database.Objects) bool {
	return slices.ContainsFunc(live.GetOwnerReferences(), func(o metav1.OwnerReference) bool {
		for _, other := range have {
			if other != nil && other.GetUID() == o.UID {
				return true
			}
		}
		return false
	})
}

// leave lets go of a claim whose data are gone, or never were, with the Secrets that open nothing any more.
func (r *Reconciler) leave(ctx context.Context, p *pass, o deletion.Observed) error {
	if o.External {
		if err := r.letGoOfExternal(ctx, p); err != nil {
			return err
		}
		return r.letGo(ctx, p)
	}
	if p.provider != nil && p.wanted.Secret != "" && o.Provider == deletion.Absent {
		for _, name := range []string{p.wanted.Secret, database.AdminSecret(p.provider, p.wanted)} {
			if name == "" {
				continue
			}
			if err := r.provision.Forget(ctx, p.claim.Namespace, name, p.wanted.ID); err != nil {
				return err
			}
		}
	}
	if o.Provisioned {
		p.event(corev1.EventTypeNormal, "Deleted", "Delete", fmt.Sprintf("The database %s is gone.", database.Resource(p.claim)))
	}
	return r.letGo(ctx, p)
}
