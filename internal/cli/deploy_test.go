// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/cli"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// TestCommands plays command lines against a real API server; the test plays the operator.
func TestCommands(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, test := range map[string]func(*testing.T, *world){
		"deploy a folder": testFolder, "deploy an image that fails": testFailure, "JSON": testJSON, "stuck": testStuck, "nobody waits": testImpatience,
		"somebody else": testOthers, "dry run": testDryRun, "refusals": testRefusals, "status": testStatus, "versions": testVersions, "abort": testAbort,
		"completion": testCompletion, "version": testVersion, "terminal": testTerminal,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

func testFolder(t *testing.T, w *world) {
	const ns = "folder"
	w.shop(t, ns)
	store := w.store(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.py"), []byte("print('shop')"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := cli.Options{Dir: dir}
	args := []string{"deploy", "-n", ns, "--store-url", store.URL, "--label", "2 (sale)", "-m", "Sell shoes"}
	w.begin(t, o, args...).ends(t, 1).golden(t, "no-uploader")
	if got := w.environment(t, ns).Spec.VersionRef.Name; got != "shop-1" {
		t.Errorf("the environment names %s although nothing was uploaded", got)
	}

	if err := w.Create(context.Background(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "beanpod-uploader"}}); err != nil {
		t.Fatal(err)
	}
	r := w.begin(t, o, args...)
	r.sees(t, "waiting for the operator to see the change")
	w.report(t, ns, deploys("shop-2-sale", 2, "1 of 2 instances updated"))
	r.sees(t, "1 of 2 instances updated")
	w.report(t, ns, runs("shop-2-sale", 2))
	r.ends(t, 0).golden(t, "folder")

	v := &v1alpha1.ApplicationVersion{}
	if err := w.Get(context.Background(), client.ObjectKey{Namespace: ns, Name: "shop-2-sale"}, v); err != nil {
		t.Fatal(err)
	}
	body := store.uploads["PUT /v1/namespaces/folder/uploads/shop-2-sale"]
	sum := sha256.Sum256([]byte(body))
	if b := v.Spec.Source.Bundle; b == nil || b.URL != "store://shop-2-sale" || b.SHA256 != hex.EncodeToString(sum[:]) || v.Annotations[v1alpha1.AnnotationMessage] != "Sell shoes" {
		t.Errorf("the version does not describe what was uploaded (%d bytes): %+v", len(body), v)
	}
	if len(store.users) != 1 || store.users[0] != "system:serviceaccount:folder:beanpod-uploader" {
		t.Errorf("uploaded by %v", store.users)
	}
	owner := ""
	for _, entry := range w.environment(t, ns).ManagedFields {
		if entry.Subresource == "" && strings.Contains(entry.FieldsV1.GetRawString(), `"f:versionRef":{"f:name"`) {
			owner = entry.Manager
		}
	}
	if owner != "beanpod-cli" {
		t.Errorf("spec.versionRef is owned by %q", owner)
	}

	w.begin(t, o, args...).ends(t, 0).golden(t, "folder-again")
	if len(store.users) != 1 {
		t.Errorf("the same folder was uploaded %d times", len(store.users))
	}
	if err := os.WriteFile(filepath.Join(dir, "app.py"), []byte("print('sale')"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.begin(t, o, args...).ends(t, 1).golden(t, "folder-other")
}

func testFailure(t *testing.T, w *world) {
	const ns = "failure"
	w.shop(t, ns)
	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shop-deployment-2"}, Data: map[string]string{"summary.txt": "deployment 2 of shop-2\nshop-a-x: CrashLoopBackOff\n" + strings.Repeat("line\n", 20)}}
	if err := w.Create(context.Background(), kept); err != nil {
		t.Fatal(err)
	}
	r := w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--image", "registry.example/shop:2")
	r.sees(t, "waiting for the operator to see the change")
	cause := v1alpha1.HealthCause{Code: "CrashLoop", Severity: v1alpha1.HealthSevere, Count: 1, Message: "1 instance crashes again and again; look at its logs"}
	w.report(t, ns, deploys("shop-2", 2, "0 of 2 instances updated"), func(st *v1alpha1.EnvironmentStatus) {
		st.Health = &v1alpha1.Health{Status: v1alpha1.HealthSevere, Color: v1alpha1.ColorRed, Causes: []v1alpha1.HealthCause{cause}}
	})
	r.sees(t, "0 of 2 instances updated")
	w.report(t, ns, runs("shop-1", 2), func(st *v1alpha1.EnvironmentStatus) {
		st.Conditions = nil
		has(st, v1alpha1.ConditionReady, "False", v1alpha1.ReasonRolledBack, "shop-2 failed")
		has(st, v1alpha1.ConditionVersionDeployed, "False", v1alpha1.ReasonRolledBack, "shop-2 failed: instances crashed; shop-1 runs again")
		st.TargetVersion.Name = "shop-2"
		st.Deployment.State, st.Deployment.Reason, st.Deployment.Message = v1alpha1.DeploymentFailed, v1alpha1.ReasonInstancesCrashed, "1 of 2 new instances crashed; shop-1 runs again"
		st.Deployment.LogsRef = &v1alpha1.LocalReference{Name: "shop-deployment-2"}
	})
	r.ends(t, 2).golden(t, "failure")
	// The same version again: the operator does not try it, and says so at once.
	w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--version", "2", "-o", "json").ends(t, 2).golden(t, "failure-again")
}

func testJSON(t *testing.T, w *world) {
	const ns = "json"
	w.shop(t, ns)
	from := testkit.MakeVersion(ns, "shop-0", "registry.example/shop:0", func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Processes = map[string]v1alpha1.ProcessCommand{"web": "serve"}
		v.Spec.ReleaseCommand = &v1alpha1.ReleaseCommand{Command: []string{"migrate"}}
		v.Spec.Source.Image.PullSecretRef, v.Spec.Source.Image.PullPolicy = &v1alpha1.LocalReference{Name: "regcred"}, v1alpha1.PullNever
	})
	if err := w.Create(context.Background(), from); err != nil {
		t.Fatal(err)
	}
	w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--version", "shop-0", "--wait", "none").ends(t, 0)
	r := w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--image", "registry.example/shop@sha256:"+strings.Repeat("ab", 32), "--wait", "healthy", "-o", "json")
	r.sees(t, "waiting for the operator to see the change")
	w.report(t, ns, runs("shop-abababababab", 2), func(st *v1alpha1.EnvironmentStatus) {
		st.Health.Status, st.Health.Color = v1alpha1.HealthWarning, v1alpha1.ColorYellow
	})
	r.sees(t, "waiting for green health")
	w.report(t, ns, runs("shop-abababababab", 2))
	r.ends(t, 0).golden(t, "json")
	made := &v1alpha1.ApplicationVersion{}
	if err := w.Get(context.Background(), client.ObjectKey{Namespace: ns, Name: "shop-abababababab"}, made); err != nil {
		t.Fatal(err)
	}
	want := from.Spec.DeepCopy()
	want.Label, want.Source.Image.Reference = "abababababab", made.Spec.Source.Image.Reference
	if diff := cmp.Diff(*want, made.Spec); diff != "" {
		t.Errorf("what the version before says is not taken over (-want +got):\n%s", diff)
	}
	w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--version", "shop-9", "-o", "json").ends(t, 1).golden(t, "json-error")
}

// testStuck: what an operator says that has not seen the new version yet is not believed at once.
func testStuck(t *testing.T, w *world) {
	const ns = "stuck"
	w.shop(t, ns)
	stuck := func(reason string) func(*v1alpha1.EnvironmentStatus) {
		return func(st *v1alpha1.EnvironmentStatus) {
			st.Conditions = nil
			has(st, v1alpha1.ConditionReady, "False", reason, "message of "+reason)
			has(st, v1alpha1.ConditionStalled, "True", reason, "message of "+reason)
			has(st, v1alpha1.ConditionVersionDeployed, "False", v1alpha1.ReasonNotDeployed, "not begun")
		}
	}
	r := w.begin(t, cli.Options{Now: time.Now, Settle: time.Second}, "deploy", "-n", ns, "--image", "registry.example/shop:2")
	r.sees(t, "waiting for the operator to see the change")
	w.report(t, ns, stuck(v1alpha1.ReasonVersionNotFound))
	r.sees(t, "message of VersionNotFound")
	w.report(t, ns, deploys("shop-2", 2, "0 of 2 instances updated"))
	r.sees(t, "0 of 2 instances updated")
	w.report(t, ns, stuck(v1alpha1.ReasonSecretNotFound))
	r.ends(t, 2)
	if got := r.err.String(); !strings.Contains(got, "shop-2 cannot be deployed to shop: SecretNotFound: message of SecretNotFound") {
		t.Errorf("stderr: %s", got)
	}
	// While the version is being made, the version says how far it is.
	v := &v1alpha1.ApplicationVersion{}
	if err := w.Get(context.Background(), client.ObjectKey{Namespace: ns, Name: "shop-2"}, v); err != nil {
		t.Fatal(err)
	}
	v.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: "Unknown", Reason: v1alpha1.ReasonBuilding, Message: "installing packages", LastTransitionTime: metav1.Now()}}
	if err := w.Status().Update(context.Background(), v); err != nil {
		t.Fatal(err)
	}
	w.report(t, ns, func(st *v1alpha1.EnvironmentStatus) {
		st.Conditions = nil
		has(st, v1alpha1.ConditionReady, "Unknown", v1alpha1.ReasonVersionNotReady, "the version is not ready")
		has(st, v1alpha1.ConditionVersionDeployed, "False", v1alpha1.ReasonNotDeployed, "not begun")
	})
	r = w.begin(t, cli.Options{}, "deploy", "-n", ns, "--version", "shop-2", "--wait", "accepted")
	r.sees(t, "shop-2: Building, installing packages")
	w.report(t, ns, deploys("shop-2", 2, "0 of 2 instances updated"))
	r.ends(t, 0)
	r.sees(t, "accepted: the deployment of shop-2 to shop has begun")
}

func testImpatience(t *testing.T, w *world) {
	const ns = "impatience"
	w.shop(t, ns)
	w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--image", "registry.example/shop:2", "--timeout", "300ms").ends(t, 3).golden(t, "timeout")
	r := w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--version", "shop-2")
	r.sees(t, "waiting for the operator to see the change")
	r.cancel()
	r.ends(t, 130).golden(t, "detached")
	w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--version", "shop-1", "--wait", "none").ends(t, 0).golden(t, "none")
}

// testOthers: who else sets the version is told before, and noticed after.
func testOthers(t *testing.T, w *world) {
	const ns = "others"
	w.shop(t, ns)
	env := w.environment(t, ns)
	patch := []byte(`{"spec":{"paused":true,"versionRef":{"name":"shop-0"}}}`)
	if err := w.Patch(context.Background(), env, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("argocd-controller")); err != nil {
		t.Fatal(err)
	}
	r := w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--version", "shop-1")
	r.sees(t, "waiting for the operator to see the change")
	if err := w.Patch(context.Background(), env, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("argocd-controller")); err != nil {
		t.Fatal(err)
	}
	r.ends(t, 2).golden(t, "others")
}

func testDryRun(t *testing.T, w *world) {
	const ns = "dry"
	w.shop(t, ns)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.war"), []byte("PK"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := w.environment(t, ns)
	w.begin(t, cli.Options{}, "deploy", "shop", "-n", ns, "--archive", filepath.Join(dir, "shop.war"), "--dry-run").ends(t, 0).golden(t, "dry-run")
	var list v1alpha1.ApplicationVersionList
	if err := w.List(context.Background(), &list, client.InNamespace(ns)); err != nil || len(list.Items) != 1 {
		t.Errorf("%d versions, %v; want only the one from before", len(list.Items), err)
	}
	if after := w.environment(t, ns); after.ResourceVersion != before.ResourceVersion {
		t.Error("the environment was changed")
	}
}

func testTerminal(t *testing.T, w *world) {
	const ns = "terminal"
	w.shop(t, ns)
	store := w.store(t)
	if err := w.Create(context.Background(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "ci"}}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "shop.war")
	if err := os.WriteFile(path, []byte(strings.Repeat("0123456789", 10000)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.begin(t, cli.Options{Terminal: true}, "deploy", "-n", ns, "--archive", path, "--store-url", store.URL, "--upload-service-account", "ci", "--label", "2")
	r.sees(t, "waiting for the operator to see the change")
	w.report(t, ns, runs("shop-2", 2))
	r.ends(t, 0).golden(t, "terminal")
}
