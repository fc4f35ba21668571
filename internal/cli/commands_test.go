// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/cli"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

func testRefusals(t *testing.T, w *world) {
	const ns = "refusals"
	w.shop(t, ns)
	if err := w.Create(context.Background(), testkit.MakeEnvironment(ns, "shop-blue", "")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"deploy shpo --version x", 1, "namespace refusals has no Environment shpo; did you mean shop?"},
		{"status shop-bleu", 1, "did you mean shop-blue?"},
		{"status elephant", 1, "namespace refusals has no Environment elephant; there are: shop, shop-blue"},
		{"abort", 1, "namespace refusals has 2 environments; name one: shop, shop-blue"},
		{"abort -n default", 1, "namespace default has no Environment; make one first"},
		{"deploy shop --version shop-2", 1, "application shop has no version shop-2; did you mean shop-1?"},
		{"deploy shop --image x --archive y", 1, "none of the others can be"},
		{"deploy shop --image x --wait tomorrow", 1, "--wait=tomorrow is not known; use accepted, rolled-out, healthy or none"},
		{"deploy shop --image x -o xml", 1, "-o xml is not known"},
		{"deploy shop --archive /nowhere", 1, "no such file"},
		{"deploy shop --image registry.example/a:1 --name UPPER", 1, "making ApplicationVersion UPPER"},
		{"deploy shop --image registry.example/a:1 --label " + strings.Repeat("x", 101), 1, "the label has 101 characters, and at most 100 are allowed"},
		{"deploy shop --image registry.example/other:1 --name shop-1", 1, "ApplicationVersion shop-1 exists with other contents"},
		{"deploy shop --version shop-1 --as nobody", 4, `User "nobody" cannot get resource "environments"`},
		{"status -A shop", 1, "-A lists all environments"},
		{"status -o xml", 1, "-o xml is not known"},
		{"status --context nowhere", 1, "nowhere"},
	} {
		r := w.begin(t, cli.Options{}, append([]string{"-n", ns}, strings.Fields(c.args)...)...).ends(t, c.code)
		if got := r.err.String(); !strings.Contains(got, c.want) {
			t.Errorf("%s: stderr %q, want %q in it", c.args, got, c.want)
		}
	}
}

func testStatus(t *testing.T, w *world) {
	const ns = "status"
	w.shop(t, ns)
	at := func(ago time.Duration) *metav1.Time { return &metav1.Time{Time: noon.Add(-ago)} }
	w.report(t, ns, deploys("shop-2", 7, "1 of 2 instances updated"), func(st *v1alpha1.EnvironmentStatus) {
		st.Platform = &v1alpha1.PlatformStatusSummary{Branch: "3.12", Version: "3.12.4", State: "Supported", UpdateAvailable: "3.12.5"}
		st.Deployment.StartedAt = at(80 * time.Second)
		st.Health = &v1alpha1.Health{
			Status: v1alpha1.HealthWarning, Color: v1alpha1.ColorYellow, Since: at(5 * time.Minute), Instances: v1alpha1.InstanceCounts{Total: 3, Ok: 2, Warning: 1},
			Causes: []v1alpha1.HealthCause{{Code: "Restarted", Severity: v1alpha1.HealthWarning, Count: 1, Message: "1 instance restarted within the last 10 minutes"}},
		}
		for id := int64(6); id > 0; id-- {
			r := v1alpha1.DeploymentRecord{ID: id, Type: v1alpha1.DeploymentVersion, Version: "shop-1", Result: v1alpha1.DeploymentSucceeded, DurationSeconds: 98, FinishedAt: at(time.Duration(7-id) * time.Hour)}
			if id == 5 {
				r.Result, r.Reason, r.LogsRef = v1alpha1.DeploymentFailed, v1alpha1.ReasonTimedOut, &v1alpha1.LocalReference{Name: "shop-deployment-5"}
			}
			st.History = append(st.History, r)
		}
	})
	w.begin(t, cli.Options{}, "status", "shop", "-n", ns).ends(t, 0).golden(t, "status")
	if err := w.Create(context.Background(), testkit.MakeEnvironment(ns, "new", "")); err != nil {
		t.Fatal(err)
	}
	created := w.environment(t, ns).CreationTimestamp.Time
	later := cli.Options{Now: func() time.Time { return created.Add(50*time.Hour + 30*time.Minute) }}
	w.begin(t, later, "status", "-n", ns).ends(t, 0).golden(t, "status-all")
	w.begin(t, cli.Options{}, "status", "new", "-n", ns).ends(t, 0).golden(t, "status-new")
	for _, c := range []struct{ args, want string }{
		{"status shop -o yaml", "kind: Environment\n"}, {"status -o json", `"kind": "EnvironmentList"`}, {"status -A", "NAMESPACE"},
	} {
		r := w.begin(t, cli.Options{}, append([]string{"-n", ns}, strings.Fields(c.args)...)...).ends(t, 0)
		if got := r.out.String(); !strings.Contains(got, c.want) || strings.Contains(got, "managedFields") {
			t.Errorf("%s: %s", c.args, got)
		}
	}
}

