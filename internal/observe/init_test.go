// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestInitContainers proves that what fails before the application starts is seen, and that what works is not in the way.
func TestInitContainers(t *testing.T) {
	t.Parallel()
	waiting := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "why"}}
	}
	for name, tc := range map[string]struct {
		status corev1.ContainerStatus
		want   string
	}{
		"waits for its turn": {corev1.ContainerStatus{Name: "artifact", State: waiting("PodInitializing")}, ""},
		"works":              {corev1.ContainerStatus{Name: "artifact", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, ""},
		"is done":            {corev1.ContainerStatus{Name: "artifact", Ready: true, RestartCount: 2, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}, ""},
		"has no image":       {corev1.ContainerStatus{Name: "artifact", State: waiting("ErrImagePull")}, "ErrImagePull"},
		"fails":              {corev1.ContainerStatus{Name: "artifact", RestartCount: 3, State: waiting("CrashLoopBackOff")}, "CrashLoopBackOff"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := &corev1.Pod{Status: corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{tc.status}}}
			got := ""
			for _, c := range instance(pod).Containers {
				got += c.Waiting
			}
			if got != tc.want {
				t.Errorf("the instance tells of %q, want %q", got, tc.want)
			}
		})
	}
}
