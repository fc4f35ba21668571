// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const crd = `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    controller-gen.kubebuilder.io/version: v0.20.0
  name: pods.example.dev
spec:
  group: example.dev
  description: renders {{ .Name }} and {{ .Other }}
`

const want = `{{- /* Copied from config/crd/bases by hack/chart-crds. Do not edit. */ -}}
{{- if .Values.crds.enabled }}
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    {{- with include "beanpod.crdAnnotations" . }}
    {{- . | nindent 4 }}
    {{- end }}
    controller-gen.kubebuilder.io/version: v0.20.0
  labels:
    {{- include "beanpod.labels" . | nindent 4 }}
  name: pods.example.dev
spec:
  group: example.dev
  description: renders {{ "{{" }} .Name }} and {{ "{{" }} .Other }}
{{- end }}
`

func TestTemplate(t *testing.T) {
	t.Parallel()
	name, got, err := template(crd)
	if err != nil || name != "pods.example.dev" || got != want {
		t.Errorf("template() = %q, %v\n%s\nwant\n%s", name, err, got, want)
	}
}

func TestTemplateRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"another kind":        "kind: Role\nmetadata:\n  name: x\nspec:\n",
		"no spec":             "kind: CustomResourceDefinition\nmetadata:\n  name: x\n",
		"no name":             "kind: CustomResourceDefinition\nmetadata:\n  labels:\n    a: b\nspec:\n",
		"unknown in metadata": "kind: CustomResourceDefinition\nmetadata:\n  name: x\n  namespace: y\nspec:\n",
	} {
		if _, _, err := template("apiVersion: v1\n" + text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "crds")
	if err := run(from, to, false); err == nil {
		t.Error("an empty folder is accepted")
	}
	put(t, filepath.Join(from, "example.dev_pods.yaml"), crd)
	if err := run(from, to, true); err == nil {
		t.Error("check passes before the first copy")
	}
	if err := run(from, to, false); err != nil {
		t.Fatal(err)
	}
	if err := run(from, to, true); err != nil {
		t.Errorf("check fails after a copy: %v", err)
	}

	gone := filepath.Join(to, "gone.example.dev.yaml")
	put(t, gone, "x")
	if err := run(from, to, true); err == nil || !strings.Contains(err.Error(), "gone.example.dev.yaml") {
		t.Errorf("check does not name a leftover template: %v", err)
	}
	if err := run(from, to, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(gone); !os.IsNotExist(err) {
		t.Errorf("leftover template is still there: %v", err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
