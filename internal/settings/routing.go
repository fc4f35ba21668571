// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
)

func routing(env *v1alpha1.Environment, op Operator, procs []Process) Routing {
	if env.Spec.Tier != v1alpha1.TierWebServer {
		return Routing{Type: v1alpha1.RoutingNone}
	}
	var r v1alpha1.Routing
	if env.Spec.Routing != nil {
		r = *env.Spec.Routing
	}
	out := Routing{TLS: r.TLS, Rules: r.Rules, IngressClassName: r.IngressClassName, Gateway: r.GatewayRef}
	out.Type = routingType(r, op)
	if len(procs) > 0 {
		out.URL = fmt.Sprintf("http://%s.%s.svc", env.Name, env.Namespace)
	}
	if out.Type == v1alpha1.RoutingNone {
		return out
	}
	out.Host = naming.Host(env.Name, op.BaseDomain)
	if out.Host == "" {
		out.Type = v1alpha1.RoutingNone
		out.Missing = "the operator has no base domain, so the environment is reachable only inside the cluster; set baseDomain in the operator's chart"
		return out
	}
	if out.Type == v1alpha1.RoutingGateway && out.Gateway == nil {
		out.Gateway = op.Gateway
	}
	if out.Type == v1alpha1.RoutingIngress && out.IngressClassName == "" {
		out.IngressClassName = op.IngressClassName
	}
	out.URL = "http://" + out.Host
	if out.TLS != nil {
		out.URL = "https://" + out.Host
	}
	return out
}

func routingType(r v1alpha1.Routing, op Operator) v1alpha1.RoutingType {
	switch {
	case r.Scheme == v1alpha1.SchemeInternal || r.Type == v1alpha1.RoutingNone:
		return v1alpha1.RoutingNone
	case r.Type == v1alpha1.RoutingGateway || r.Type == v1alpha1.RoutingIngress:
		return r.Type
	case r.GatewayRef != nil:
		return v1alpha1.RoutingGateway
	case r.IngressClassName != "":
		return v1alpha1.RoutingIngress
	case op.Gateway != nil:
		return v1alpha1.RoutingGateway
	default:
		return v1alpha1.RoutingIngress
	}
}
