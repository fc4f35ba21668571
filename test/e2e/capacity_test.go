// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func TestTheAutoscalerKnowsItsMetrics(t *testing.T) {
	t.Parallel()
	e := start(t, environment("scaled", scaled))
	eventually(t, 3*time.Minute, "the HorizontalPodAutoscaler to measure", func() error {
		var list autoscalingv2.HorizontalPodAutoscalerList
		if err := k8s.List(t.Context(), &list, client.InNamespace(e.namespace), client.MatchingLabels{v1alpha1.LabelEnvironment: e.name}); err != nil {
			return err
		}
		if len(list.Items) != 1 {
			return fmt.Errorf("there are %d of them", len(list.Items))
		}
		h := list.Items[0]
		if h.Spec.MaxReplicas != 3 || *h.Spec.MinReplicas != 2 {
			t.Errorf("it scales from %d to %d, want 2 to 3", *h.Spec.MinReplicas, h.Spec.MaxReplicas)
		}
		for _, c := range h.Status.Conditions {
			if c.Type == autoscalingv2.ScalingActive && c.Status != corev1.ConditionTrue {
				return fmt.Errorf("it does not scale: %s", c.Message)
			}
		}
		if m := h.Status.CurrentMetrics; len(m) != 1 || m[0].Resource == nil || m[0].Resource.Current.AverageUtilization == nil {
			return fmt.Errorf("it knows no metric: %+v", h.Status.CurrentMetrics)
		}
		return nil
	})
	if out := mustKubectl(t, "top", "pods", "-n", e.namespace, "-l", v1alpha1.LabelEnvironment+"="+e.name, "--no-headers"); len(strings.Split(strings.TrimSpace(out), "\n")) < 2 {
		t.Errorf("kubectl top shows\n%s\nwant two pods", out)
	}
}

func scaled(e *v1alpha1.Environment) {
	c := e.Spec.Capacity
	c.Min, c.Max, c.Desired = new(int32(2)), new(int32(3)), nil
	c.Autoscaling = &v1alpha1.Autoscaling{Triggers: []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerCPU, Target: 1000}}}
}

func TestTheCapacityTypeChangesInPlace(t *testing.T) {
	t.Parallel()
	e := start(t, environment("capacity", scaled))
	uid := e.deployment(t).UID
	load := hammer(t, e.host(t))
	parts := func(want int) {
		t.Helper()
		eventually(t, time.Minute, fmt.Sprintf("%d autoscalers and disruption budgets", want), func() error {
			var hpas autoscalingv2.HorizontalPodAutoscalerList
			var pdbs policyv1.PodDisruptionBudgetList
			own := client.MatchingLabels{v1alpha1.LabelEnvironment: e.name}
			for _, list := range []client.ObjectList{&hpas, &pdbs} {
				if err := k8s.List(t.Context(), list, client.InNamespace(e.namespace), own); err != nil {
					return err
				}
			}
			if len(hpas.Items) != want || len(pdbs.Items) != want {
				return fmt.Errorf("there are %d and %d", len(hpas.Items), len(pdbs.Items))
			}
			return nil
		})
	}
	run := func(want int) {
		t.Helper()
		eventually(t, 2*time.Minute, fmt.Sprintf("%d instances", want), func() error {
			if n := len(e.pods(t)); n != want {
				return fmt.Errorf("%d run", n)
			}
			return nil
		})
		e.waitReady(t, 2*time.Minute)
	}
	before := e.podUIDs(t)
	e.patch(t, spec(map[string]any{"capacity": map[string]any{"type": "SingleInstance", "min": nil, "max": nil, "autoscaling": nil}}))
	run(1)
	parts(0)
	for uid := range e.podUIDs(t) {
		if !before[uid] {
			t.Error("the instance that is left is a new one")
		}
	}
	single := e.podUIDs(t)
	e.patch(t, spec(map[string]any{"capacity": map[string]any{"type": "LoadBalanced", "min": 2, "max": 3}}))
	run(2)
	parts(1)
	for uid := range single {
		if !e.podUIDs(t)[uid] {
			t.Error("growing replaced the instance that ran")
		}
	}
	if e.deployment(t).UID != uid {
		t.Error("the Deployment was made anew")
	}
	load.stopUnfailed(t, "v1")
}

func TestInstancesHaveNoRights(t *testing.T) {
	t.Parallel()
	e := start(t, environment("rights", instances(1)))
	for _, p := range e.pods(t) {
		if p.Spec.AutomountServiceAccountToken == nil || *p.Spec.AutomountServiceAccountToken {
			t.Error("automountServiceAccountToken is not false")
		}
		for _, v := range p.Spec.Volumes {
			if v.Projected != nil {
				t.Errorf("volume %s is projected, as a token would be", v.Name)
			}
		}
		if p.Spec.ServiceAccountName == "default" {
			t.Error("it runs as the default service account")
		}
		s := p.Spec.Containers[0].SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
			t.Errorf("privileges may escalate: %+v", s)
		}
	}
	labels := mustKubectl(t, "get", "namespace", e.namespace, "-o", `jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}`)
	if labels != "restricted" {
		t.Errorf("the namespace enforces %q, so the stories do not show what they claim", labels)
	}
	account := e.pods(t)[0].Spec.ServiceAccountName
	out, _ := kubectl("auth", "can-i", "--list", "-n", e.namespace, "--as", "system:serviceaccount:"+e.namespace+":"+account, "--no-headers")
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "self") && !strings.Contains(line, "[/") {
			t.Errorf("service account %s has a right: %s", account, strings.TrimSpace(line))
		}
	}
}

// kubectl scale is the usual way to another number.
func TestScaleSetsTheNumberOfInstances(t *testing.T) {
	t.Parallel()
	e := start(t, environment("scale", instances(1)))
	before := e.podUIDs(t)
	mustKubectl(t, "scale", "benv", "-n", e.namespace, e.name, "--replicas=2")
	eventually(t, time.Minute, "two instances", func() error {
		if n := len(e.pods(t)); n != 2 {
			return fmt.Errorf("%d run", n)
		}
		return nil
	})
	e.waitReady(t, time.Minute)
	after := e.podUIDs(t)
	maps.DeleteFunc(after, func(uid string, _ bool) bool { return !before[uid] })
	if len(after) != 1 {
		t.Error("scaling replaced the instance that ran")
	}
}
