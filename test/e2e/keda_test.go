// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// kedaModule is the folder of KEDA's module, whose manifests are KEDA's own.
	kedaModule    = "KEDA_MODULE"
	kedaNamespace = "keda"
)

// kedaOverlay takes KEDA's manifests but its admission webhooks, and gives them the images that hack/images makes of KEDA's programs.
const kedaOverlay = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [%[1]s/crd, %[1]s/general, %[1]s/service_account, %[1]s/rbac, %[1]s/manager, %[1]s/metrics-server]
images:
  - {name: ghcr.io/kedacore/keda, newName: localhost/keda, newTag: "1"}
  - {name: ghcr.io/kedacore/keda-metrics-apiserver, newName: localhost/keda-metrics-apiserver, newTag: "1"}
patches:
  - target: {kind: Deployment}
    patch: '[{"op": "replace", "path": "/spec/template/spec/containers/0/imagePullPolicy", "value": "Never"}]'
  - target: {kind: Deployment, name: keda-operator}
    patch: '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--enable-webhook-patching=false"}]'
`

// TestKEDA lets KEDA's real operator scale workers. It is not parallel: the operator finds KEDA when it starts, so it is restarted.
func TestKEDA(t *testing.T) {
	module := os.Getenv(kedaModule)
	if module == "" {
		t.Skipf("%s is not set; run: make test-keda", kedaModule)
	}
	uninstall := installKEDA(t, module)
	restartOperator(t)
	t.Run("stories", func(t *testing.T) {
		for name, story := range map[string]func(*testing.T){
			"scales a worker by its queue": kedaScales, "changes hands": kedaChangesHands, "asks Redis": kedaAsksRedis,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				story(t)
			})
		}
	})
	t.Run("falls silent", kedaFallsSilent)
	uninstall(t)
	restartOperator(t)
}

// installKEDA installs KEDA as its manifests say, and returns what takes it away again.
func installKEDA(t *testing.T, module string) (uninstall func(*testing.T)) {
	t.Helper()
	dir := t.TempDir()
	archive := filepath.Join(dir, "keda.tar")
	if _, err := run(time.Hour, "go", "run", "./hack/images", "keda", "-o", archive); err != nil {
		t.Fatal(err)
	}
	if err := theCluster.load(archive); err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Rel(dir, filepath.Join(module, "config")) // kustomize takes no absolute path
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), fmt.Appendf(nil, kedaOverlay, manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	mustKubectl(t, "apply", "--server-side", "-k", dir)
	t.Cleanup(func() {
		if t.Failed() {
			diagnose(kedaNamespace)
			out, _ := kubectl("logs", "-n", kedaNamespace, "-l", "app=keda-operator", "--tail=80")
			fmt.Fprintln(os.Stderr, out)
		}
	})
	for _, name := range []string{"keda-operator", "keda-metrics-apiserver"} {
		kedaRuns(t, name)
	}
	mustKubectl(t, "wait", "--for=condition=Available", "--timeout=3m", "apiservice/v1beta1.external.metrics.k8s.io")
	return func(t *testing.T) {
		t.Helper()
		mustKubectl(t, "delete", "-k", dir, "--timeout=3m")
		if !gone(t, &corev1.Namespace{}, "", kedaNamespace) {
			t.Error("KEDA's namespace is left")
		}
		if out := mustKubectl(t, "get", "crds,apiservices,clusterroles,clusterrolebindings", "-o", "name"); strings.Contains(out, "keda") {
			t.Errorf("left of KEDA:\n%s", out)
		}
	}
}

// kedaRuns waits until a Deployment of KEDA's is there.
func kedaRuns(t *testing.T, name string) {
	t.Helper()
	eventually(t, 3*time.Minute, name, func() error {
		var d appsv1.Deployment
		get(t, func(ctx context.Context) error {
			return k8s.Get(ctx, client.ObjectKey{Namespace: kedaNamespace, Name: name}, &d)
		})
		if d.Status.AvailableReplicas == 0 {
			return fmt.Errorf("%d of %d are available", d.Status.AvailableReplicas, *d.Spec.Replicas)
		}
		return nil
	})
}

// restartOperator has the operator find out again what the cluster serves.
func restartOperator(t *testing.T) {
	t.Helper()
	mustKubectl(t, "rollout", "restart", "-n", operatorNamespace, "deployment/beanpod")
	mustKubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/beanpod", "--timeout=2m")
}
