// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Builds lets the pods that build a version reach name servers, the store and the outside, and lets nobody reach them.
func Builds(ver *v1alpha1.ApplicationVersion, op settings.Operator) *networkingv1ac.NetworkPolicyApplyConfiguration {
	out := networkingv1ac.NetworkPolicyEgressRule()
	denied := op.DeniedToBuilds()
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		out.WithTo(networkingv1ac.NetworkPolicyPeer().WithIPBlock(networkingv1ac.IPBlock().WithCIDR(all).WithExcept(ofFamily(denied, all)...)))
	}
	for _, cidr := range op.FetchAllowedCIDRs {
		out.WithTo(networkingv1ac.NetworkPolicyPeer().WithIPBlock(networkingv1ac.IPBlock().WithCIDR(cidr)))
	}
	spec := networkingv1ac.NetworkPolicySpec().
		WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{v1alpha1.LabelBuild: ver.Name})).
		WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress).
		WithEgress(dns(), out)
	if rule := store(op.StoreURL); rule != nil {
		spec.WithEgress(rule)
	}
	return networkingv1ac.NetworkPolicy(naming.BuildPolicy(ver.Name), ver.Namespace).WithLabels(naming.BuildLabels(ver.Name, ver.Spec.ApplicationRef.Name)).
		WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("ApplicationVersion").WithName(ver.Name).WithUID(ver.UID).
			WithController(true).WithBlockOwnerDeletion(true)).
		WithSpec(spec)
}

// ofFamily are the ranges of the same kind of address, without those that cannot be read.
func ofFamily(cidrs []string, all string) []string {
	four := strings.Contains(all, ".")
	return slices.DeleteFunc(slices.Clone(cidrs), func(cidr string) bool {
		p, err := netip.ParsePrefix(cidr)
		return err != nil || p.Addr().Is4() != four || p.Bits() == 0
	})
}

func dns() *networkingv1ac.NetworkPolicyEgressRuleApplyConfiguration {
	rule := networkingv1ac.NetworkPolicyEgressRule()
	for _, protocol := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
		rule.WithPorts(networkingv1ac.NetworkPolicyPort().WithProtocol(protocol).WithPort(intstr.FromInt32(53)))
	}
	return rule
}

// store lets through what the store's URL says: a Service of some namespace, or an address. Policies know pods and not Services, so
// the whole namespace is let through, on that port. A name that is neither is outside the cluster.
func store(address string) *networkingv1ac.NetworkPolicyEgressRuleApplyConfiguration {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	port, err := strconv.ParseInt(u.Port(), 10, 32)
	if err != nil {
		port = 80
		if u.Scheme == "https" {
			port = 443
		}
	}
	rule := networkingv1ac.NetworkPolicyEgressRule().
		WithPorts(networkingv1ac.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(int32(port))))
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return rule.WithTo(networkingv1ac.NetworkPolicyPeer().WithIPBlock(networkingv1ac.IPBlock().WithCIDR(netip.PrefixFrom(ip, ip.BitLen()).String())))
	}
	parts := strings.Split(u.Hostname(), ".")
	if len(parts) < 3 || parts[2] != "svc" {
		return nil
	}
	return rule.WithTo(networkingv1ac.NetworkPolicyPeer().
		WithNamespaceSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: parts[1]})))
}
