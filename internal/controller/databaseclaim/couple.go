// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"fmt"

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
	facts := deletion.Coupling{RecordedUID: p.claim.Status.CoupledUID, Protected: database.Protected(p.claim)}
	var env v1alpha1.Environment
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: p.claim.Namespace, Name: name}, &env)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("reading Environment %s: %w", name, err)
	default:
		facts.Exists, facts.UID, facts.Deleting = true, string(env.UID), env.DeletionTimestamp != nil
	}
	end, uid, reason := deletion.Coupled(facts)
	p.claim.Status.CoupledUID = uid
	if reason != "" && uid == p.before.Status.CoupledUID {
		p.blocked = fmt.Sprintf("Environment %q, to which spec.coupledTo couples this claim, %s", name, reason)
	}
	if !end {
		return nil
	}
	uidNow, version := p.claim.UID, p.claim.ResourceVersion
	err = r.Client.Delete(ctx, p.claim.DeepCopy(), client.Preconditions{UID: &uidNow, ResourceVersion: &version})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the claim with its Environment: %w", err)
	}
	p.event(corev1.EventTypeNormal, "Coupled", "Delete", fmt.Sprintf("Environment %q, to which spec.coupledTo couples this claim, is deleted, and so is the claim; its data follow spec.deletionPolicy %s.", name, database.Policy(p.claim)))
	return nil
}
