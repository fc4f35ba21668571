// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/provision"
)

const (
	// whileMaking and whileRunning are how often a provider is asked that tells nobody of changes.
	whileMaking, whileRunning = 5 * time.Second, 2 * time.Minute
)

// provide brings the database to what the claim says.
func (r *Reconciler) provide(ctx context.Context, p *pass) error {
	if err := r.hold(ctx, p); err != nil {
		return err
	}
	if err := r.adopt(ctx, p); err != nil {
		return err
	}
	if err := r.alone(ctx, p); err != nil {
		return err
	}
	var problems []database.Problem
	secret := p.wanted.Secret
	p.wanted, problems = database.Resolve(p.claim, p.class, r.Operator)
	p.wanted.Clients, p.wanted.Secret = p.users, cmp.Or(secret, p.wanted.Secret)
	problems = append(problems, p.provider.Problems(p.wanted)...)
	if err := r.read(ctx, p, p.provider.Refs(p.wanted)); err != nil {
		return err
	}
	p.facts = p.provider.Read(p.wanted, p.have)
	if err := errors.Join(r.ours(p), r.brought(p)); err != nil {
		return err
	}
	r.record(p)
	if len(problems) > 0 {
		return refused(problems)
	}
	if err := r.publish(ctx, p); err != nil {
		return err
	}
	if err := r.provision.Apply(ctx, p.provider.Objects(p.wanted, p.have), p.have); err != nil {
		return err
	}
	if e, ok := p.provider.(database.Examiner); ok {
		if problems := e.Examine(p.wanted, p.have); len(problems) > 0 {
			return refused(problems)
		}
	}
	return errors.Join(r.ready(p), r.snapshots(ctx, p), r.rotate(ctx, p))
}

// hold puts the finalizer and the identity of the data on the claim, before there are any.
func (r *Reconciler) hold(ctx context.Context, p *pass) error {
	before := p.claim.DeepCopy()
	changed := controllerutil.AddFinalizer(p.claim, v1alpha1.FinalizerDatabase)
	if p.claim.Annotations[v1alpha1.AnnotationDatabaseID] == "" && p.claim.Spec.Adopt == nil {
		r.identify(p, string(p.claim.UID))
		changed = true
	}
	if !changed {
		return nil
	}
	return r.patch(ctx, p, before)
}

func (r *Reconciler) identify(p *pass, id string) {
	if p.claim.Annotations == nil {
		p.claim.Annotations = map[string]string{}
	}
	p.claim.Annotations[v1alpha1.AnnotationDatabaseID] = id
}

// patch writes metadata of the claim; the status that was filled in memory stays.
func (r *Reconciler) patch(ctx context.Context, p *pass, before *v1alpha1.DatabaseClaim) error {
	status := p.claim.Status.DeepCopy()
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := r.Client.Patch(ctx, p.claim, patch)
	status.DeepCopyInto(&p.claim.Status)
	if err != nil {
		return fmt.Errorf("changing the metadata of DatabaseClaim %s: %w", p.claim.Name, err)
	}
	p.before.ObjectMeta = *p.claim.ObjectMeta.DeepCopy()
	return nil
}

// adopt finds the database that spec.adopt names, and takes over its identity. Its data are not touched.
func (r *Reconciler) adopt(ctx context.Context, p *pass) error {
	if p.claim.Spec.Adopt == nil {
		return nil
	}
	name := p.claim.Spec.Adopt.ProviderResourceName
	left, err := r.provision.Left(ctx, p.claim.Namespace, name)
	if err != nil {
		return err
	}
	id := p.claim.Annotations[v1alpha1.AnnotationDatabaseID]
	p.wanted.Secret = left.Secret
	switch {
	case id != "" && id == left.ID:
		return nil
	case left.Record == nil || id != "":
		return nothingToAdopt("spec.adopt.providerResourceName is %q, and no Secret of this namespace says that a DatabaseClaim left a database of that name behind; list them: "+
			"kubectl -n %s get secrets -l %s", name, p.claim.Namespace, v1alpha1.LabelDatabase)
	}
	if err := fits(p, *left.Record); err != nil {
		return err
	}
	before := p.claim.DeepCopy()
	r.identify(p, left.ID)
	return r.patch(ctx, p, before)
}

