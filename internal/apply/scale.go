// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Scale sets the number of instances of exactly this Deployment, and nothing else of it.
func (a *Applier) Scale(ctx context.Context, deployment snapshot.Object, replicas int32) error {
	config := appsv1ac.Deployment(deployment.GetName(), deployment.GetNamespace()).WithUID(deployment.GetUID()).
		WithSpec(appsv1ac.DeploymentSpec().WithReplicas(replicas))
	if err := a.Client.Apply(ctx, config, client.FieldOwner(ScaleManager), client.ForceOwnership); err != nil {
		return classify(fmt.Errorf("scaling Deployment %s: %w", deployment.GetName(), err))
	}
	return nil
}

// Spare says what it costs to lose an instance: when a Deployment shrinks, the cheapest go first.
func (a *Applier) Spare(ctx context.Context, namespace, pod, cost string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{corev1.PodDeletionCost: cost}}})
	if err != nil {
		return fmt.Errorf("writing the annotation of pod %s: %w", pod, err)
	}
	obj := &corev1.Pod{}
	obj.Namespace, obj.Name = namespace, pod
	err = a.Client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(ScaleManager))
	if err = client.IgnoreNotFound(err); err != nil {
		return fmt.Errorf("saying what pod %s holds: %w", pod, err)
	}
	return nil
}
