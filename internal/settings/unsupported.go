// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import "github.com/beanpod-dev/beanpod/api/v1alpha1"

// unsupported lists the fields that are set but have no effect in this release. Nothing is ignored in silence: the list
// becomes the FieldsSupported condition.
func unsupported(env *v1alpha1.Environment) []string {
	var out []string
	add := func(set bool, field string) {
		if set {
			out = append(out, field)
		}
	}
	spec := env.Spec
	add(spec.ConfigurationRef != nil, "spec.configurationRef")
	add(len(spec.Notifications) > 0, "spec.notifications")
	add(spec.Health != nil && len(spec.Health.Rules) > 0, "spec.health.rules")
	return append(out, idleScaling(env)...)
}

// TwoSlots says whether a policy needs a second set of instances.
func TwoSlots(p v1alpha1.DeploymentPolicy) bool {
	return p == v1alpha1.PolicyImmutable || p == v1alpha1.PolicyTrafficSplitting
}