// fits demands that a claim says of a retained database what the earlier one said.
func fits(p *pass, record database.Retained) error {
	spec := p.claim.Spec
	if record.Provider != p.class.Spec.Provider {
		return nothingToAdopt("spec.adopt.providerResourceName is %q, which %s made, and DatabaseClass %q has the provider %s; create the claim with the class %q",
			record.Resource, record.Provider, p.class.Name, p.class.Spec.Provider, record.Class)
	}
	for _, is := range [][3]string{
		{"engine.name", spec.Engine.Name, record.Engine},
		{"databaseName", cmp.Or(spec.DatabaseName, "ebdb"), record.DatabaseName},
		{"username", cmp.Or(spec.Username, "ebroot"), record.Username},
	} {
		if is[1] != is[2] {
			return nothingToAdopt("spec.%s is %q, and the database %q has %q; create the claim with that", is[0], is[1], record.Resource, is[2])
		}
	}
	return nil
}

func nothingToAdopt(format string, args ...any) error {
	return &outcome.Stall{Reason: v1alpha1.ReasonNothingToAdopt, Message: fmt.Sprintf(format, args...), After: time.Minute}
}

// alone refuses an identity that another claim has too: it was copied, adopted twice, or brought back by a backup.
func (r *Reconciler) alone(ctx context.Context, p *pass) error {
	holder, err := holderOf(ctx, r.Client, p.claim)
	if err != nil || holder == "" {
		return err
	}
	return &outcome.Stall{Reason: v1alpha1.ReasonDatabaseTaken, After: time.Minute, Message: fmt.Sprintf(
		"the database of this claim (annotation %s: %s) is that of DatabaseClaim %q, which is older; delete one of the two claims, or take the annotation away from this one",
		v1alpha1.AnnotationDatabaseID, p.claim.Annotations[v1alpha1.AnnotationDatabaseID], holder)}
}

// holderOf names the older claim that has the same data; empty: there is none, and they are this claim's.
func holderOf(ctx context.Context, reader client.Reader, claim *v1alpha1.DatabaseClaim) (string, error) {
	var list v1alpha1.DatabaseClaimList
	if err := reader.List(ctx, &list, client.InNamespace(claim.Namespace)); err != nil {
		return "", fmt.Errorf("listing the claims of the namespace: %w", err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID != claim.UID && database.ID(other) == database.ID(claim) && !older(claim, other) {
			return other.Name, nil
		}
	}
	return "", nil
}

func older(a, b *v1alpha1.DatabaseClaim) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.UID < b.UID
}

// ours refuses names that belong to other data, identities that another claim has too, and a database that is not the one it was.
func (r *Reconciler) ours(p *pass) error {
	refs := append(p.provider.Doomed(p.wanted, p.have), refsOf(p.provider.Objects(p.wanted, p.have))...)
	if taken := provision.Strangers(p.have, refs, p.wanted.ID); len(taken) > 0 {
		return takenBy(p, strings.Join(unique(taken), ", "))
	}
	was := p.before.Status.Resource
	if was == nil || was.ID == "" || was.ID == p.facts.ID {
		return nil
	}
	what := "is not there any more"
	if p.facts.ID != "" {
		what = "was replaced by another one (" + p.facts.ID + ")"
	}
	p.facts.Ready = false
	p.verdicts = append(p.verdicts, condition.False(v1alpha1.ConditionProvisioned, v1alpha1.ReasonMissing, "the database "+what))
	return &outcome.Stall{Condition: v1alpha1.ConditionProvisioned, Reason: v1alpha1.ReasonMissing, After: time.Minute, Message: fmt.Sprintf(
		"the database %s (%s) of this claim %s, and nothing is made in its place; bring it back, or delete this claim and create one with spec.restoreFrom", was.Name, was.ID, what)}
}

func takenBy(p *pass, what string) error {
	return &outcome.Stall{Reason: v1alpha1.ReasonDatabaseTaken, After: time.Minute, Message: fmt.Sprintf(
		"%s exists and belongs to other data, which are left alone; to take over a database that an earlier claim retained, create the claim with spec.adopt.providerResourceName: %s, or else choose another name",
		what, p.wanted.Resource)}
}

func refsOf(objects []database.Object) []database.Ref {
	var out []database.Ref
	for _, o := range objects {
		out = append(out, o.Ref)
	}
	return out
}

