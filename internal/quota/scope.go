// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import corev1 "k8s.io/api/core/v1"

// covers says whether a quota counts our instances: all its scopes must match.
func covers(spec corev1.ResourceQuotaSpec, d Demand) bool {
	for _, scope := range spec.Scopes {
		if !matches(scope, corev1.ScopeSelectorOpExists, d) {
			return false
		}
	}
	if spec.ScopeSelector == nil {
		return true
	}
	for _, e := range spec.ScopeSelector.MatchExpressions {
		if !matches(e.ScopeName, e.Operator, d) {
			return false
		}
	}
	return true
}

// matches says whether our instances are inside a scope. They have no deadline, no affinity and no priority class; only a scope
// that asks for the absence of a class holds them then. A scope that is not known holds no pods for the API server either.
func matches(scope corev1.ResourceQuotaScope, operator corev1.ScopeSelectorOperator, d Demand) bool {
	switch scope {
	case corev1.ResourceQuotaScopeNotTerminating:
		return true
	case corev1.ResourceQuotaScopeBestEffort:
		return d.bestEffort()
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !d.bestEffort()
	case corev1.ResourceQuotaScopePriorityClass:
		return operator == corev1.ScopeSelectorOpNotIn || operator == corev1.ScopeSelectorOpDoesNotExist
	default:
		return false
	}
}

// bestEffort says whether instances have that quality of service, which only cpu and memory decide: scratch disk does not.
func (d Demand) bestEffort() bool {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, limit := d.PerInstance.Requests[name], d.PerInstance.Limits[name]
		if !request.IsZero() || !limit.IsZero() {
			return false
		}
	}
	return true
}
