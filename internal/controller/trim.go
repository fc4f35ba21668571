// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// trim drops from the cache what nobody reads: managed fields everywhere, the last-applied annotation of children, and the
// whole content of other people's objects, of which only the names matter. It never touches resource versions.
func trim(obj any) (any, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return obj, nil //nolint:nilerr // tombstones have no metadata, and nothing to trim
	}
	m.SetManagedFields(nil)
	if lease, ok := obj.(*coordinationv1.Lease); ok {
		// It belongs to the daemons of its Environment: that it is there is all that counts here.
		lease.Spec = coordinationv1.LeaseSpec{}
		lease.Annotations = nil
	}
	if owner := metav1.GetControllerOf(m); owner == nil || owner.Kind != "Environment" && owner.Kind != "ApplicationVersion" {
		trimStranger(obj, m)
	}
	return obj, nil
}

func trimStranger(obj any, m metav1.Object) {
	switch o := obj.(type) {
	case *appsv1.Deployment:
		o.Spec, o.Status = appsv1.DeploymentSpec{}, appsv1.DeploymentStatus{}
	case *corev1.Service:
		o.Spec, o.Status = corev1.ServiceSpec{}, corev1.ServiceStatus{}
	case *corev1.ServiceAccount:
		o.Secrets, o.ImagePullSecrets = nil, nil
	case *networkingv1.Ingress:
		o.Spec, o.Status = networkingv1.IngressSpec{}, networkingv1.IngressStatus{}
	case *networkingv1.NetworkPolicy:
		o.Spec = networkingv1.NetworkPolicySpec{}
	case *autoscalingv2.HorizontalPodAutoscaler:
		said := o.Status.Conditions
		o.Spec, o.Status = autoscalingv2.HorizontalPodAutoscalerSpec{}, autoscalingv2.HorizontalPodAutoscalerStatus{}
		if o.Labels[v1alpha1.LabelEnvironment] != "" {
			o.Status.Conditions = said // KEDA's, for an Environment
		}
	case *policyv1.PodDisruptionBudget:
		o.Spec, o.Status = policyv1.PodDisruptionBudgetSpec{}, policyv1.PodDisruptionBudgetStatus{}
	case *appsv1.ControllerRevision:
		o.Data.Raw = nil
	case *batchv1.Job:
		o.Spec, o.Status = batchv1.JobSpec{}, batchv1.JobStatus{}
	case *gatewayv1.HTTPRoute:
		o.Spec, o.Status = gatewayv1.HTTPRouteSpec{}, gatewayv1.HTTPRouteStatus{}
	case *rbacv1.Role:
		o.Rules = nil
	case *rbacv1.RoleBinding:
		o.Subjects, o.RoleRef = nil, rbacv1.RoleRef{}
	case *unstructured.Unstructured:
		delete(o.Object, "spec")
		delete(o.Object, "status")
	case *metav1.PartialObjectMetadata:
	default:
		return
	}
	m.SetAnnotations(nil)
}
