// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// TestKustomizeEqualsChart compares config/ with the chart for the same settings.
// CRDs are compared by TestCRDsArriveUnchanged, the manager's rules by
// TestRulesMatchMarkers: both are generated.
func TestKustomizeEqualsChart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, values string
		optional     bool
	}{
		{"default", "", false},
		{"monitor and network policy", "metrics: {serviceMonitor: {enabled: true}}\nnetworkPolicy: {enabled: true}", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := map[string]any{}
			for _, o := range render(t, tt.values).objects {
				if o.GetKind() != "CustomResourceDefinition" {
					want[o.GetKind()+" "+o.GetName()] = comparable(o)
				}
			}
			got := map[string]any{}
			for _, o := range kustomize(t, tt.optional) {
				if o.GetKind() != "Namespace" { // Helm makes the namespace itself.
					got[o.GetKind()+" "+o.GetName()] = comparable(o)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("objects (-chart +config):\n%s", diff)
			}
		})
	}
}

// comparable drops what the two ways of installing must differ in.
func comparable(o unstructured.Unstructured) map[string]any {
	labels := o.GetLabels()
	delete(labels, "helm.sh/chart")
	delete(labels, "app.kubernetes.io/managed-by")
	delete(labels, "app.kubernetes.io/version")
	o.SetLabels(labels)
	if o.GetKind() == "ClusterRole" && o.GetName() == "beanpod-manager" {
		delete(o.Object, "rules")
	}
	return o.Object
}

// kustomize builds config/default from a copy in memory, with the generated files
// left out and, if asked, with the parts that are commented out.
func kustomize(t *testing.T, optional bool) []unstructured.Unstructured {
	t.Helper()
	fs := filesys.MakeFsInMemory()
	err := filepath.WalkDir(configDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(configDir, path)
		if err != nil {
			return err
		}
		text := readFile(t, path)
		if optional {
			text = strings.ReplaceAll(text, "# - ../", "- ../")
		}
		return fs.WriteFile(filepath.Join("/config", rel), []byte(text))
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"/config/crd/kustomization.yaml": "resources: []\n",
		"/config/rbac/role.yaml":         "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: beanpod-manager}, rules: []}\n",
	} {
		if err := fs.WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	res, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/config/default")
	if err != nil {
		t.Fatal(err)
	}
	text, err := res.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return split(t, "config/default", string(text))
}
