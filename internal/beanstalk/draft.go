// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package beanstalk

import (
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// draft is a spec in the making, with the options that mean something only together with others.
type draft struct {
	main string

	spec       v1alpha1.EnvironmentSpec
	capacity   v1alpha1.Capacity
	version    v1alpha1.DeploymentSettings
	updates    v1alpha1.DeploymentSettings
	processes  []*v1alpha1.Process
	schedules  []*v1alpha1.ScalingSchedule
	properties []v1alpha1.EnvironmentProperty
	worker     v1alpha1.Worker

	batch          *int32
	fixedBatch     bool
	measure        string
	upper          *int32
	split          v1alpha1.TrafficSplitting
	minStatus      v1alpha1.HealthStatus
	rolling        string
	rollingEnabled *bool
}

// newDraft for a spec whose first process is main.
func newDraft(spec v1alpha1.EnvironmentSpec) *draft {
	d := &draft{main: "web"}
	if len(spec.Processes) > 0 {
		d.main = spec.Processes[0].Name
	}
	return d
}

// process by Beanstalk's name; its default process is the first one.
func (d *draft) process(name string) *v1alpha1.Process {
	if name == "default" {
		name = d.main
	}
	for _, p := range d.processes {
		if p.Name == name {
			return p
		}
	}
	p := &v1alpha1.Process{Name: name}
	d.processes = append(d.processes, p)
	return p
}

func healthOf(p *v1alpha1.Process) *v1alpha1.HealthCheck {
	if p.HealthCheck == nil {
		p.HealthCheck = &v1alpha1.HealthCheck{}
	}
	return p.HealthCheck
}

// finish puts together what belongs together.
func (d *draft) finish(tier v1alpha1.Tier) v1alpha1.EnvironmentSpec {
	d.finishDeployment()
	if d.measure == "CPUUtilization" && d.upper != nil {
		d.capacity.Autoscaling = &v1alpha1.Autoscaling{Triggers: []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerCPU, Target: *d.upper}}}
	}
	d.finishSchedules()
	d.spec.Capacity, d.spec.EnvironmentProperties = &d.capacity, d.properties
	if len(d.processes) > 0 {
		d.spec.Processes = append(d.spec.Processes, *d.process("default")) // the first is what requests go to
	}
	for _, p := range d.processes {
		if p.Name != d.main {
			d.spec.Processes = append(d.spec.Processes, *p)
		}
	}
	if tier == v1alpha1.TierWorker {
		d.spec.Worker = &d.worker
	}
	return d.spec
}

func (d *draft) finishDeployment() {
	if d.batch != nil {
		size := intstr.FromInt32(*d.batch)
		if !d.fixedBatch {
			size = percentage(min(*d.batch, 100))
		}
		d.version.BatchSize = &size
	}
	if d.minStatus != "" {
		d.version.HealthGate = &v1alpha1.HealthGate{MinStatus: d.minStatus}
	}
	if d.version.Policy == v1alpha1.PolicyTrafficSplitting && (d.split.Percent != nil || d.split.EvaluationSeconds != nil) {
		d.version.TrafficSplitting = &d.split
	}
	switch {
	case d.rollingEnabled != nil && !*d.rollingEnabled:
		d.updates.Policy = v1alpha1.PolicyAllAtOnce
	case d.rolling == "Immutable":
		d.updates.Policy = v1alpha1.PolicyImmutable
	case d.rolling != "" || d.rollingEnabled != nil || d.updates.BatchSize != nil:
		d.updates.Policy = v1alpha1.PolicyRolling
	}
	d.spec.Deployment = &v1alpha1.Deployment{Version: &d.version, Configuration: &d.updates}
}
