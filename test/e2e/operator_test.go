// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// operatorImage is repository:tag@digest.
var operatorImage string

// manager selects the operator's pods.
var manager = client.MatchingLabels{"app.kubernetes.io/component": "manager"}

// helm runs the real one, of the version that the tools pin.
func helm(args ...string) (string, error) {
	binary := os.Getenv("HELM")
	if binary == "" {
		out, err := run(20*time.Minute, filepath.Join(root(), "hack", "tools", "build"), "helm")
		if err != nil {
			return "", err
		}
		binary = strings.TrimSpace(out)
	}
	return runEnv(5*time.Minute, []string{"KUBECONFIG=" + theCluster.kubeconfig}, binary, args...)
}

// installOperator installs or upgrades by the chart, with more values than those of the suite.
func installOperator(values ...string) error {
	image, digest, _ := strings.Cut(operatorImage, "@")
	colon := strings.LastIndex(image, ":")
	args := []string{
		"upgrade", "--install", "beanpod", "charts/beanpod", "--namespace", operatorNamespace, "--create-namespace",
		"--set-string", "image.repository=" + image[:colon], "--set-string", "image.tag=" + image[colon+1:],
		"--set-string", `podAnnotations.beanpod\.dev/image-digest=` + digest,
		"--set", "baseDomain=" + baseDomain, "--set", "routing.defaultIngressClassName=traefik",
		"--set", "queue.development.enabled=true", "--set-string", "queue.development.image=localhost/nats:1",
		"--set-string", "databases.image=localhost/postgres",
		"--set", "databases.deletionDelay=5s",
		"--wait", "--timeout", "3m",
	}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	_, err := helm(args...)
	return err
}

// uninstallOperator checks that the kinds, and with them everybody's objects, stay.
func uninstallOperator() error {
	const crds = "customresourcedefinitions"
	before, err := kubectl("get", crds, "-o", "name")
	if err != nil {
		return err
	}
	if _, err := helm("uninstall", "beanpod", "--namespace", operatorNamespace, "--wait", "--timeout", "2m"); err != nil {
		return err
	}
	after, err := kubectl("get", crds, "-o", "name")
	if err != nil {
		return err
	}
	if before != after || !strings.Contains(after, "environments.beanpod.dev") {
		return fmt.Errorf("uninstalling took CRDs away; before:\n%s\nafter:\n%s", before, after)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Second) { // helm does not wait for pods to end
		left, err := kubectl("get", "deployments,services,pods,serviceaccounts", "-n", operatorNamespace, "-o", "name",
			"-l", "app.kubernetes.io/part-of=beanpod")
		if err != nil || strings.TrimSpace(left) == "" {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("uninstalling left:\n%s", left)
		}
	}
}

// kubectl is what users type.
func kubectl(args ...string) (string, error) {
	env := []string{"KUBECONFIG=" + theCluster.kubeconfig, "PATH=" + theCluster.path}
	return runEnv(5*time.Minute, env, lookKubectl(), args...)
}

func lookKubectl() string {
	for dir := range strings.SplitSeq(theCluster.path, ":") {
		if p, err := exec.LookPath(filepath.Join(dir, "kubectl")); err == nil {
			return p
		}
	}
	return "kubectl"
}

// mustKubectl fails the test when the command fails.
func mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// killOperator ends the operator's pods without notice, those that are on their way out included.
func killOperator(t *testing.T) {
	t.Helper()
	mustKubectl(t, "delete", "pods", "-n", operatorNamespace, "-l", "app.kubernetes.io/component=manager",
		"--grace-period=0", "--force", "--wait=false")
}

func operatorPod(t *testing.T) string {
	t.Helper()
	var pods corev1.PodList
	get(t, func(ctx context.Context) error {
		return k8s.List(ctx, &pods, client.InNamespace(operatorNamespace), manager)
	})
	for _, p := range pods.Items {
		if p.DeletionTimestamp == nil {
			return p.Name
		}
	}
	t.Fatal("the operator has no pod")
	return ""
}

// scaleOperator waits until as many run as are wanted.
func scaleOperator(t *testing.T, replicas int) {
	t.Helper()
	mustKubectl(t, "scale", "-n", operatorNamespace, "deployment/beanpod", fmt.Sprintf("--replicas=%d", replicas))
	eventually(t, 2*time.Minute, fmt.Sprintf("%d operators", replicas), func() error {
		var d appsv1.Deployment
		get(t, func(ctx context.Context) error {
			return k8s.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "beanpod"}, &d)
		})
		if int(d.Status.Replicas) != replicas || int(d.Status.AvailableReplicas) != replicas {
			return fmt.Errorf("%d run, %d are available", d.Status.Replicas, d.Status.AvailableReplicas)
		}
		return nil
	})
}
