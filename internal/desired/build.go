// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package desired turns Settings and a Step into the objects that should exist. Pure; called by the environment
// controller. It picks the tier's builders; an object that is not wanted is absent from the list.
package desired

import (
	"fmt"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/isolation"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/desired/scaling"
	"github.com/beanpod-dev/beanpod/internal/desired/webserver"
	"github.com/beanpod-dev/beanpod/internal/desired/workload"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Build lists the children of an environment.
func Build(s settings.Settings, step plan.Step) ([]object.Object, error) {
	var list builder
	list.add(s.Pod.ServiceAccountName == "", func() (object.Object, error) { return workload.ServiceAccount(s) })
	list.add(true, func() (object.Object, error) { return isolation.NetworkPolicy(s) })
	list.add(true, func() (object.Object, error) { return workload.Deployment(s, step) })
	web := s.Tier == v1alpha1.TierWebServer
	list.add(web, func() (object.Object, error) { return webserver.Service(s, step.Traffic) })
	list.add(web && s.Routing.Type == v1alpha1.RoutingIngress, func() (object.Object, error) { return webserver.Ingress(s) })
	list.add(web && s.Routing.Type == v1alpha1.RoutingGateway, func() (object.Object, error) { return webserver.HTTPRoute(s) })
	list.add(s.Scaler == settings.ScalerHPA, func() (object.Object, error) { return scaling.HorizontalPodAutoscaler(s, step.Traffic) })
	list.add(fewest(s) > 1, func() (object.Object, error) { return scaling.PodDisruptionBudget(s) })
	return list.objects, list.err
}

// fewest is the smallest number of instances that is meant to run.
func fewest(s settings.Settings) int32 {
	if s.Scaler == settings.ScalerNone {
		return s.Desired
	}
	return s.Min
}

// builder collects objects and keeps the first error.
type builder struct {
	objects []object.Object
	err     error
}

func (b *builder) add(wanted bool, build func() (object.Object, error)) {
	if !wanted || b.err != nil {
		return
	}
	obj, err := build()
	if err != nil {
		b.err = fmt.Errorf("building %s: %w", obj.Child, err)
		return
	}
	b.objects = append(b.objects, obj)
}
