// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/inputs"
	"github.com/beanpod-dev/beanpod/internal/outcome"
)

// sample makes the version of a platform's sample when that is what is missing, and then waits for it like for any other. It belongs to
// the Application, because other Environments may run it too, and goes with it or by the version lifecycle.
func (r *Reconciler) sample(ctx context.Context, env *v1alpha1.Environment, err error) error {
	var missing *inputs.SampleMissing
	if !errors.As(err, &missing) {
		return err
	}
	if leaving(env) || env.Spec.Paused {
		return waitForSample(missing)
	}
	var app v1alpha1.Application
	if err := r.client.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: env.Spec.ApplicationRef.Name}, &app); err != nil {
		return fmt.Errorf("loading the Application of the sample: %w", err)
	}
	ver := &v1alpha1.ApplicationVersion{ObjectMeta: metav1.ObjectMeta{
		Namespace: env.Namespace, Name: missing.Name, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "Application", Name: app.Name, UID: app.UID,
		}},
	}}
	ver.Spec.ApplicationRef.Name = app.Name
	ver.Spec.Source.Bundle = &v1alpha1.BundleSource{URL: v1alpha1.SampleURL + missing.Archive}
	if err := r.client.Create(ctx, ver); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making the sample's ApplicationVersion %s: %w", missing.Name, err)
	}
	return waitForSample(missing)
}

func waitForSample(missing *inputs.SampleMissing) error {
	return &outcome.Wait{
		Condition: v1alpha1.ConditionInputsResolved, Reason: v1alpha1.ReasonVersionNotReady,
		Message: fmt.Sprintf("spec.versionRef is not set; waiting until ApplicationVersion %q, the platform's sample, is built", missing.Name),
	}
}
