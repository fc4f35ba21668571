// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// These stories disturb the operator that all others need, so none of them is parallel.

// Once the pod template is written, the rollout needs nobody: it goes on, and ends, without the operator.
func TestARolloutEndsWithoutTheOperator(t *testing.T) {
	e := start(t, environment("absent"))
	t.Cleanup(func() { scaleOperator(t, 1) })
	load := hammer(t, e.host(t))
	e.deploy(t, "v2")
	eventually(t, time.Minute, "the new template", func() error {
		if image := e.deployment(t).Spec.Template.Spec.Containers[0].Image; !strings.HasSuffix(image, ":v2") {
			return fmt.Errorf("the template has %s", image)
		}
		return nil
	})
	mustKubectl(t, "scale", "-n", operatorNamespace, "deployment/beanpod", "--replicas=0")
	killOperator(t)
	if s := e.deployment(t).Status; s.UpdatedReplicas == 3 && s.Replicas == 3 {
		t.Fatal("the rollout was over before the operator was gone")
	}
	eventually(t, 2*time.Minute, "the rollout", func() error {
		if s := e.deployment(t).Status; s.UpdatedReplicas != 3 || s.Replicas != 3 || s.AvailableReplicas != 3 {
			return fmt.Errorf("%d of %d are new, %d available", s.UpdatedReplicas, s.Replicas, s.AvailableReplicas)
		}
		return nil
	})
	settled(t, e, "v2")
	scaleOperator(t, 1)
	e.waitVersion(t, "v2")
	load.stopUnfailed(t, "v1", "v2")
}

// Upgrading the operator, with other values or into another mode, must not touch a single instance.
func TestUpgradingTheOperatorRestartsNoInstance(t *testing.T) {
	e := start(t, environment("upgraded", instances(2)))
	upgrade := func(values ...string) {
		t.Helper()
		began := time.Now()
		if err := installOperator(values...); err != nil {
			t.Error(err)
		}
		rightsChange.mu.Lock()
		defer rightsChange.mu.Unlock()
		rightsChange.spans = append(rightsChange.spans, [2]time.Time{began, time.Now()})
	}
	t.Cleanup(func() { upgrade() })
	pods, generation := e.podUIDs(t), e.deployment(t).Generation
	load := hammer(t, e.host(t))
	unchanged := func(step string) {
		t.Helper()
		e.waitReady(t, time.Minute)
		time.Sleep(3 * time.Second) // the new operator has looked at everything by then
		if got := e.podUIDs(t); !maps.Equal(got, pods) {
			t.Errorf("%s: instances are %v, were %v", step, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(pods)))
		}
		if got := e.deployment(t).Generation; got != generation {
			t.Errorf("%s: the Deployment is of generation %d, was %d", step, got, generation)
		}
	}
	before := operatorPod(t)
	upgrade("logLevel=debug")
	if operatorPod(t) == before {
		t.Error("the operator was not restarted, so the upgrade proved nothing")
	}
	unchanged("logLevel=debug")

	upgrade("watchNamespaces={"+namespace+"}", "metrics.authentication=false", "store.enabled=false")
	if out, err := kubectl("get", "clusterrolebindings", "-o", "name", "-l", "app.kubernetes.io/part-of=beanpod"); err != nil || out != "" {
		t.Errorf("with watchNamespaces the operator still has cluster roles: %s%v", out, err)
	}
	unchanged("watchNamespaces")
	e.deploy(t, "v2")
	e.waitVersion(t, "v2")
	settled(t, e, "v2")
	load.stopUnfailed(t, "v1", "v2")
	notWatched(t)
}

// notWatched checks that an operator of some namespaces leaves others alone.
func notWatched(t *testing.T) {
	t.Helper()
	const ns = "unwatched"
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	e := environment("web", in(ns))
	if err := k8s.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustKubectl(t, "delete", "namespace", ns, "--timeout=1m") })
	time.Sleep(3 * time.Second)
	if got := (environmentHandle{ns, e.Name}).get(t).Status.Conditions; len(got) > 0 {
		t.Errorf("an environment outside of watchNamespaces got conditions: %v", got)
	}
	var list appsv1.DeploymentList
	if err := k8s.List(t.Context(), &list, client.InNamespace(ns)); err != nil || len(list.Items) > 0 {
		t.Errorf("%d Deployments outside of watchNamespaces (%v), want none", len(list.Items), err)
	}
}
