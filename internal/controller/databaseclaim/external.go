// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/provision"
)

// handOn publishes how to connect to a database that somebody else runs.
func (r *Reconciler) handOn(ctx context.Context, p *pass) error {
	if err := r.hold(ctx, p); err != nil {
		return err
	}
	ext := p.claim.Spec.External
	st := &p.claim.Status
	st.Endpoint = &v1alpha1.DatabaseEndpoint{Host: ext.Host, Port: ext.Port}
	p.verdicts = append(p.verdicts, condition.True(v1alpha1.ConditionProvisioned, v1alpha1.ReasonExternal, "somebody else runs the database"))
	var given corev1.Secret
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: p.claim.Namespace, Name: ext.CredentialsRef.Name}, &given)
	if apierrors.IsNotFound(err) {
		return &outcome.Stall{Condition: v1alpha1.ConditionCredentialsPublished, Reason: v1alpha1.ReasonNotPublished, Message: fmt.Sprintf(
			"spec.external.credentialsRef names Secret %q, which does not exist; create it with the keys username and password", ext.CredentialsRef.Name)}
	}
	if err != nil {
		return fmt.Errorf("reading Secret %s: %w", ext.CredentialsRef.Name, err)
	}
	for _, key := range []string{"username", "password"} {
		if len(given.Data[key]) == 0 {
			return &outcome.Stall{Condition: v1alpha1.ConditionCredentialsPublished, Reason: v1alpha1.ReasonNotPublished, Message: fmt.Sprintf(
				"Secret %q, which spec.external.credentialsRef names, has nothing in the key %s; add it", ext.CredentialsRef.Name, key)}
		}
	}
	w := database.Wanted{Namespace: p.claim.Namespace, Claim: p.claim.Name, ID: database.ID(p.claim), Resource: p.claim.Name}
	name := naming.DatabaseSecret(p.claim.Name)
	complete, version, err := r.provision.Publish(ctx, provision.Binding{
		Namespace: p.claim.Namespace, Name: name, Labels: w.Labels(), Annotations: w.Annotations(),
		Type: bindingType(p.claim.Spec.Engine.Name), Provider: "external", Host: ext.Host, Port: ext.Port,
		Database: p.claim.Spec.DatabaseName, Username: string(given.Data["username"]), Password: string(given.Data["password"]),
	}, false)
	if err := r.secretProblem(name, p.claim.Name, err); err != nil {
		return err
	}
	p.published, p.version = complete, version
	st.Binding = &v1alpha1.ServiceBinding{Name: name}
	return nil
}

// letGoOfExternal deletes the copy of the credentials, which is ours, unless Environments still live by it; theirs stays.
func (r *Reconciler) letGoOfExternal(ctx context.Context, p *pass) error {
	if len(p.users) > 0 {
		return nil
	}
	return r.provision.Forget(ctx, p.claim.Namespace, naming.DatabaseSecret(p.claim.Name), database.ID(p.claim))
}

// letGo takes the finalizer away.
func (r *Reconciler) letGo(ctx context.Context, p *pass) error {
	before := p.claim.DeepCopy()
	if !controllerutil.RemoveFinalizer(p.claim, v1alpha1.FinalizerDatabase) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, p.claim, patch); client.IgnoreNotFound(err) != nil {
		before.DeepCopyInto(p.claim)
		return fmt.Errorf("changing finalizer %s: %w", v1alpha1.FinalizerDatabase, err)
	}
	return nil
}
