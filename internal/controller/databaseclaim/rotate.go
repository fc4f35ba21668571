// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// overlap is how long both logins work at least: files of mounted Secrets follow up to 90 seconds later, the database's own probe included.
const overlap = 2 * time.Minute

// rotate gives applications another login, as was asked for by annotation: a new one is made, published, and once every Environment runs
// with it the others end. Each step is found again from what there is, so it goes on after a crash.
func (r *Reconciler) rotate(ctx context.Context, p *pass) error {
	token := p.claim.Annotations[v1alpha1.AnnotationRotateRequested]
	if token == "" || token == operations(p.claim).Rotate || !p.facts.Ready {
		return nil
	}
	rotator, ok := p.provider.(database.Rotator)
	if why := p.unrotatable(); why != "" || !ok {
		p.endRotation(token, "RotationUnsupported", why)
		return nil
	}
	rotation := rotator.Rotation(p.wanted, token)
	if err := r.read(ctx, p, rotator.RotationRefs(p.wanted, rotation)); err != nil {
		return err
	}
	switch add := rotator.ReadAdd(p.wanted, rotation, p.have); {
	case add.Failed:
		p.endRotation(token, "RotationFailed", add.Message)
		return nil
	case !add.Exists:
		done, err := r.provision.Rotated(ctx, p.claim.Namespace, p.wanted.Secret, rotation.Role, rotation.PasswordSecret)
		if err != nil {
			return err
		}
		if done { // and status has been lost since
			p.operated().Rotate = token
			return nil
		}
		p.waits = append(p.waits, whileMaking)
		if err := r.provision.Password(ctx, p.claim.Namespace, rotation.PasswordSecret, rotation.Role, p.wanted.Labels(), p.wanted.Annotations()); err != nil {
			return err
		}
		return r.provision.Apply(ctx, rotator.Add(p.wanted, rotation, p.have), p.have)
	case !add.Done:
		p.waits = append(p.waits, whileMaking)
		return nil
	}
	return r.switchLogin(ctx, p, rotator, rotation)
}

// unrotatable says why the password of this database cannot be rotated; empty: it can.
func (p *pass) unrotatable() string {
	if _, ok := p.provider.(database.Rotator); !ok {
		return fmt.Sprintf("The provider %s cannot rotate passwords.", p.wanted.Provider)
	}
	if u, ok := p.provider.(database.Unrotatable); ok {
		return u.Unrotatable(p.wanted, p.have)
	}
	return ""
}

// switchLogin publishes the new login, and ends the others once nobody needs them.
func (r *Reconciler) switchLogin(ctx context.Context, p *pass, rotator database.Rotator, rotation database.Rotation) error {
	version, since, err := r.provision.Login(ctx, p.claim.Namespace, p.wanted.Secret, rotation.Role, rotation.PasswordSecret)
	if err != nil {
		return err
	}
	p.waits = append(p.waits, whileMaking)
	if since.IsZero() {
		// At once: the status does not change yet.
		r.Recorder.Eventf(p.claim, nil, corev1.EventTypeNormal, "Rotating", "Rotate", "Secret %s has the new login %s; the old one ends once every Environment runs with it.", p.wanted.Secret, rotation.Role)
		return nil
	}
	if left := since.Add(overlap).Sub(p.at); left > 0 {
		p.waits = append(p.waits, left)
		return nil
	}
	if behind, err := r.behind(ctx, p, version); err != nil || behind {
		return err
	}
	switch drop := rotator.ReadDrop(p.wanted, rotation, p.have); {
	case drop.Failed:
		p.endRotation(rotation.Token, "RotationFailed", drop.Message)
		return nil
	case !drop.Exists:
		return r.provision.Apply(ctx, rotator.Drop(p.wanted, rotation, p.have), p.have)
	case !drop.Done:
		return nil
	}
	if err := r.provision.Forget(ctx, p.claim.Namespace, rotation.PasswordSecret, p.wanted.ID); err != nil {
		return err
	}
	p.operated().Rotate = rotation.Token
	p.event(corev1.EventTypeNormal, "Rotated", "Rotate", fmt.Sprintf("Only the login %s of Secret %s opens the database now.", rotation.Role, p.wanted.Secret))
	return nil
}

// endRotation gives up what a token asks for. Events are told with a change of the status, which the token is.
func (p *pass) endRotation(token, reason, message string) {
	p.operated().Rotate = token
	p.event(corev1.EventTypeWarning, reason, "Rotate", message)
}

// behind says whether an Environment has instances with an earlier version of the Secret.
func (r *Reconciler) behind(ctx context.Context, p *pass, version string) (bool, error) {
	var list v1alpha1.EnvironmentList
	if err := r.Live.List(ctx, &list, client.InNamespace(p.claim.Namespace)); err != nil {
		return false, fmt.Errorf("listing the Environments that bind the claim: %w", err)
	}
	for i := range list.Items {
		env := &list.Items[i]
		for _, name := range claimsOf(env) {
			if name == p.claim.Name && !runsWith(env, name, version) {
				return true, nil
			}
		}
	}
	return false, nil
}

func runsWith(env *v1alpha1.Environment, claim, version string) bool {
	for _, d := range env.Status.Databases {
		if d.Claim == claim {
			return d.SecretResourceVersion == version
		}
	}
	return false
}
