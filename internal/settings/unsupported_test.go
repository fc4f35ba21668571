// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func TestUnsupported(t *testing.T) {
	t.Parallel()
	scaling := func(a v1alpha1.Autoscaling) func(*Layers) {
		return environment(func(e *v1alpha1.EnvironmentSpec) { e.Capacity = &v1alpha1.Capacity{Autoscaling: &a} })
	}
	deploying := func(d v1alpha1.DeploymentSettings) func(*Layers) {
		return environment(func(e *v1alpha1.EnvironmentSpec) { e.Deployment = &v1alpha1.Deployment{Version: &d} })
	}
	for _, tc := range []struct {
		name  string
		tweak func(*Layers)
		want  []string
	}{
		{"nothing is set", func(*Layers) {}, nil},
		{"a saved configuration", environment(func(e *v1alpha1.EnvironmentSpec) { e.ConfigurationRef = &v1alpha1.LocalReference{Name: "x"} }), []string{"spec.configurationRef"}},
		{"managed updates", environment(func(e *v1alpha1.EnvironmentSpec) { e.ManagedUpdates = &v1alpha1.ManagedUpdates{Enabled: true} }), nil},
		{"notifications", environment(func(e *v1alpha1.EnvironmentSpec) { e.Notifications = make([]v1alpha1.Notification, 1) }), []string{"spec.notifications"}},
		{"databases", environment(func(e *v1alpha1.EnvironmentSpec) { e.Databases = make([]v1alpha1.DatabaseBinding, 1) }), nil},
		{"links", environment(func(e *v1alpha1.EnvironmentSpec) { e.Links = make([]v1alpha1.Link, 1) }), nil},
		{"health rules", environment(func(e *v1alpha1.EnvironmentSpec) {
			e.Health = &v1alpha1.HealthSettings{Rules: make([]v1alpha1.HealthRule, 1)}
		}), []string{"spec.health.rules"}},
		{"health reporting", environment(func(e *v1alpha1.EnvironmentSpec) { e.Health = &v1alpha1.HealthSettings{Reporting: "Basic"} }), nil},
		{"the built-in scaler", scaling(v1alpha1.Autoscaling{Engine: v1alpha1.ScalingBuiltIn}), []string{"spec.capacity.autoscaling.engine: BuiltIn"}},
		{"the usual scaler", scaling(v1alpha1.Autoscaling{Engine: v1alpha1.ScalingHPA, Triggers: []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerCPU}, {Type: v1alpha1.TriggerMemory}}}), nil},
		{"schedules", scaling(v1alpha1.Autoscaling{Schedules: make([]v1alpha1.ScalingSchedule, 1)}), nil},
		{"schedules of a single instance", environment(func(e *v1alpha1.EnvironmentSpec) {
			e.Capacity = &v1alpha1.Capacity{Type: v1alpha1.SingleInstance, Autoscaling: &v1alpha1.Autoscaling{Schedules: make([]v1alpha1.ScalingSchedule, 1)}}
		}), []string{"spec.capacity.autoscaling.schedules: a SingleInstance environment always has one instance"}},
		{"other triggers", scaling(v1alpha1.Autoscaling{Triggers: []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerRequests}, {Type: v1alpha1.TriggerQueueDepth}}}),
			[]string{"spec.capacity.autoscaling.triggers: RequestsPerInstance", "spec.capacity.autoscaling.triggers: QueueDepth"}},
		{"Immutable", deploying(v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyImmutable}), nil},
		{"Pause, which is what happens", deploying(v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyRolling, OnFailure: v1alpha1.OnFailurePause}), nil},
		{"Rollback", deploying(v1alpha1.DeploymentSettings{OnFailure: v1alpha1.OnFailureRollback}), nil},
		{"Ignore", deploying(v1alpha1.DeploymentSettings{OnFailure: v1alpha1.OnFailureIgnore}), nil},
		{"a lower gate", deploying(v1alpha1.DeploymentSettings{HealthGate: &v1alpha1.HealthGate{MinStatus: v1alpha1.HealthWarning}}), nil},
		{"the usual gate", deploying(v1alpha1.DeploymentSettings{HealthGate: &v1alpha1.HealthGate{MinStatus: v1alpha1.HealthOk}}), nil},
		{"the other arm", environment(func(e *v1alpha1.EnvironmentSpec) {
			e.Deployment = &v1alpha1.Deployment{Configuration: &v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyTrafficSplitting}}
		}), nil},
		{"no version", func(l *Layers) { l.Version = nil }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, resolve(tc.tweak).Unsupported); diff != "" {
				t.Errorf("unsupported (-want +got):\n%s", diff)
			}
		})
	}
}
