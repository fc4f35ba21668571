// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// maxUsers is how many Environments status lists.
const maxUsers = 50

// released says whether a deleted claim does not wait for us.
func released(claim *v1alpha1.DatabaseClaim) bool {
	return !claim.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(claim, v1alpha1.FinalizerDatabase)
}

// lookUp finds who uses the claim and who provides it.
func (r *Reconciler) lookUp(ctx context.Context, p *pass) error {
	var list v1alpha1.EnvironmentList
	if err := r.Client.List(ctx, &list, client.InNamespace(p.claim.Namespace), client.MatchingFields{indexClaim: p.claim.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the Environments that bind the claim: %w", err)
	}
	for i := range list.Items {
		p.users = append(p.users, list.Items[i].Name)
	}
	slices.Sort(p.users)
	if p.claim.Spec.ClassRef == nil || !r.ClusterScoped {
		return nil
	}
	var class v1alpha1.DatabaseClass
	err := r.Client.Get(ctx, client.ObjectKey{Name: p.claim.Spec.ClassRef.Name}, &class)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading DatabaseClass %s: %w", p.claim.Spec.ClassRef.Name, err)
	}
	p.class, p.provider = &class, r.Providers[class.Spec.Provider]
	return nil
}

// claimsOf names the claims that an Environment binds, or still uses although its spec does not say so any more.
func claimsOf(env *v1alpha1.Environment) []string {
	var out []string
	for _, d := range env.Spec.Databases {
		out = append(out, d.ClaimRef.Name)
	}
	for _, d := range env.Status.Databases {
		out = append(out, d.Claim)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// read reads everything that the provider may have made.
func (r *Reconciler) read(ctx context.Context, p *pass, refs []database.Ref) error {
	have, err := r.provision.Read(ctx, p.claim.Namespace, refs)
	if err != nil {
		return err
	}
	if p.have == nil {
		p.have = database.Objects{}
	}
	for ref, obj := range have {
		p.have[ref] = obj
	}
	return nil
}

func quote(name string) string { return fmt.Sprintf("%q", name) }
