// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package webserver

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1ac "sigs.k8s.io/gateway-api/applyconfiguration/apis/v1"

	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// HTTPRoute serves the environment's permanent name through a Gateway. While a new set is evaluated it sends that its share.
func HTTPRoute(s settings.Settings, t plan.Traffic) (object.Object, error) {
	parent := gatewayv1ac.ParentReference().
		WithGroup(gatewayv1.GroupName).WithKind("Gateway").WithName(gatewayv1.ObjectName(s.Routing.Gateway.Name))
	if ns := s.Routing.Gateway.Namespace; ns != "" {
		parent.WithNamespace(gatewayv1.Namespace(ns))
	}
	if section := s.Routing.Gateway.SectionName; section != "" {
		parent.WithSectionName(gatewayv1.SectionName(section))
	}
	spec := gatewayv1ac.HTTPRouteSpec().WithParentRefs(parent).WithHostnames(gatewayv1.Hostname(s.Routing.Host))
	spec.WithRules(routeRules(s, t)...)
	config := gatewayv1ac.HTTPRoute(s.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithSpec(spec)
	if t.Exact && !t.RouteSince.IsZero() {
		config.WithAnnotations(moved(t.RouteSince))
	}
	return object.New(naming.Child{Kind: naming.HTTPRoute, Name: s.Name}, config)
}

// routeRules has one rule for each port: a route may have 16 rules only, but many matches in each. The order of rules does not
// matter, because a Gateway takes the most specific match of all.
func routeRules(s settings.Settings, split plan.Traffic) []*gatewayv1ac.HTTPRouteRuleApplyConfiguration {
	var out []*gatewayv1ac.HTTPRouteRuleApplyConfiguration
	byPort := map[int32]*gatewayv1ac.HTTPRouteRuleApplyConfiguration{}
	for _, t := range targets(s) {
		rule, known := byPort[t.port]
		if !known {
			rule = gatewayv1ac.HTTPRouteRule().WithBackendRefs(backends(s, split, t.port)...)
			byPort[t.port] = rule
			out = append(out, rule)
		}
		kind := gatewayv1.PathMatchPathPrefix
		if t.exact {
			kind = gatewayv1.PathMatchExact
		}
		rule.WithMatches(gatewayv1ac.HTTPRouteMatch().WithPath(gatewayv1ac.HTTPPathMatch().WithType(kind).WithValue(t.path)))
	}
	return out
}

// backends are the Services behind one port, with their weights.
func backends(s settings.Settings, split plan.Traffic, port int32) []*gatewayv1ac.HTTPBackendRefApplyConfiguration {
	backend := func(name string, weight int32) *gatewayv1ac.HTTPBackendRefApplyConfiguration {
		return gatewayv1ac.HTTPBackendRef().
			WithGroup("").WithKind("Service").WithName(gatewayv1.ObjectName(name)).WithPort(port).WithWeight(weight)
	}
	if !split.Exact || split.Other == "" {
		return []*gatewayv1ac.HTTPBackendRefApplyConfiguration{backend(s.Name, 1)}
	}
	return []*gatewayv1ac.HTTPBackendRefApplyConfiguration{
		backend(s.Name, 100-split.Percent), backend(naming.Candidate(s.Name), split.Percent),
	}
}
