// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/deletion"
)

// follow ends the claim with the Environment that it is coupled to. Whether its data end too is for the deletion to say.
func (r *Reconciler) follow(ctx context.Context, p *pass) error {
	coupling := p.claim.Spec.CoupledTo
	if coupling == nil {
		p.claim.Status.CoupledUID = ""
		return nil
	}
	name := coupling.EnvironmentRef.Name
	partner := deletion.Partner{Answer: deletion.Absent}
	var env v1alpha1.Environment
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: p.claim.Namespace, Name: name}, &env)
	switch {
	case apierrors.IsNotFound(err):
		if partner.Elsewhere, err = r.elsewhere(ctx, p.claim); err != nil {
			return err
		}
	case err != nil:
		return fmt.Errorf("reading Environment %s: %w", name, err)
	default:
		partner = deletion.Partner{Answer: deletion.Present, UID: string(env.UID), Deleting: env.DeletionTimestamp != nil}
	}
	end, uid, message := deletion.Coupled(deletion.Coupling{
		Namespace: p.claim.Namespace, Claim: p.claim.Name, Environment: name, RecordedUID: p.claim.Status.CoupledUID, Protected: database.Protected(p.claim),
	}, partner)
	p.claim.Status.CoupledUID, p.coupling = uid, message
	if !end {
		return nil
	}
	uidNow, version := p.claim.UID, p.claim.ResourceVersion
	err = r.Client.Delete(ctx, p.claim.DeepCopy(), client.Preconditions{UID: &uidNow, ResourceVersion: &version})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the claim with its Environment: %w", err)
	}
	p.event(corev1.EventTypeNormal, "Coupled", "Delete", message)
	p.ended = true
	return nil
}

// elsewhere says whether the Environment that was recorded exists under another name: spec.coupledTo was changed. Under the same name it can
// only be what a list that is older than the answer "not found" still has.
func (r *Reconciler) elsewhere(ctx context.Context, claim *v1alpha1.DatabaseClaim) (bool, error) {
	var list v1alpha1.EnvironmentList
	if err := r.Live.List(ctx, &list, client.InNamespace(claim.Namespace)); err != nil {
		return false, fmt.Errorf("listing Environments: %w", err)
	}
	return slices.ContainsFunc(list.Items, func(e v1alpha1.Environment) bool {
		return string(e.UID) == claim.Status.CoupledUID && e.Name != claim.Spec.CoupledTo.EnvironmentRef.Name
	}), nil
}
