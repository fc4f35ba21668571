// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package unsupported

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

// kind is what has to be known about one kind.
type kind[T client.Object] struct {
	name   string
	object T
	// status points into an object: its observed generation and its conditions.
	status func(T) (*int64, *[]metav1.Condition)
	answer condition.Summary
}

const roadmap = " docs/roadmap.md says when that changes."

func notYet(message string) condition.Summary {
	return condition.Summary{Hold: v1alpha1.ReasonNotYetSupported, HoldMessage: message + roadmap}
}

var configurationTemplates = kind[*v1alpha1.ConfigurationTemplate]{
	name: "configurationtemplate", object: &v1alpha1.ConfigurationTemplate{},
	status: func(o *v1alpha1.ConfigurationTemplate) (*int64, *[]metav1.Condition) {
		return &o.Status.ObservedGeneration, &o.Status.Conditions
	},
	answer: notYet("Saved configurations are kept but have no effect in this release. Meanwhile, write the settings into the spec of each Environment."),
}

var domainMaps = kind[*v1alpha1.DomainMap]{
	name: "domainmap", object: &v1alpha1.DomainMap{},
	status: func(o *v1alpha1.DomainMap) (*int64, *[]metav1.Condition) {
		return &o.Status.ObservedGeneration, &o.Status.Conditions
	},
	answer: notYet("Shared domains are not routed in this release. Meanwhile, use the address in status.url of each Environment, or an " +
		"Ingress of your own to its Service."),
}
