// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package webserver

import (
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Ingress serves the environment's permanent name. A class and no controller's own annotations.
func Ingress(s settings.Settings) (object.Object, error) {
	rule := networkingv1ac.HTTPIngressRuleValue()
	for _, t := range targets(s) {
		kind := networkingv1.PathTypePrefix
		if t.exact {
			kind = networkingv1.PathTypeExact
		}
		rule.WithPaths(path(s, t.path, kind, t.port))
	}
	spec := networkingv1ac.IngressSpec().WithRules(networkingv1ac.IngressRule().WithHost(s.Routing.Host).WithHTTP(rule))
	if s.Routing.IngressClassName != "" {
		spec.WithIngressClassName(s.Routing.IngressClassName)
	}
	config := networkingv1ac.Ingress(s.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s))
	if tls := s.Routing.TLS; tls != nil {
		secret := tls.SecretName
		if tls.IssuerRef != nil {
			secret = naming.CertificateSecret(s.Name)
			config.WithAnnotations(issuer(tls.IssuerRef.Kind, tls.IssuerRef.Name))
		}
		spec.WithTLS(networkingv1ac.IngressTLS().WithHosts(s.Routing.Host).WithSecretName(secret))
	}
	return object.New(naming.Child{Kind: naming.Ingress, Name: s.Name}, config.WithSpec(spec))
}

// issuer tells cert-manager which issuer keeps the certificate.
func issuer(kind, name string) map[string]string {
	if kind == "Issuer" {
		return map[string]string{"cert-manager.io/issuer": name}
	}
	return map[string]string{"cert-manager.io/cluster-issuer": name}
}

func path(s settings.Settings, p string, kind networkingv1.PathType, port int32) *networkingv1ac.HTTPIngressPathApplyConfiguration {
	return networkingv1ac.HTTPIngressPath().WithPath(p).WithPathType(kind).WithBackend(
		networkingv1ac.IngressBackend().WithService(
			networkingv1ac.IngressServiceBackend().WithName(s.Name).WithPort(networkingv1ac.ServiceBackendPort().WithNumber(port))))
}
