// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// handOver lets another manager own the live number of instances, if we own it, before ours lets go of it.
func (a *Applier) handOver(ctx context.Context, w object.Object, live snapshot.Object) error {
	d, ok := live.(*appsv1.Deployment)
	if !ok || d.Spec.Replicas == nil {
		return nil
	}
	was := settings.Scaler(d.Annotations[v1alpha1.AnnotationScaler])
	next, _, _ := unstructured.NestedString(w.Intent, "metadata", "annotations", v1alpha1.AnnotationScaler)
	switch scaled := was != "" && was != settings.ScalerNone; {
	case settings.Scaler(next) == settings.ScalerHPA && was != settings.ScalerHPA && *d.Spec.Replicas == 0:
		// A HorizontalPodAutoscaler leaves what has no instance alone, so it must begin as with a new Deployment.
		return a.seed(ctx, w, nil)
	case scaled:
		return nil
	default:
		return a.seed(ctx, w, d.Spec.Replicas)
	}
}

func (a *Applier) seed(ctx context.Context, w object.Object, live *int32) error {
	config := w.Seed(live)
	if config == nil {
		return nil
	}
	if err := a.Client.Apply(ctx, config, client.FieldOwner(SeedManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("seeding %s: %w", w.Child, err)
	}
	return nil
}
