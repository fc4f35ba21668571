// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

const (
	// A bundle is fetched and built before a deployment begins.
	building = 15 * time.Minute
	// The operator looks, writes and reports between the batches.
	overhead = time.Minute
)

// Budget is how long a deployment may take before waiting for it makes no sense: what its own batches may take, and the same again,
// because a failure in the last one takes all of them back. The operator itself gives up earlier.
func Budget(env *v1alpha1.Environment, version *v1alpha1.ApplicationVersion) time.Duration {
	cfg, _ := settings.Resolve(settings.Layers{Environment: env, Version: version})
	r := cfg.VersionRollout
	seconds := r.TimeoutSeconds * batches(r, instances(env, cfg))
	switch r.Policy {
	case v1alpha1.PolicyImmutable:
		seconds += r.HoldSeconds
	case v1alpha1.PolicyTrafficSplitting:
		seconds += r.HoldSeconds + r.EvaluationSeconds
	}
	out := 2*time.Duration(seconds)*time.Second + overhead
	if version == nil {
		return out
	}
	if release := version.Spec.ReleaseCommand; release != nil && release.TimeoutSeconds != nil {
		out += time.Duration(*release.TimeoutSeconds) * time.Second
	}
	if version.Spec.Source.Bundle != nil {
		out += building
	}
	return out
}

func instances(env *v1alpha1.Environment, cfg settings.Settings) int32 {
	n := max(cfg.Min, cfg.Desired)
	if hs := env.Status.Health; hs != nil {
		n = max(n, hs.Instances.Total)
	}
	if c := env.Status.Capacity; c != nil {
		n = max(n, c.Min) // schedules may say so
	}
	return n
}

func batches(r settings.Rollout, n int32) int32 {
	switch r.Policy {
	case v1alpha1.PolicyAllAtOnce:
		return 1
	case v1alpha1.PolicyImmutable, v1alpha1.PolicyTrafficSplitting:
		return 2
	}
	size, err := intstr.GetScaledValueFromIntOrPercent(&r.BatchSize, int(n), true)
	if err != nil || size < 1 {
		size = 1
	}
	return (n + int32(size) - 1) / int32(size)
}
