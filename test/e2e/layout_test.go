// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// TestTheApplicationIsTheSidecar is why a worker's pod is laid out as it is. Its application ends at once at SIGTERM, as many do. In a
// copy of the pod as it is, the daemon drains before: nothing is begun twice. With the roles exchanged the application is told first,
// and the work at hand is broken off. Without the second half the first would prove nothing.
func TestTheApplicationIsTheSidecar(t *testing.T) {
	t.Parallel()
	const messages = 60
	j := startJobs(t, "layout", instances(1), func(e *v1alpha1.Environment) {
		e.Spec.EnvironmentProperties[1].Value = new("1500") // WORK_MS
		e.Spec.EnvironmentProperties = append(e.Spec.EnvironmentProperties, v1alpha1.EnvironmentProperty{Name: "ABRUPT", Value: new("1")})
		e.Spec.Worker.VisibilityTimeoutSeconds, e.Spec.Worker.MaxRetries = new(int32(5)), new(int32(10))
	})
	again := func(name string, layout func(*corev1.PodSpec), sent int) int {
		p := j.copy(t, name, layout)
		j.put(t, fmt.Sprintf("n=%d&from=%d", messages, sent))
		// Begun, and some still waiting: both pods are at work.
		eventually(t, time.Minute, "messages at work", func() error {
			b, err := j.books(t)
			if err == nil && b.Messages < sent+messages/2 {
				err = fmt.Errorf("%d were begun", b.Messages-sent)
			}
			return err
		})
		get(t, func(ctx context.Context) error { return k8s.Delete(ctx, p) })
		eventually(t, time.Minute, "the end of "+name, func() error {
			if !gone(t, &corev1.Pod{}, p.Namespace, p.Name) {
				return fmt.Errorf("it is still there")
			}
			return nil
		})
		j.worked(t, sent+messages)
		time.Sleep(8 * time.Second) // what was lost comes back after the visibility timeout
		return j.worked(t, sent+messages).Again
	}
	if n := again("as-it-is", func(*corev1.PodSpec) {}, 0); n != 0 {
		t.Errorf("%d messages were begun again, although the daemon drains first", n)
	}
	exchanged := again("exchanged", func(s *corev1.PodSpec) {
		s.Containers, s.InitContainers = s.InitContainers, s.Containers
		always := corev1.ContainerRestartPolicyAlways
		s.Containers[0].RestartPolicy, s.InitContainers[0].RestartPolicy = nil, &always
	}, messages)
	if exchanged == 0 {
		t.Error("no message was begun again with the roles exchanged: the test cannot tell the layouts apart")
	}
	t.Logf("%d messages were begun again with the roles exchanged, none as they are", exchanged)
}

// copy makes a pod like the worker's, which no controller knows, and waits until it is ready.
func (j jobs) copy(t *testing.T, name string, layout func(*corev1.PodSpec)) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: j.worker.namespace, Name: name}, Spec: j.worker.pods(t)[0].Spec}
	p.Spec.NodeName = ""
	layout(&p.Spec)
	create(t, p)
	eventually(t, 2*time.Minute, "pod "+name, func() error {
		get(t, func(ctx context.Context) error { return k8s.Get(ctx, client.ObjectKeyFromObject(p), p) })
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("it is %s, and not ready", p.Status.Phase)
	})
	return p
}
