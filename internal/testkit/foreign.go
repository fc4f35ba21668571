// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// ModulePath is a path in a module of others that hack/tools/NAME pins, brought by the go command.
func ModulePath(t testing.TB, name, module string, elements ...string) string {
	t.Helper()
	command := exec.Command("go", "mod", "download", "-json", module)
	command.Dir = RepositoryPath("hack", "tools", name)
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	output, err := command.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(output, &answer); err != nil || jsonErr != nil || answer.Dir == "" {
		t.Fatalf("bringing %s: %v %v %s", module, err, jsonErr, answer.Error)
	}
	return filepath.Join(append([]string{answer.Dir}, elements...)...)
}

// InstallCRDs installs CRDs of others from files or folders.
func InstallCRDs(t testing.TB, config *rest.Config, paths ...string) {
	t.Helper()
	if _, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{Paths: paths, ErrorIfPathMissing: true}); err != nil {
		t.Fatalf("installing CRDs: %v", err)
	}
}

// Apply applies an object as the operator does, but in the strictest way, in which a field that the schema does not have is an error. It
// makes the namespace, and returns what the API server stored.
func Apply(t testing.TB, config *rest.Config, intent map[string]any) *unstructured.Unstructured {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(intent)
	if err != nil {
		t.Fatal(err)
	}
	out := &unstructured.Unstructured{Object: map[string]any{}}
	if err := out.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: out.GetNamespace()}}
	if err := c.Create(t.Context(), namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	strict := &client.PatchOptions{Raw: &metav1.PatchOptions{FieldValidation: metav1.FieldValidationStrict}}
	patch := client.RawPatch(types.ApplyPatchType, text)
	if err := c.Patch(t.Context(), out, patch, client.FieldOwner("beanpod"), client.ForceOwnership, strict); err != nil {
		t.Fatalf("applying %s %s: %v", out.GetKind(), out.GetName(), err)
	}
	return out
}

// WriteStatus gives a stored object a status, as its controller would.
func WriteStatus(t testing.TB, config *rest.Config, object *unstructured.Unstructured, status map[string]any) {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	object.Object["status"] = status
	strict := &client.SubResourceUpdateOptions{UpdateOptions: client.UpdateOptions{Raw: &metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict}}}
	if err := c.Status().Update(t.Context(), object, strict); err != nil {
		t.Fatalf("writing the status of %s %s: %v", object.GetKind(), object.GetName(), err)
	}
}
