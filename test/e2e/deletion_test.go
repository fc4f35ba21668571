// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func TestTerminationProtectionRefusesDeletion(t *testing.T) {
	t.Parallel()
	e := start(t, environment("protected", instances(1), func(e *v1alpha1.Environment) { e.Spec.TerminationProtection = true }))
	t.Cleanup(func() { e.patch(t, spec(map[string]any{"terminationProtection": false})) }) // before start's
	for _, args := range [][]string{
		{"delete", "benv", "-n", e.namespace, e.name, "--wait=false"},
		{"delete", "namespace", e.namespace, "--wait=false"},
	} {
		_, err := kubectl(args...)
		if err == nil {
			t.Fatalf("kubectl %s was not refused", strings.Join(args, " "))
		}
		for _, want := range []string{"Environment protected ", "has spec.terminationProtection: true. Set it to false first: kubectl -n stories patch"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("kubectl %s says\n%v\nwant %q", strings.Join(args, " "), err, want)
			}
		}
	}
	if ts := e.get(t).DeletionTimestamp; ts != nil {
		t.Errorf("it is being deleted since %s", ts)
	}
}

// What one creates, one can delete: nothing is left but what the namespace came with.
func TestDeletingLeavesNothing(t *testing.T) {
	t.Parallel()
	const ns = "deleting"
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	start(t, environment("left-scaled", in(ns), scaled))
	start(t, environment("left-gateway", in(ns), instances(1), func(e *v1alpha1.Environment) {
		e.Spec.Routing = &v1alpha1.Routing{GatewayRef: &v1alpha1.GatewayReference{Name: "traefik", Namespace: "kube-system"}}
	}))
	kinds := "deployments,replicasets,pods,services,endpointslices,ingresses,httproutes,horizontalpodautoscalers," +
		"poddisruptionbudgets,serviceaccounts,networkpolicies,secrets,configmaps,roles,rolebindings,persistentvolumeclaims," +
		"controllerrevisions,jobs," + strings.Join(namespacedKinds(t), ",")
	before := mustKubectl(t, "get", kinds, "-n", ns, "-o", "name")
	for _, want := range []string{
		"deployment.apps/", "service/", "endpointslice", "ingress.networking", "httproute.gateway", "horizontalpodautoscaler",
		"poddisruptionbudget", "serviceaccount/", "networkpolicy", "environment.beanpod.dev/left-scaled",
	} {
		if !strings.Contains(before, want) {
			t.Errorf("there is no %s to begin with, so its absence shows nothing:\n%s", want, before)
		}
	}
	mustKubectl(t, "delete", "benv", "--all", "-n", ns, "--timeout=1m")
	mustKubectl(t, "delete", "bver,bapp", "--all", "-n", ns, "--timeout=1m")
	eventually(t, 2*time.Minute, "nothing", func() error {
		left := ""
		for line := range strings.Lines(mustKubectl(t, "get", kinds, "-n", ns, "-o", "name")) {
			if l := strings.TrimSpace(line); l != "serviceaccount/default" && l != "configmap/kube-root-ca.crt" {
				left += " " + l
			}
		}
		if left != "" {
			return fmt.Errorf("left:%s", left)
		}
		return nil
	})
}

// namespacedKinds of ours; Platforms are the cluster's, and stay.
func namespacedKinds(t *testing.T) []string {
	t.Helper()
	kinds := strings.Fields(mustKubectl(t, "api-resources", "--categories=beanpod", "--namespaced", "-o", "name"))
	if len(kinds) == 0 {
		t.Fatal("kubectl api-resources lists no kind of the category beanpod")
	}
	return kinds
}
