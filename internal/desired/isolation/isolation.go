// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package isolation builds the NetworkPolicy of an environment. Pure; called by internal/desired.
package isolation

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// NetworkPolicy denies calls from the instances of other environments, except those of the same group and those allowed by
// name. Nobody calls the application of a Worker but its own daemon, and that only the operator. Whatever is not an environment of Beanpod may call: ingress controllers are found anywhere, and a policy can only allow.
func NetworkPolicy(s settings.Settings) (object.Object, error) {
	rule := networkingv1ac.NetworkPolicyIngressRule()
	switch {
	case s.Isolation.Open:
	case s.Worker != nil:
		rule = operator(s)
	default:
		rule.WithFrom(
			networkingv1ac.NetworkPolicyPeer().
				WithNamespaceSelector(metav1ac.LabelSelector()).
				WithPodSelector(metav1ac.LabelSelector().WithMatchExpressions(
					metav1ac.LabelSelectorRequirement().WithKey(v1alpha1.LabelEnvironmentUID).WithOperator(metav1.LabelSelectorOpDoesNotExist))),
			pods(map[string]string{v1alpha1.LabelGroup: s.Isolation.Group}),
		)
		for _, name := range s.Isolation.AllowFrom {
			rule.WithFrom(pods(map[string]string{v1alpha1.LabelEnvironment: name}))
		}
		for _, cidr := range s.Isolation.Trusted {
			rule.WithFrom(networkingv1ac.NetworkPolicyPeer().WithIPBlock(networkingv1ac.IPBlock().WithCIDR(cidr)))
		}
	}
	config := networkingv1ac.NetworkPolicy(s.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(naming.EnvironmentSelector(s.UID))).
			WithPolicyTypes(networkingv1.PolicyTypeIngress))
	if rule != nil {
		config.Spec.WithIngress(rule)
	}
	return object.New(naming.Child{Kind: naming.NetworkPolicy, Name: s.Name}, config)
}

func pods(labels map[string]string) *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer().WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(labels))
}

// operator lets the operator's namespace ask the queue daemon; nil: nobody may call.
func operator(s settings.Settings) *networkingv1ac.NetworkPolicyIngressRuleApplyConfiguration {
	if s.Isolation.Operator == "" {
		return nil
	}
	return networkingv1ac.NetworkPolicyIngressRule().
		WithPorts(networkingv1ac.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(contract.Port))).
		WithFrom(networkingv1ac.NetworkPolicyPeer().
			WithNamespaceSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: s.Isolation.Operator})))
}
