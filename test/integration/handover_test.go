// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"slices"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
)

func (w *world) deployment(name string) *appsv1.Deployment {
	w.t.Helper()
	d := &appsv1.Deployment{}
	w.Expect(w.Get(w.ctx, w.key(name+"-a"), d)).To(Succeed())
	return d
}

func (w *world) replicas(name string) func() int32 {
	return func() int32 { return *w.deployment(name).Spec.Replicas }
}

// replicasOwners are the field managers of spec.replicas.
func (w *world) replicasOwners(name string) []string {
	w.t.Helper()
	var out []string
	for _, m := range w.deployment(name).ManagedFields {
		var fields map[string]map[string]any
		if m.FieldsV1 == nil || json.Unmarshal(m.FieldsV1.Raw, &fields) != nil {
			continue
		}
		if _, has := fields["f:spec"]["f:replicas"]; has {
			out = append(out, m.Manager)
		}
	}
	slices.Sort(out)
	return out
}
