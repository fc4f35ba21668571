// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/registry"
)

const (
	// shortestPause and longestPause bound how long a registry is left alone after it did not answer.
	shortestPause = 5 * time.Second
	longestPause  = 5 * time.Minute
	// patience is the age at which a version that is still not resolved counts as failed.
	patience = 10 * time.Minute
)

// resolve fills status.image. It asks a registry only while there is no digest: a tag that moves later changes nothing.
func (r *Reconciler) resolve(ctx context.Context, ver *v1alpha1.ApplicationVersion) error {
	source := ver.Spec.Source.Image
	if source.PullPolicy == v1alpha1.PullNever {
		ver.Status.Image = &v1alpha1.ResolvedImage{Reference: source.Reference}
		return nil
	}
	if resolved(ver) {
		return nil
	}
	keys, err := r.credentials(ctx, ver)
	if err != nil {
		return err
	}
	digest, err := r.registry.Digest(ctx, source.Reference, keys)
	if err != nil {
		return verdictOn(err, source.Reference, r.now().Sub(ver.CreationTimestamp.Time))
	}
	ver.Status.Image = &v1alpha1.ResolvedImage{Reference: source.Reference, Digest: digest}
	return nil
}

// resolved says whether the digest of the version's image is known.
func resolved(ver *v1alpha1.ApplicationVersion) bool {
	source, image := ver.Spec.Source.Image, ver.Status.Image
	return source != nil && image != nil && image.Digest != "" && image.Reference == source.Reference
}

// credentials reads the pull Secret; nil when the version names none.
func (r *Reconciler) credentials(ctx context.Context, ver *v1alpha1.ApplicationVersion) (*registry.Credentials, error) {
	ref := ver.Spec.Source.Image.PullSecretRef
	if ref == nil {
		return nil, nil
	}
	var secret corev1.Secret
	err := r.live.Get(ctx, client.ObjectKey{Namespace: ver.Namespace, Name: ref.Name}, &secret)
	if apierrors.IsNotFound(err) {
		return nil, failed(fmt.Sprintf("Secret %s, which spec.source.image.pullSecretRef names, does not exist. Create it with type %s.",
			ref.Name, corev1.SecretTypeDockerConfigJson))
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", ref.Name, err)
	}
	keys, err := registry.NewCredentials(&secret)
	if err != nil {
		return nil, failed(fmt.Sprintf("Secret %s, which spec.source.image.pullSecretRef names, %s. Replace it.", ref.Name, err))
	}
	return keys, nil
}

// verdictOn decides what a registry's problem means for a version of some age. The age stands in for a count of attempts, which
// would have to be stored.
func verdictOn(err error, reference string, age time.Duration) error {
	var problem *registry.Problem
	switch {
	case errors.As(err, &problem) && problem.Definite:
		return failed(fmt.Sprintf("Resolving %s: %s. %s", reference, problem.Message, problem.Next))
	case age < patience:
		return &outcome.Wait{
			Reason:  v1alpha1.ReasonProcessing,
			Message: fmt.Sprintf("Resolving %s: %s. It is tried again, with growing pauses.", reference, err),
			After:   pause(age),
		}
	default:
		return failed(fmt.Sprintf("Resolving %s: %s. Make the registry answer to the operator.", reference, err))
	}
}

// failed stalls the version, but looks again: the registry sends no event when it changes.
func failed(message string) error {
	return &outcome.Stall{
		Reason:  v1alpha1.ReasonFailed,
		Message: message + " It is looked at again every 5 minutes.",
		After:   longestPause,
	}
}

// pause doubles the age with each attempt, which gives 5, 10, 20 seconds and so on, up to 5 minutes.
func pause(age time.Duration) time.Duration {
	return min(max(age/2, shortestPause), longestPause)
}
