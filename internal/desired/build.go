// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package desired turns Settings and a Step into the objects that should exist. Pure; called by the environment
// controller. It picks the tier's builders; an object that is not wanted is absent from the list.
package desired

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/election"
	"github.com/beanpod-dev/beanpod/internal/desired/isolation"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/desired/scaling"
	"github.com/beanpod-dev/beanpod/internal/desired/webserver"
	"github.com/beanpod-dev/beanpod/internal/desired/workload"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Build lists the children of an environment. What exists now tells which pod templates are kept.
func Build(s settings.Settings, step plan.Step, now snapshot.Snapshot) ([]object.Object, error) {
	var list builder
	list.add(s.Pod.ServiceAccountName == "", func() (object.Object, error) { return workload.ServiceAccount(s) })
	list.add(true, func() (object.Object, error) { return isolation.NetworkPolicy(s) })
	for _, build := range []func(settings.Settings) (object.Object, error){election.Lease, election.Role, election.RoleBinding} {
		list.add(s.Worker != nil && s.Worker.Config.Lease != "", func() (object.Object, error) { return build(s) })
	}
	for _, slot := range step.Slots {
		list.add(true, func() (object.Object, error) { return workload.Deployment(s, slot, now) })
	}
	list.objects = append(list.objects, kept(step, now)...)
	for _, slot := range step.Slots {
		if _, known := now.Revisions[slot.Template]; !known && !list.has(naming.Child{Kind: naming.ControllerRevision, Name: naming.Revision(s.Name, slot.Template)}) {
			list.add(true, func() (object.Object, error) { return workload.Revision(s, slot, now) })
		}
	}
	list.add(step.Release != nil, func() (object.Object, error) { return workload.Release(s, *step.Release) })
	web := s.Tier == v1alpha1.TierWebServer
	gateway := s.Routing.Type == v1alpha1.RoutingGateway
	list.add(web, func() (object.Object, error) { return webserver.Service(s, step.Traffic) })
	list.add(web && gateway && beside(step), func() (object.Object, error) { return webserver.Candidate(s, step.Current) })
	list.add(web && s.Routing.Type == v1alpha1.RoutingIngress, func() (object.Object, error) { return webserver.Ingress(s) })
	list.add(web && gateway, func() (object.Object, error) { return webserver.HTTPRoute(s, step.Traffic) })
	list.add(s.Scaler == settings.ScalerHPA, func() (object.Object, error) { return scaling.HorizontalPodAutoscaler(s, step.Scaler) })
	list.add(s.Scaler == settings.ScalerKEDA && scaling.Authenticates(s), func() (object.Object, error) { return scaling.TriggerAuthentication(s) })
	list.add(s.Scaler == settings.ScalerKEDA, func() (object.Object, error) { return scaling.ScaledObject(s, step.Scaler) })
	list.add(fewest(s) > 1, func() (object.Object, error) { return scaling.PodDisruptionBudget(s) })
	return list.objects, list.err
}

// beside says whether a set that is to get a share of the requests exists beside another one.
func beside(step plan.Step) bool {
	return len(step.Slots) == 2 && step.Rollout.Policy == v1alpha1.PolicyTrafficSplitting
}

// keptRevisions is how many pod templates are kept besides those in use.
const keptRevisions = 2

// kept are the objects that exist and stay as they are: pod templates in use and the newest others, and release commands of the
// rollout that runs.
func kept(step plan.Step, now snapshot.Snapshot) []object.Object {
	used := map[string]bool{}
	for _, slot := range step.Slots {
		used[slot.Template], used[slot.Good] = true, true
	}
	all := slices.Collect(maps.Values(now.Revisions))
	slices.SortFunc(all, func(a, b snapshot.Revision) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), cmp.Compare(a.Name, b.Name))
	})
	var out []object.Object
	spare := keptRevisions
	for _, r := range all {
		if !used[r.Content.Template] {
			spare--
		}
		if used[r.Content.Template] || spare >= 0 {
			out = append(out, object.Object{Child: naming.Child{Kind: naming.ControllerRevision, Name: r.Name}, Keep: true})
		}
	}
	for _, r := range now.Releases {
		if r.ID == step.Rollout.ID && step.Release == nil {
			out = append(out, object.Object{Child: naming.Child{Kind: naming.Job, Name: r.Name}, Keep: true})
		}
	}
	return out
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

func (b *builder) has(child naming.Child) bool {
	return slices.ContainsFunc(b.objects, func(o object.Object) bool { return o.Child == child })
}
