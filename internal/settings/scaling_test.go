// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// TestScaler says who owns the number of instances, what a new set begins with, and which fields have no effect.
func TestScaler(t *testing.T) {
	t.Parallel()
	const at = "spec.capacity.autoscaling."
	depth := v1alpha1.ScalingTrigger{Type: v1alpha1.TriggerQueueDepth, Target: 30}
	load := v1alpha1.ScalingTrigger{Type: v1alpha1.TriggerCPU, Target: 60}
	type result struct {
		Scaler          Scaler
		Desired, Target int32
		Unsupported     []string
	}
	for _, tc := range []struct {
		name     string
		tier     v1alpha1.Tier
		engine   v1alpha1.ScalingEngine
		min, max int32
		triggers []v1alpha1.ScalingTrigger
		want     result
	}{
		{"a worker with nothing said", v1alpha1.TierWorker, "", 1, 4, nil, result{ScalerHPA, 1, 0, nil}},
		{"a worker by its queue", v1alpha1.TierWorker, "", 2, 4, []v1alpha1.ScalingTrigger{depth}, result{ScalerBuiltIn, 2, 30, nil}},
		{"from zero", v1alpha1.TierWorker, v1alpha1.ScalingAuto, 0, 4, []v1alpha1.ScalingTrigger{depth}, result{ScalerBuiltIn, 1, 30, nil}},
		{"the engine alone", v1alpha1.TierWorker, v1alpha1.ScalingBuiltIn, 1, 4, nil, result{ScalerBuiltIn, 1, 7, nil}},
		{"the queue and cpu", v1alpha1.TierWorker, "", 1, 4, []v1alpha1.ScalingTrigger{load, depth}, result{ScalerBuiltIn, 1, 30, []string{at + "triggers: CPUUtilization"}}},
		{"a fixed number", v1alpha1.TierWorker, v1alpha1.ScalingBuiltIn, 3, 3, []v1alpha1.ScalingTrigger{depth}, result{ScalerNone, 3, 30, nil}},
		{"no engine", v1alpha1.TierWorker, v1alpha1.ScalingNone, 1, 4, nil, result{ScalerNone, 1, 0, nil}},
		{"the HorizontalPodAutoscaler knows no queue", v1alpha1.TierWorker, v1alpha1.ScalingHPA, 1, 4, []v1alpha1.ScalingTrigger{depth},
			result{ScalerHPA, 1, 30, []string{at + "triggers: QueueDepth"}}},
		{"nor does it scale from zero", v1alpha1.TierWorker, v1alpha1.ScalingHPA, 0, 4, nil, result{ScalerNone, 0, 0, nil}},
		{"KEDA, and no generated queue that it can see", v1alpha1.TierWorker, v1alpha1.ScalingKEDA, 1, 4, []v1alpha1.ScalingTrigger{depth},
			result{ScalerKEDA, 1, 30, nil}},
		{"a web environment has no queue", v1alpha1.TierWebServer, v1alpha1.ScalingBuiltIn, 1, 4, []v1alpha1.ScalingTrigger{depth},
			result{ScalerHPA, 1, 0, []string{at + "engine: BuiltIn", at + "triggers: QueueDepth"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, _ := Resolve(layers(func(l *Layers) {
				spec := &l.Environment.Spec
				spec.Tier = tc.tier
				spec.Worker = &v1alpha1.Worker{Queue: v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}}, Connections: ptr.To(int32(7))}
				spec.Capacity = &v1alpha1.Capacity{Min: &tc.min, Max: &tc.max, Autoscaling: &v1alpha1.Autoscaling{Engine: tc.engine, Triggers: tc.triggers}}
			}))
			got := result{s.Scaler, s.Desired, s.Depth.Target, s.Unsupported}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
