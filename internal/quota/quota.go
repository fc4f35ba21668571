// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package quota says before a rollout begins whether the namespace's ResourceQuotas can hold its peak. Pure; called by the
// environment controller, with what inputs.Quotas read.
package quota

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Demand is what a rollout adds to a namespace at its peak.
type Demand struct {
	// Instances that exist at the peak beyond those that exist now.
	Instances int32
	// PerInstance is what all containers of one instance request, and may use at most, together.
	PerInstance corev1.ResourceRequirements
}

// Shortage is one line of one quota that cannot hold a demand.
type Shortage struct {
	// Quota is the name of the ResourceQuota.
	Quota string
	// Resource as the quota calls it: requests.cpu.
	Resource corev1.ResourceName
	// Needed is what all additional instances need together, Free what is left; it is never negative.
	Needed, Free resource.Quantity
}

// For is the demand of so many more instances with these settings. It reads the pod template, so that what is counted is what
// is sent.
func For(s settings.Settings, instances int32) Demand {
	d := Demand{Instances: instances, PerInstance: corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}}
	// Slots differ in labels only.
	spec := pod.Template(s, snapshot.SlotA).Spec
	all := slices.Clone(spec.Containers)
	for _, c := range spec.InitContainers {
		// What ends before the application begins asks for no more than that; sidecars run beside it.
		if c.RestartPolicy != nil {
			all = append(all, c)
		}
	}
	for _, c := range all {
		if c.Resources.Requests != nil {
			add(d.PerInstance.Requests, *c.Resources.Requests)
		}
		if c.Resources.Limits != nil {
			add(d.PerInstance.Limits, *c.Resources.Limits)
		}
	}
	return d
}

func add(sum, more corev1.ResourceList) {
	for name, amount := range more {
		total := sum[name]
		total.Add(amount)
		sum[name] = total
	}
}

// counted are the resources that pods use up, by the names that quotas have for them, in the order in which they are told.
// Each says whether it counts limits rather than requests, and of what; pods are counted without.
var counted = []struct {
	name   corev1.ResourceName
	of     corev1.ResourceName
	limits bool
}{
	{name: corev1.ResourcePods},
	{name: "count/pods"},
	{name: corev1.ResourceCPU, of: corev1.ResourceCPU},
	{name: corev1.ResourceRequestsCPU, of: corev1.ResourceCPU},
	{name: corev1.ResourceLimitsCPU, of: corev1.ResourceCPU, limits: true},
	{name: corev1.ResourceMemory, of: corev1.ResourceMemory},
	{name: corev1.ResourceRequestsMemory, of: corev1.ResourceMemory},
	{name: corev1.ResourceLimitsMemory, of: corev1.ResourceMemory, limits: true},
	{name: corev1.ResourceEphemeralStorage, of: corev1.ResourceEphemeralStorage},
	{name: corev1.ResourceRequestsEphemeralStorage, of: corev1.ResourceEphemeralStorage},
	{name: corev1.ResourceLimitsEphemeralStorage, of: corev1.ResourceEphemeralStorage, limits: true},
}

// Shortages lists what falls short, ordered by the quotas' names. LimitRanges are not looked at: what an instance does not set
// counts as nothing, although a default of the namespace may set it. The quotas are read, never changed.
func Shortages(quotas []corev1.ResourceQuota, d Demand) []Shortage {
	if d.Instances <= 0 {
		return nil
	}
	var out []Shortage
	for i := range quotas {
		if covers(quotas[i].Spec, d) {
			out = append(out, short(&quotas[i], d)...)
		}
	}
	slices.SortStableFunc(out, func(a, b Shortage) int { return strings.Compare(a.Quota, b.Quota) })
	return out
}

func short(q *corev1.ResourceQuota, d Demand) []Shortage {
	// The status is what the API server holds pods to; a quota so new that it has none is taken to be unused.
	hard := q.Status.Hard
	if len(hard) == 0 {
		hard = q.Spec.Hard
	}
	var out []Shortage
	for _, line := range counted {
		limit, limited := hard[line.name]
		if !limited {
			continue
		}
		needed := d.perInstance(line.of, line.limits)
		needed.Mul(int64(d.Instances))
		free := limit.DeepCopy()
		free.Sub(q.Status.Used[line.name])
		if needed.IsZero() || free.Cmp(needed) >= 0 {
			continue
		}
		if free.Sign() < 0 {
			free = resource.Quantity{}
		}
		// Two amounts in the same units are easier to compare than 1073741824 and 2Gi.
		free.Format = needed.Format
		out = append(out, Shortage{Quota: q.Name, Resource: line.name, Needed: needed, Free: free})
	}
	return out
}

// perInstance is what one instance takes of a resource; of no resource it takes one: itself.
func (d Demand) perInstance(of corev1.ResourceName, limits bool) resource.Quantity {
	if of == "" {
		return *resource.NewQuantity(1, resource.DecimalSI)
	}
	limit := d.PerInstance.Limits[of].DeepCopy()
	if limits {
		return limit
	}
	if request, set := d.PerInstance.Requests[of]; set {
		return request.DeepCopy()
	}
	// The API server requests the limit where only that is set.
	return limit
}
