// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
	"github.com/beanpod-dev/beanpod/internal/database/scripts"
)

// selector is what the server's pod has for ever, whoever's claim it is.
func selector(w database.Wanted) map[string]string {
	return map[string]string{v1alpha1.LabelDatabaseServer: w.Resource}
}

// complete says whether the database was ever complete, also when the volume that said so was lost.
func complete(w database.Wanted, have database.Objects) bool {
	if running(w, have) || recorded(w, have) != "" {
		return true
	}
	s := have[scripts.Ref(w)]
	if s == nil {
		return false
	}
	_, was, _ := unstructured.NestedString(s.Object, "data", scripts.Complete) //nolint:errcheck // then it was not
	return was
}

// serviceIntent publishes the server whether or not the application can log in: there is one only, and it refuses by itself what it must.
func serviceIntent(w database.Wanted) map[string]any {
	return jobs.Intent(w, service(w).Name, corev1ac.Service("", "").WithSpec(corev1ac.ServiceSpec().
		WithType(corev1.ServiceTypeClusterIP).WithSelector(selector(w)).WithPublishNotReadyAddresses(true).
		WithPorts(corev1ac.ServicePort().WithName("postgres").WithProtocol(corev1.ProtocolTCP).WithPort(Port).WithTargetPort(intstr.FromInt32(Port)))))
}

// policyIntent lets in the instances of the environments that may connect, and the database's own Jobs.
func policyIntent(w database.Wanted) map[string]any {
	rule := networkingv1ac.NetworkPolicyIngressRule().
		WithPorts(networkingv1ac.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(Port))).
		WithFrom(peer(metav1ac.LabelSelector().WithMatchLabels(map[string]string{v1alpha1.LabelDatabase: w.Claim})))
	if len(w.Clients) > 0 {
		rule.WithFrom(peer(metav1ac.LabelSelector().WithMatchExpressions(
			metav1ac.LabelSelectorRequirement().WithKey(v1alpha1.LabelEnvironment).WithOperator(metav1.LabelSelectorOpIn).WithValues(w.Clients...))))
	}
	return jobs.Intent(w, policy(w).Name, networkingv1ac.NetworkPolicy("", "").WithSpec(networkingv1ac.NetworkPolicySpec().
		WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(selector(w))).
		WithPolicyTypes(networkingv1.PolicyTypeIngress).WithIngress(rule)))
}

func peer(s *metav1ac.LabelSelectorApplyConfiguration) *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer().WithPodSelector(s)
}

// volumeIntent grows the volume that there is, which its template cannot, and says what the data are of.
func volumeIntent(w database.Wanted, have database.Objects) map[string]any {
	v := have[volume(w)]
	size := quantity(w.Storage)
	if asked := requested(v); asked.Cmp(size) > 0 {
		size = asked // it never shrinks
	}
	config := corev1ac.PersistentVolumeClaim("", "").WithSpec(corev1ac.PersistentVolumeClaimSpec().WithResources(
		corev1ac.VolumeResourceRequirements().WithRequests(corev1.ResourceList{corev1.ResourceStorage: size})))
	if running(w, have) || recorded(w, have) != "" {
		config.WithAnnotations(map[string]string{v1alpha1.AnnotationEngineVersion: version(w, have)})
	}
	return jobs.Intent(w, volume(w).Name, config)
}

// quantity of a size; the schema has checked that it is one.
func quantity(size v1alpha1.StorageSize) resource.Quantity {
	return resource.MustParse(fmt.Sprintf("%dMi", database.Mebibytes(size)))
}
