// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// bases reads the generated CRDs by file name.
func bases(t *testing.T) map[string]apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	out := map[string]apiextensionsv1.CustomResourceDefinition{}
	files, err := filepath.Glob(filepath.Join(configDir, "crd", "bases", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no generated CRDs yet")
	}
	for _, file := range files {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict([]byte(readFile(t, file)), &crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[filepath.Base(file)] = crd
	}
	return out
}

// TestCRDsArriveUnchanged compares what the chart renders with what was generated.
func TestCRDsArriveUnchanged(t *testing.T) {
	t.Parallel()
	want := bases(t)
	out := render(t, everything)
	count := 0
	for _, o := range out.objects {
		if o.GetKind() == "CustomResourceDefinition" {
			count++
		}
	}
	if count != len(want) {
		t.Errorf("chart renders %d CRDs, %d were generated: run \"go run ./hack/chart-crds\"", count, len(want))
	}
	for _, crd := range want {
		got := into[apiextensionsv1.CustomResourceDefinition](t, out.find(t, "CustomResourceDefinition", crd.Name))
		if !reflect.DeepEqual(crd.Spec, got.Spec) { // A diff of schemas would fill screens.
			t.Errorf("the chart's %s is not what was generated: run \"go run ./hack/chart-crds\"", crd.Name)
		}
		if got.Annotations["helm.sh/resource-policy"] != "keep" || got.Annotations["argocd.argoproj.io/sync-wave"] != "-1" {
			t.Errorf("%s: annotations %v", crd.Name, got.Annotations)
		}
	}
}

func TestCRDSwitches(t *testing.T) {
	t.Parallel()
	bases(t)
	if render(t, "crds: {enabled: false}").has("CustomResourceDefinition") {
		t.Error("crds.enabled=false renders CRDs")
	}
	for _, o := range render(t, "crds: {keep: false}").objects {
		if _, kept := o.GetAnnotations()["helm.sh/resource-policy"]; kept && o.GetKind() == "CustomResourceDefinition" {
			t.Errorf("crds.keep=false keeps %s", o.GetName())
		}
	}
}

// TestSize keeps an installation possible: Helm stores the chart and what it
// rendered in one Secret, of 1 MiB at most.
func TestSize(t *testing.T) {
	t.Parallel()
	var crds, all bytes.Buffer
	out := render(t, "")
	for _, o := range out.objects {
		if o.GetKind() == "CustomResourceDefinition" {
			text := toYAML(t, o.Object)
			crds.WriteString(text)
			if len(text) > 200<<10 {
				t.Logf("%s has %d KB, more than the 200 that we aim for", o.GetName(), len(text)>>10)
			}
		}
	}
	if got := zipped(t, crds.Bytes()); got > 700_000 {
		t.Errorf("all CRDs have %d bytes gzipped, limit 700000", got)
	}

	err := filepath.WalkDir(chartDir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			// Helm keeps chart files as base64 in JSON.
			all.WriteString(base64.StdEncoding.EncodeToString([]byte(readFile(t, path))))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all.WriteString(out.text)
	got := base64.StdEncoding.EncodedLen(zipped(t, all.Bytes()))
	t.Logf("CRDs: %d bytes, %d gzipped; stored release: about %d", crds.Len(), zipped(t, crds.Bytes()), got)
	if got > 1<<20 {
		t.Errorf("a release takes about %d bytes, a Secret holds %d", got, 1<<20)
	}
}

func zipped(t *testing.T, data []byte) int {
	t.Helper()
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Len()
}

// TestCRDLists keeps the two hand-written lists of CRDs complete.
func TestCRDLists(t *testing.T) {
	t.Parallel()
	var files, names []string
	for file, crd := range bases(t) {
		files = append(files, "bases/"+file)
		names = append(names, crd.Name+" "+crd.Spec.Names.Kind+" "+crd.Spec.Versions[0].Name)
	}
	slices.Sort(files)
	slices.Sort(names)

	var kustomization types.Kustomization
	if err := yaml.Unmarshal([]byte(readFile(t, filepath.Join(configDir, "crd", "kustomization.yaml"))), &kustomization); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, kustomization.Resources); diff != "" {
		t.Errorf("config/crd/kustomization.yaml (-generated +listed):\n%s", diff)
	}

	var chart struct{ Annotations map[string]string }
	if err := yaml.Unmarshal([]byte(readFile(t, filepath.Join(chartDir, "Chart.yaml"))), &chart); err != nil {
		t.Fatal(err)
	}
	var listed []struct{ Kind, Version, Name string }
	if err := yaml.Unmarshal([]byte(chart.Annotations["artifacthub.io/crds"]), &listed); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range listed {
		got = append(got, strings.Join([]string{c.Name, c.Kind, c.Version}, " "))
	}
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("artifacthub.io/crds in Chart.yaml (-generated +listed):\n%s", diff)
	}
}
