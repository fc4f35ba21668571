// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scaling builds what keeps the number of instances right: the autoscaler and the disruption budget. Pure; called by
// internal/desired.
package scaling

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	autoscalingv2ac "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// HorizontalPodAutoscaler scales the slot that gets requests. While a rollout has two slots it is held at one number.
func HorizontalPodAutoscaler(s settings.Settings, scaler plan.Scaler) (object.Object, error) {
	least, most := s.Min, s.Max
	if scaler.Hold > 0 {
		least, most = scaler.Hold, scaler.Hold
	}
	spec := autoscalingv2ac.HorizontalPodAutoscalerSpec().
		WithScaleTargetRef(autoscalingv2ac.CrossVersionObjectReference().
			WithAPIVersion("apps/v1").WithKind("Deployment").WithName(naming.Slot(s.Name, scaler.Slot))).
		WithMinReplicas(least).WithMaxReplicas(most).
		WithBehavior(autoscalingv2ac.HorizontalPodAutoscalerBehavior().
			WithScaleDown(autoscalingv2ac.HPAScalingRules().WithStabilizationWindowSeconds(s.Placement.ScaleDownStabilizationSeconds)))
	for _, t := range s.Placement.Triggers {
		name := corev1.ResourceCPU
		if t.Type == v1alpha1.TriggerMemory {
			name = corev1.ResourceMemory
		}
		spec.WithMetrics(autoscalingv2ac.MetricSpec().WithType(autoscalingv2.ResourceMetricSourceType).
			WithResource(autoscalingv2ac.ResourceMetricSource().WithName(name).
				WithTarget(autoscalingv2ac.MetricTarget().WithType(autoscalingv2.UtilizationMetricType).WithAverageUtilization(t.Target))))
	}
	config := autoscalingv2ac.HorizontalPodAutoscaler(s.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithSpec(spec)
	return object.New(naming.Child{Kind: naming.HorizontalPodAutoscaler, Name: s.Name}, config)
}

// PodDisruptionBudget lets nodes be drained one instance at a time. An instance that is not healthy may always go.
func PodDisruptionBudget(s settings.Settings) (object.Object, error) {
	config := policyv1ac.PodDisruptionBudget(s.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(naming.EnvironmentSelector(s.UID))))
	return object.New(naming.Child{Kind: naming.PodDisruptionBudget, Name: s.Name}, config)
}
