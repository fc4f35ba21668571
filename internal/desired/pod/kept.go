// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Kept is a pod template that was kept, for a slot that may be another one than it was made for.
func Kept(raw []byte, slot string, c snapshot.Content) (*corev1ac.PodTemplateSpecApplyConfiguration, error) {
	t := corev1ac.PodTemplateSpec()
	if err := json.Unmarshal(raw, t); err != nil {
		return nil, fmt.Errorf("reading the pod template that was kept of revision %s: %w", c.Template, err)
	}
	t.WithLabels(map[string]string{v1alpha1.LabelSlot: slot})
	t.WithAnnotations(map[string]string{v1alpha1.AnnotationRevision: c.Revision})
	if c.Restart != "" {
		t.WithAnnotations(map[string]string{v1alpha1.AnnotationRestart: c.Restart})
	}
	if t.Spec == nil {
		return t, nil
	}
	for i := range t.Spec.TopologySpreadConstraints {
		if sel := t.Spec.TopologySpreadConstraints[i].LabelSelector; sel != nil && sel.MatchLabels[v1alpha1.LabelSlot] != "" {
			sel.MatchLabels[v1alpha1.LabelSlot] = slot
		}
	}
	return t, nil
}

// Release is the pod that runs the release command: the main process's container with another command, without ports and probes.
func Release(s settings.Settings) *corev1ac.PodTemplateSpecApplyConfiguration {
	t := template(s, "")
	main := t.Spec.Containers[0]
	main.Command, main.Args, main.Ports, main.ReadinessProbe, main.Lifecycle = nil, nil, nil, nil, nil
	for _, word := range s.Version.Release {
		main.WithCommand(Literal(word))
	}
	t.Spec.Containers = []corev1ac.ContainerApplyConfiguration{main}
	t.Spec.TopologySpreadConstraints = nil
	t.Spec.WithRestartPolicy(corev1.RestartPolicyNever).WithTerminationGracePeriodSeconds(stopSeconds)
	restrict(t.Spec, s)
	delete(t.Labels, v1alpha1.LabelSlot)
	delete(t.Labels, v1alpha1.LabelEnvironmentUID)
	t.WithLabels(map[string]string{v1alpha1.LabelRelease: s.Name})
	return t
}