func unique(words []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, w := range words {
		if !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	return out
}

func refused(problems []database.Problem) error {
	var words []string
	for _, one := range problems {
		words = append(words, one.Field+": "+one.Message)
	}
	return &outcome.Stall{Reason: v1alpha1.ReasonClassRefuses, Message: strings.Join(words, "; ")}
}

// record writes what the provider says into the status.
func (r *Reconciler) record(p *pass) {
	st := &p.claim.Status
	if p.facts.Exists && p.facts.ID != "" {
		st.Resource = &v1alpha1.DatabaseResource{
			Provider: p.wanted.Provider, Name: p.wanted.Resource, ID: p.facts.ID, EngineVersion: p.facts.EngineVersion, Storage: p.facts.Storage,
		}
	}
	if p.facts.Host != "" {
		st.Endpoint = &v1alpha1.DatabaseEndpoint{Host: p.facts.Host, Port: p.facts.Port}
	}
}

// publish makes the Secret before the database, which takes its password from there, and completes it once the address is known.
func (r *Reconciler) publish(ctx context.Context, p *pass) error {
	labels := p.wanted.Labels()
	if l, ok := p.provider.(database.Labeller); ok {
		maps.Copy(labels, l.SecretLabels())
	}
	complete, version, err := r.provision.Publish(ctx, provision.Binding{
		Namespace: p.claim.Namespace, Name: p.wanted.Secret, Labels: labels, Annotations: bindingAnnotations(p.wanted),
		Type: bindingType(p.wanted.Engine), Provider: strings.ToLower(string(p.wanted.Provider)), Host: p.facts.Host, Port: p.facts.Port,
		Database: p.wanted.Database, Username: p.wanted.Username,
	}, p.before.Status.Resource != nil || p.facts.Exists || p.older())
	if err := r.secretProblem(p.wanted.Secret, p.wanted.Resource, err); err != nil {
		return err
	}
	if admin := database.AdminSecret(p.provider, p.wanted); admin != "" {
		err := r.provision.Password(ctx, p.claim.Namespace, admin, "", p.wanted.Labels(), p.wanted.Annotations())
		if err := r.secretProblem(admin, p.wanted.Resource, err); err != nil {
			return err
		}
	}
	p.published, p.version = complete, version
	p.claim.Status.Binding = &v1alpha1.ServiceBinding{Name: p.wanted.Secret}
	return nil
}

func (r *Reconciler) secretProblem(name, resource string, err error) error {
	switch {
	case errors.Is(err, provision.ErrStranger):
		return &outcome.Stall{Condition: v1alpha1.ConditionCredentialsPublished, Reason: v1alpha1.ReasonDatabaseTaken, After: time.Minute, Message: fmt.Sprintf(
			"Secret %s exists and belongs to something else, which is left alone; to take over a database that an earlier claim retained, create the claim with spec.adopt.providerResourceName: %s, "+
				"or else choose another name for the claim", name, resource)}
	case errors.Is(err, provision.ErrLost):
		return &outcome.Stall{Condition: v1alpha1.ConditionCredentialsPublished, Reason: v1alpha1.ReasonNotPublished, After: time.Minute, Message: fmt.Sprintf(
			"Secret %s with the credentials is gone, and the database takes no other password; bring the Secret back from a backup (the data are untouched)", name)}
	default:
		return err
	}
}

func bindingAnnotations(w database.Wanted) map[string]string {
	out := w.Annotations()
	out[v1alpha1.AnnotationBindingOf] = w.Resource
	return out
}

// bindingType is servicebinding.io's word for an engine.
func bindingType(engine string) string {
	if engine == "postgres" {
		return "postgresql"
	}
	return engine
}

// ready says what is still to come.
func (r *Reconciler) ready(p *pass) error {
	switch {
	case p.facts.Failed:
		p.waits = append(p.waits, whileMaking)
		return &outcome.Stall{Condition: v1alpha1.ConditionProvisioned, Reason: v1alpha1.ReasonProvisioningFailed, After: time.Minute, Message: "the database cannot be provided: " + p.facts.Message}
	case !p.facts.Ready || !p.published:
		return &outcome.Wait{Condition: v1alpha1.ConditionProvisioned, Reason: v1alpha1.ReasonProvisioning, After: whileMaking, Message: cmp.Or(p.facts.Message, "the database is being made")}
	default:
		p.waits = append(p.waits, whileRunning)
		return nil
	}
}
