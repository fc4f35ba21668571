// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/store"
)

// settled is how long an object must have been in the store before it is deleted: a version that is being built at this moment may have
// the same bytes, and cannot say so yet. What is younger stays.
const settled = time.Hour

const storeScheme = "store://"

// discard deletes what a version that was just deleted has in the store, if the Application says so and no other version has the same.
// It comes after the deletion, which alone tells that nobody began to use the version meanwhile: a crash in between leaves bytes, never
// an Environment without them. A version with a finalizer is still used, and leaves its source.
func (r *Reconciler) discard(ctx context.Context, app *v1alpha1.Application, ver *v1alpha1.ApplicationVersion) error {
	policy := app.Spec.VersionLifecycle
	if r.store == nil || policy == nil || policy.SourceBundle != v1alpha1.SourceBundleDelete || len(ver.Finalizers) > 0 {
		return nil
	}
	doomed := stored(ver)
	if len(doomed) == 0 {
		return nil
	}
	var all v1alpha1.ApplicationVersionList
	if err := r.client.List(ctx, &all, client.InNamespace(ver.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the versions that share its source: %w", err)
	}
	for i := range all.Items {
		if other := &all.Items[i]; other.UID != ver.UID {
			for k := range stored(other) {
				delete(doomed, k)
			}
		}
	}
	for k := range doomed {
		if err := r.deleteObject(ctx, k); err != nil {
			return fmt.Errorf("deleting %s from the store: %w", k.Path(), err)
		}
	}
	return nil
}

func (r *Reconciler) deleteObject(ctx context.Context, k store.Key) error {
	o, err := r.store.Stat(ctx, k)
	if errors.Is(err, store.ErrNotFound) || (err == nil && r.now().Sub(o.Modified) < settled) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.store.Delete(ctx, k)
}

// stored are the objects that a version has in the store: its upload, and its artifacts.
func stored(ver *v1alpha1.ApplicationVersion) map[store.Key]bool {
	out := map[store.Key]bool{}
	bundle := ver.Spec.Source.Bundle
	if bundle == nil {
		return out
	}
	if name, ok := strings.CutPrefix(bundle.URL, storeScheme); ok && !strings.HasPrefix(bundle.URL, v1alpha1.SampleURL) {
		out[store.Key{Namespace: ver.Namespace, Kind: store.Upload, Name: name}] = true
	}
	for _, a := range ver.Status.Artifacts {
		if a.SHA256 != "" {
			out[store.Key{Namespace: ver.Namespace, Kind: store.Artifact, Name: a.SHA256}] = true
		}
	}
	for k := range out {
		if !k.Valid() {
			delete(out, k)
		}
	}
	return out
}