func testVersions(t *testing.T, w *world) {
	const ns = "versions"
	w.begin(t, cli.Options{}, "versions", "-n", ns).ends(t, 0).golden(t, "versions-none")
	w.shop(t, ns)
	other := testkit.MakeVersion(ns, "blog-1", "registry.example/blog:1", func(v *v1alpha1.ApplicationVersion) { v.Spec.ApplicationRef.Name = "blog" })
	second := testkit.MakeVersion(ns, "shop-2", "registry.example/shop:2", func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Label, v.Annotations = "2 (sale)", map[string]string{v1alpha1.AnnotationMessage: "Sell shoes"}
	})
	for _, v := range []*v1alpha1.ApplicationVersion{other, second} {
		if err := w.Create(context.Background(), v); err != nil {
			t.Fatal(err)
		}
	}
	second.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: "True", Reason: v1alpha1.ReasonProcessed, LastTransitionTime: metav1.Now()}}
	second.Status.UsedBy = []v1alpha1.VersionUse{{Environment: "shop"}, {Environment: "shop-blue"}}
	if err := w.Status().Update(context.Background(), second); err != nil {
		t.Fatal(err)
	}
	// Ages are rounded down, and names break ties, so that objects of the same or the next second look the same.
	later := cli.Options{Now: func() time.Time { return second.CreationTimestamp.Add(75*time.Hour + 30*time.Minute) }}
	w.begin(t, later, "versions", "-n", ns, "--application", "shop").ends(t, 0).golden(t, "versions")
	r := w.begin(t, cli.Options{}, "versions", "-n", ns, "-o", "yaml").ends(t, 0)
	if got := r.out.String(); !strings.Contains(got, "kind: ApplicationVersion\n") || strings.Count(got, "name: blog-1") != 1 {
		t.Errorf("yaml: %s", got)
	}
}

func testAbort(t *testing.T, w *world) {
	const ns = "abort"
	w.shop(t, ns)
	w.begin(t, cli.Options{}, "abort", "-n", ns).ends(t, 0).golden(t, "abort-none")
	w.report(t, ns, deploys("shop-2", 2, "1 of 2 instances updated"))
	r := w.begin(t, cli.Options{}, "abort", "shop", "-n", ns)
	r.sees(t, "asked for the end")
	answer := func(message string, completed bool) {
		token := w.environment(t, ns).Annotations[v1alpha1.AnnotationAbortRequested]
		w.report(t, ns, func(st *v1alpha1.EnvironmentStatus) {
			st.Operations = &v1alpha1.Operations{Abort: &v1alpha1.Operation{Token: token, Message: message, Completed: completed}}
		})
	}
	answer("1 of 2 instances run shop-1 again", false)
	r.sees(t, "1 of 2 instances run shop-1 again")
	answer("deployment 2 was aborted; shop-1 runs", true)
	r.ends(t, 0).golden(t, "abort")
	r = w.begin(t, cli.Options{Now: func() time.Time { return noon.Add(time.Minute) }}, "abort", "-n", ns, "--timeout", "200ms").ends(t, 3)
	if got := r.err.String(); !strings.Contains(got, "not over after 200ms: the operator has not answered; `beanpod -n abort status shop` shows it") {
		t.Errorf("stderr: %s", got)
	}
}

func testCompletion(t *testing.T, w *world) {
	const ns = "completion"
	w.shop(t, ns)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"deploy", "-n", ns, "sh"}, "shop\n:4"},
		{[]string{"status", "-n", ns, "x"}, ":4"},
		{[]string{"deploy", "-n", ns, "shop", ""}, ":4"},
		{[]string{"deploy", "-n", ns, "--version", "shop"}, "shop-1\n:4"},
		{[]string{"deploy", "-n", ns, "--wait", "h"}, "accepted\nrolled-out\nhealthy\nnone\n:4"},
	} {
		r := w.begin(t, cli.Options{}, append([]string{"__complete"}, append([]string{"--kubeconfig", w.kubeconfig}, c.args...)...)...).ends(t, 0)
		if got := r.out.String(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%v: %q, want %q first", c.args, got, c.want)
		}
	}
}

func testVersion(t *testing.T, w *world) {
	const ns = "operators"
	labels := map[string]string{"app.kubernetes.io/name": "beanpod", "app.kubernetes.io/component": "manager", "app.kubernetes.io/version": "0.1.0"}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "beanpod", Labels: labels}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	d.Spec.Template.Labels = labels
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "manager", Image: "beanpod:0.1.0"}}
	if err := w.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Create(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	w.begin(t, cli.Options{}, "version", "--operator-namespace", ns).ends(t, 0).golden(t, "version")
	w.begin(t, cli.Options{}, "version").ends(t, 0).golden(t, "version-none")
}
