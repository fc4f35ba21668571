// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"slices"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
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
		if m.FieldsV1 == nil || json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, has := fields["f:spec"]["f:replicas"]; has {
			out = append(out, m.Manager)
		}
	}
	slices.Sort(out)
	return out
}

// handOver follows who owns the number of instances, from the user to the autoscaler and back.
func handOver(w *world) {
	w.create(w.web("blue", fixed(3)))
	w.ready("blue")
	w.Expect(w.replicas("blue")()).To(Equal(int32(3)))
	w.Expect(w.replicasOwners("blue")).To(Equal([]string{"beanpod"}))

	w.change("blue", scaled(2, 6))
	w.Eventually(func() []string { return w.replicasOwners("blue") }).ShouldNot(ContainElement("beanpod"))
	w.ready("blue")
	w.Expect(w.replicas("blue")()).To(Equal(int32(3)), "the live number stays")

	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 5}}
	w.Expect(w.SubResource("scale").Update(w.ctx, w.deployment("blue"), client.WithSubResourceBody(scale))).To(Succeed())
	w.change("blue", func(e *v1alpha1.Environment) {
		value := "on"
		e.Spec.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{Name: "FEATURE", Value: &value}}
	})
	w.Eventually(func() int { return len(w.deployment("blue").Spec.Template.Spec.Containers[0].Env) }).Should(Equal(2))
	w.ready("blue")
	w.Expect(w.replicas("blue")()).To(Equal(int32(5)), "a deployment leaves the scaler's number alone")

	w.change("blue", fixed(2))
	w.Eventually(w.replicas("blue")).Should(Equal(int32(2)))
	w.Expect(w.replicasOwners("blue")).To(ContainElement("beanpod"))
	w.ready("blue")
	w.Expect(w.Get(w.ctx, w.key("blue"), &autoscalingv2.HorizontalPodAutoscaler{})).NotTo(Succeed(), "the autoscaler is gone")
}

// scaleEnvironment does what kubectl scale does.
func scaleEnvironment(w *world) {
	w.create(w.web("blue", fixed(1)))
	w.ready("blue")
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 3}}
	w.Expect(w.SubResource("scale").Update(w.ctx, w.environment("blue"), client.WithSubResourceBody(scale))).To(Succeed())
	w.Eventually(w.replicas("blue")).Should(Equal(int32(3)))
	w.ready("blue")
	w.Eventually(func() int32 {
		got := &autoscalingv1.Scale{}
		w.Expect(w.SubResource("scale").Get(w.ctx, w.environment("blue"), got)).To(Succeed())
		return got.Status.Replicas
	}).Should(Equal(int32(3)))
	// The Deployment is not where the number is decided.
	scale = &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 1}}
	w.Expect(w.SubResource("scale").Update(w.ctx, w.deployment("blue"), client.WithSubResourceBody(scale))).To(Succeed())
	w.Eventually(w.replicas("blue")).Should(Equal(int32(3)))
}

// capacityTypes switches between one instance and several.
func capacityTypes(w *world) {
	w.create(w.web("blue", scaled(2, 4)))
	w.ready("blue")
	w.Expect(w.replicas("blue")()).To(Equal(int32(2)))
	w.change("blue", func(e *v1alpha1.Environment) {
		e.Spec.Capacity = &v1alpha1.Capacity{Type: v1alpha1.SingleInstance}
	})
	w.Eventually(w.replicas("blue")).Should(Equal(int32(1)))
	w.ready("blue")
	w.Expect(w.Get(w.ctx, w.key("blue"), &autoscalingv2.HorizontalPodAutoscaler{})).NotTo(Succeed())
	w.Expect(w.Get(w.ctx, w.key("blue"), &policyv1.PodDisruptionBudget{})).NotTo(Succeed())
	w.change("blue", scaled(2, 4))
	// The autoscaler itself brings the number to its minimum.
	w.Eventually(w.replicas("blue")).Should(Equal(int32(2)))
	w.ready("blue")
}
