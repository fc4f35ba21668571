// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Said is what KEDA says of a ScaledObject that matters to its Environment. Two that are equal need no second look.
type Said struct {
	// Status of its condition Ready, with reason and message; empty: none yet.
	Status, Reason, Message string
	// Autoscaler is the name of the HorizontalPodAutoscaler that KEDA made for it; empty: none yet.
	Autoscaler string
}

// Hear reads the status of a ScaledObject. A reason comes with KEDA's first word: before, its conditions only exist.
func Hear(scaled *unstructured.Unstructured) Said {
	var said Said
	said.Autoscaler, _, _ = unstructured.NestedString(scaled.Object, "status", "hpaName")
	conditions, _, _ := unstructured.NestedSlice(scaled.Object, "status", "conditions")
	for _, c := range conditions {
		fields, ok := c.(map[string]any)
		if !ok || fields["type"] != "Ready" {
			continue
		}
		said.Status, _, _ = unstructured.NestedString(fields, "status")
		said.Reason, _, _ = unstructured.NestedString(fields, "reason")
		said.Message, _, _ = unstructured.NestedString(fields, "message")
	}
	return said
}

// Impeded is the condition of an autoscaler that cannot scale, for example because nobody tells it the metric; nil when it can, or
// has no instances to scale.
func Impeded(a *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscalerCondition {
	for i := range a.Status.Conditions {
		c := &a.Status.Conditions[i]
		if c.Type == autoscalingv2.ScalingActive && c.Status == corev1.ConditionFalse && c.Reason != "ScalingDisabled" {
			return c
		}
	}
	return nil
}

// empty says whether no instance is wanted of what KEDA scales. Then KEDA itself scales, and the last word of its autoscaler is old.
func empty(scaled *unstructured.Unstructured, children snapshot.Children) bool {
	name, _, _ := unstructured.NestedString(scaled.Object, "spec", "scaleTargetRef", "name")
	d, ok := children[naming.Child{Kind: naming.Deployment, Name: name}].(*appsv1.Deployment)
	return ok && d.Spec.Replicas != nil && *d.Spec.Replicas == 0
}

// scaler reads what is said of the Environment's ScaledObject. KEDA says once that it is ready, and nothing when it dies; then
// its autoscaler gets no answer any more.
func scaler(ctx context.Context, reader client.Reader, env *v1alpha1.Environment, children snapshot.Children) (snapshot.Scaler, error) {
	scaled, ok := children[naming.Child{Kind: naming.ScaledObject, Name: env.Name}].(*unstructured.Unstructured)
	if !ok || !metav1.IsControlledBy(scaled, env) || scaled.GetDeletionTimestamp() != nil {
		return snapshot.Scaler{}, nil
	}
	said := Hear(scaled)
	out := snapshot.Scaler{Name: scaled.GetName(), Ready: said.Status == "True", Silent: said.Reason == "" && said.Status != "True"}
	if !out.Ready {
		out.Reason, out.Message = said.Reason, said.Message
	}
	if said.Autoscaler == "" || empty(scaled, children) {
		return out, nil
	}
	var autoscaler autoscalingv2.HorizontalPodAutoscaler
	err := reader.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: said.Autoscaler}, &autoscaler, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return out, fmt.Errorf("reading HorizontalPodAutoscaler %s: %w", said.Autoscaler, err)
	}
	if c := Impeded(&autoscaler); out.Ready && !apierrors.IsNotFound(err) && c != nil {
		out.Ready, out.Reason, out.Message = false, c.Reason, c.Message
	}
	return out, nil
}
