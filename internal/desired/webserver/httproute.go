// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package webserver

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1ac "sigs.k8s.io/gateway-api/applyconfiguration/apis/v1"

	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// HTTPRoute serves the environment's permanent name through a Gateway.
func HTTPRoute(s settings.Settings) (object.Object, error) {
	parent := gatewayv1ac.ParentReference().
		WithGroup(gatewayv1.GroupName).WithKind("Gateway").WithName(gatewayv1.ObjectName(s.Routing.Gateway.Name))
	if ns := s.Routing.Gateway.Namespace; ns != "" {
		parent.WithNamespace(gatewayv1.Namespace(ns))
	}
	if section := s.Routing.Gateway.SectionName; section != "" {
		parent.WithSectionName(gatewayv1.SectionName(section))
	}
	spec := gatewayv1ac.HTTPRouteSpec().WithParentRefs(parent).WithHostnames(gatewayv1.Hostname(s.Routing.Host))
	for _, r := range s.Routing.Rules {
		kind := gatewayv1.PathMatchPathPrefix
		if r.PathType == "Exact" {
			kind = gatewayv1.PathMatchExact
		}
		spec.WithRules(routeRule(s, r.Path, kind, portOf(s, r.Process)))
	}
	spec.WithRules(routeRule(s, "/", gatewayv1.PathMatchPathPrefix, mainPort))
	config := gatewayv1ac.HTTPRoute(s.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithSpec(spec)
	return object.New(naming.Child{Kind: naming.HTTPRoute, Name: s.Name}, config)
}

func routeRule(s settings.Settings, p string, kind gatewayv1.PathMatchType, port int32) *gatewayv1ac.HTTPRouteRuleApplyConfiguration {
	return gatewayv1ac.HTTPRouteRule().
		WithMatches(gatewayv1ac.HTTPRouteMatch().WithPath(gatewayv1ac.HTTPPathMatch().WithType(kind).WithValue(p))).
		WithBackendRefs(gatewayv1ac.HTTPBackendRef().
			WithGroup("").WithKind("Service").WithName(gatewayv1.ObjectName(s.Name)).WithPort(port).WithWeight(1))
}
