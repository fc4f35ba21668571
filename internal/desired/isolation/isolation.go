// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package isolation builds the NetworkPolicy of an environment. Pure; called by internal/desired.
package isolation

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// NetworkPolicy denies calls from the instances of other environments, except those of the same group and those allowed by
// name. Whatever is not an environment of Beanpod may call: ingress controllers are found anywhere, and a policy can only allow.
func NetworkPolicy(s settings.Settings) (object.Object, error) {
	rule := networkingv1ac.NetworkPolicyIngressRule()
	if !s.Isolation.Open {
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
			WithPolicyTypes(networkingv1.PolicyTypeIngress).
			WithIngress(rule))
	return object.New(naming.Child{Kind: naming.NetworkPolicy, Name: s.Name}, config)
}

func pods(labels map[string]string) *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer().WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(labels))
}
