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

const role = `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: manager
rules:
- apiGroups:
  - ""
  resources:
  - namespaces
  - pods
  verbs:
  - get
- apiGroups:
  - example.dev
  resources:
  - nodes
  - nodes/status
  - pods
  verbs:
  - get
  - patch
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: manager
  namespace: system
rules:
- apiGroups:
  - ""
  resources:
  - secrets
  verbs:
  - get
`

const wantRules = `{{/* Copied from config/rbac/role.yaml by hack/chart-crds. Do not edit. */}}

{{- define "beanpod.rules.namespace" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
- apiGroups: [example.dev]
  resources: [pods]
  verbs: [get, patch]
{{- end }}

{{/* Kinds without a namespace: never granted with watchNamespaces. */}}
{{- define "beanpod.rules.cluster" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [example.dev]
  resources: [nodes, nodes/status]
  verbs: [get, patch]
{{- end }}
`

func TestRules(t *testing.T) {
	t.Parallel()
	rules, err := parseRole(role)
	if err != nil {
		t.Fatal(err)
	}
	got := rulesTemplate(rules, map[string]bool{"namespaces.": true, "nodes.example.dev": true})
	if got != wantRules {
		t.Errorf("got\n%s\nwant\n%s", got, wantRules)
	}
}

func TestRulesRefuse(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no role":        "---\nkind: Role\nrules:\n",
		"wildcard":       strings.Replace(role, "- pods", "- '*'", 1),
		"resource names": strings.Replace(role, "  verbs:", "  resourceNames:\n  - x\n  verbs:", 1),
		"URLs":           strings.Replace(role, "- apiGroups:", "- nonResourceURLs:", 1),
	} {
		if _, err := parseRole(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	config, chart := t.TempDir(), t.TempDir()
	if err := run(config, chart, false); err == nil {
		t.Error("an empty folder is accepted")
	}
	put(t, filepath.Join(config, "crd", "bases", "example.dev_pods.yaml"), crd)
	put(t, filepath.Join(config, "rbac", "role.yaml"), role)
	if err := run(config, chart, true); err == nil {
		t.Error("check passes before the first copy")
	}
	if err := run(config, chart, false); err != nil {
		t.Fatal(err)
	}
	if err := run(config, chart, true); err != nil {
		t.Errorf("check fails after a copy: %v", err)
	}

	gone := filepath.Join(chart, crdDir, "gone.example.dev.yaml")
	put(t, gone, "x")
	if err := run(config, chart, true); err == nil || !strings.Contains(err.Error(), "gone.example.dev.yaml") {
		t.Errorf("check does not name a leftover template: %v", err)
	}
	if err := run(config, chart, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(gone); !os.IsNotExist(err) {
		t.Errorf("leftover template is still there: %v", err)
	}

	put(t, filepath.Join(config, "rbac", "role.yaml"), strings.Replace(role, "- pods", "- services", 1))
	if err := run(config, chart, true); err == nil || !strings.Contains(err.Error(), rulesFile) {
		t.Errorf("check does not notice another role: %v", err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
