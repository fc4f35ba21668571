// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/apply"
	"github.com/beanpod-dev/beanpod/internal/desired/buildjob"
	"github.com/beanpod-dev/beanpod/internal/desired/isolation"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/outcome"
)

// begin makes the Job of an attempt, after the NetworkPolicy that confines it. Names are the same however often this is tried.
func (r *Reconciler) begin(ctx context.Context, ver *v1alpha1.ApplicationVersion, order buildjob.Order) error {
	if err := r.credentialsExist(ctx, ver); err != nil {
		return err
	}
	if err := r.confine(ctx, ver); err != nil {
		return err
	}
	job := buildjob.Job(order)
	err := r.client.Create(ctx, job, client.FieldOwner(apply.FieldManager))
	switch {
	case err == nil:
		return nil
	case apierrors.IsAlreadyExists(err):
		return r.alreadyThere(ctx, ver, job)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return failed(fmt.Sprintf("The API server refuses the build's Job: %s.", err))
	default:
		return fmt.Errorf("making Job %s: %w", job.Name, err)
	}
}

// alreadyThere looks at a Job with the name of ours: it may be our own of a moment ago, a predecessor's that is going away, or a
// stranger's.
func (r *Reconciler) alreadyThere(ctx context.Context, ver *v1alpha1.ApplicationVersion, job *batchv1.Job) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	err := r.live.Get(ctx, client.ObjectKeyFromObject(job), live)
	switch {
	case apierrors.IsNotFound(err):
		return &outcome.Wait{Reason: v1alpha1.ReasonProcessing, Message: "An older build is going away.", After: time.Second}
	case err != nil:
		return fmt.Errorf("looking at Job %s, which exists: %w", job.Name, err)
	case metav1.IsControlledBy(live, ver):
		return nil
	default:
		return failed(fmt.Sprintf("Job %s exists and does not belong to this version. Delete it, or create the version under another name.", job.Name))
	}
}

// confine writes the NetworkPolicy of the builds. A stranger with its name is left alone.
func (r *Reconciler) confine(ctx context.Context, ver *v1alpha1.ApplicationVersion) error {
	var have networkingv1.NetworkPolicy
	name := naming.BuildPolicy(ver.Name)
	err := r.client.Get(ctx, client.ObjectKey{Namespace: ver.Namespace, Name: name}, &have)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading NetworkPolicy %s: %w", name, err)
	}
	if err == nil && !metav1.IsControlledBy(&have, ver) {
		return failed(fmt.Sprintf("NetworkPolicy %s exists and does not belong to this version. Delete it, or create the version under another name.", name))
	}
	if err := r.client.Apply(ctx, isolation.Builds(ver, r.operator), client.FieldOwner(apply.FieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("applying NetworkPolicy %s: %w", name, err)
	}
	return nil
}

// openOrClose removes the NetworkPolicy once nothing is built any more, so that a namespace does not collect one for each version.
func (r *Reconciler) openOrClose(ctx context.Context, ver *v1alpha1.ApplicationVersion) error {
	if slices.ContainsFunc(ver.Status.Artifacts, func(a v1alpha1.Artifact) bool { return a.State == v1alpha1.ArtifactBuilding }) {
		return nil
	}
	var have networkingv1.NetworkPolicy
	err := r.client.Get(ctx, client.ObjectKey{Namespace: ver.Namespace, Name: naming.BuildPolicy(ver.Name)}, &have)
	if apierrors.IsNotFound(err) || err == nil && (!metav1.IsControlledBy(&have, ver) || have.DeletionTimestamp != nil) {
		return nil
	}
	if err == nil {
		err = client.IgnoreNotFound(r.client.Delete(ctx, &have, client.Preconditions{UID: &have.UID}))
	}
	if err != nil {
		return fmt.Errorf("deleting NetworkPolicy %s: %w", have.Name, err)
	}
	return nil
}
