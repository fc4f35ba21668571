// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"slices"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Depth is how a queue's depth becomes a number of instances; the zero value where no queue counts.
type Depth struct {
	// Target is how many messages each instance should have before it.
	Target int32
}

// scaler picks who owns the number of instances: one scaler for each workload.
func scaler(env *v1alpha1.Environment, s Settings) Scaler {
	queue := byQueue(env)
	switch engine := engineOf(env); {
	case engine == v1alpha1.ScalingNone, s.Min == s.Max:
		return ScalerNone
	case queue && (engine == v1alpha1.ScalingAuto || engine == v1alpha1.ScalingBuiltIn):
		return ScalerBuiltIn
	case engine == v1alpha1.ScalingKEDA && (queue || s.Min > 0):
		return ScalerKEDA
	case s.Min == 0:
		return ScalerNone // what has no instance uses no cpu, so neither a HorizontalPodAutoscaler nor KEDA would ever bring one back
	default:
		return ScalerHPA
	}
}

// byQueue says whether the depth of a queue can be what scales: a worker with such a trigger, or with the engine that knows nothing else.
func byQueue(env *v1alpha1.Environment) bool {
	return env.Spec.Tier == v1alpha1.TierWorker && (triggerOf(env, v1alpha1.TriggerQueueDepth) != nil || engineOf(env) == v1alpha1.ScalingBuiltIn)
}

// depth takes the trigger's target; without a trigger an instance should have as many messages as it works on at a time.
func depth(env *v1alpha1.Environment) Depth {
	if !byQueue(env) {
		return Depth{}
	}
	if t := triggerOf(env, v1alpha1.TriggerQueueDepth); t != nil {
		return Depth{Target: t.Target}
	}
	return Depth{Target: int32(whole(WorkerOf(env).Connections, defaultConnections))}
}

func autoscaling(env *v1alpha1.Environment) v1alpha1.Autoscaling {
	if c := env.Spec.Capacity; c != nil && c.Autoscaling != nil {
		return *c.Autoscaling
	}
	return v1alpha1.Autoscaling{}
}

func engineOf(env *v1alpha1.Environment) v1alpha1.ScalingEngine {
	if e := autoscaling(env).Engine; e != "" {
		return e
	}
	return v1alpha1.ScalingAuto
}

func triggerOf(env *v1alpha1.Environment, kind v1alpha1.TriggerType) *v1alpha1.ScalingTrigger {
	list := autoscaling(env).Triggers
	if i := slices.IndexFunc(list, func(t v1alpha1.ScalingTrigger) bool { return t.Type == kind }); i >= 0 {
		return &list[i]
	}
	return nil
}

// idleScaling lists the fields of autoscaling that have no effect.
func idleScaling(env *v1alpha1.Environment) []string {
	const at = "spec.capacity.autoscaling."
	auto, engine := autoscaling(env), engineOf(env)
	builtIn := byQueue(env) && (engine == v1alpha1.ScalingAuto || engine == v1alpha1.ScalingBuiltIn)
	var out []string
	if engine == v1alpha1.ScalingBuiltIn && !builtIn {
		out = append(out, at+"engine: "+string(engine))
	}
	if len(auto.Schedules) > 0 && env.Spec.Capacity.Type == v1alpha1.SingleInstance {
		out = append(out, at+"schedules: a SingleInstance environment always has one instance")
	}
	for _, t := range auto.Triggers {
		load := t.Type == v1alpha1.TriggerCPU || t.Type == v1alpha1.TriggerMemory
		queue := t.Type == v1alpha1.TriggerQueueDepth && byQueue(env) && (builtIn || engine == v1alpha1.ScalingKEDA)
		if !queue && (builtIn || !load) {
			out = append(out, at+"triggers: "+string(t.Type))
		}
	}
	return out
}
