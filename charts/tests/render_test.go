// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	helm3loader "helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	helm3engine "helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "../beanpod"
	configDir = "../../config"

	release   = "beanpod"
	namespace = "beanpod-system"
)

// rendered is the outcome of one rendering: the objects in the order of their
// files, and the notes.
type rendered struct {
	objects []unstructured.Unstructured
	notes   string
	text    string
}

// render renders the chart with Helm 4, and demands that Helm 3 gives the same.
func render(t *testing.T, values string) rendered {
	t.Helper()
	out, err := tryRender(t, values)
	if err != nil {
		t.Fatalf("rendering with values\n%s\n%v", values, err)
	}
	return out
}

func tryRender(t *testing.T, values string) (rendered, error) {
	t.Helper()
	files, err := renderHelm4(parse(t, values))
	files3, err3 := renderHelm3(parse(t, values))
	if (err == nil) != (err3 == nil) {
		t.Fatalf("Helm 4 and Helm 3 disagree: %v; %v", err, err3)
	}
	if err != nil {
		return rendered{}, err
	}
	if diff := cmp.Diff(files3, files); diff != "" {
		t.Fatalf("Helm 3 and Helm 4 render differently (-3 +4):\n%s", diff)
	}

	var out rendered
	for _, name := range sortedKeys(files) {
		switch {
		case strings.HasSuffix(name, "/NOTES.txt"):
			out.notes = files[name]
		default:
			out.text += files[name] + "\n---\n"
			out.objects = append(out.objects, split(t, name, files[name])...)
		}
	}
	return out, nil
}

func renderHelm4(values map[string]any) (map[string]string, error) {
	chrt, err := loader.Load(chartDir)
	if err != nil {
		return nil, err
	}
	top, err := util.ToRenderValues(chrt, values, common.ReleaseOptions{
		Name: release, Namespace: namespace, Revision: 1, IsInstall: true,
	}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(chrt, top)
}

func renderHelm3(values map[string]any) (map[string]string, error) {
	chrt, err := helm3loader.Load(chartDir)
	if err != nil {
		return nil, err
	}
	top, err := chartutil.ToRenderValues(chrt, values, chartutil.ReleaseOptions{
		Name: release, Namespace: namespace, Revision: 1, IsInstall: true,
	}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return helm3engine.Engine{Strict: true}.Render(chrt, top)
}

// split decodes the documents of one file and refuses duplicate keys, which Helm 3
// lets pass and an API server does not.
func split(t *testing.T, name, text string) []unstructured.Unstructured {
	t.Helper()
	var out []unstructured.Unstructured
	for _, doc := range strings.Split("\n"+text, "\n---") {
		var content map[string]any
		if err := yaml.UnmarshalStrict([]byte(doc), &content); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, doc)
		}
		if len(content) > 0 {
			out = append(out, unstructured.Unstructured{Object: content})
		}
	}
	return out
}

func parse(t *testing.T, values string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(values), &out); err != nil {
		t.Fatalf("parsing values: %v\n%s", err, values)
	}
	return out
}

// find returns the one object of this kind and name.
func (r rendered) find(t *testing.T, kind, name string) unstructured.Unstructured {
	t.Helper()
	for _, o := range r.objects {
		if o.GetKind() == kind && o.GetName() == name {
			return o
		}
	}
	t.Fatalf("no %s %q among %s", kind, name, strings.Join(r.names(), ", "))
	panic("unreachable")
}

func (r rendered) has(kind string) bool {
	return slices.ContainsFunc(r.objects, func(o unstructured.Unstructured) bool { return o.GetKind() == kind })
}

// names lists the objects as Kind/namespace/name, CRDs left out.
func (r rendered) names() []string {
	var out []string
	for _, o := range r.objects {
		if o.GetKind() != "CustomResourceDefinition" {
			out = append(out, fmt.Sprintf("%s/%s/%s", o.GetKind(), o.GetNamespace(), o.GetName()))
		}
	}
	slices.Sort(out)
	return out
}

// into converts an object to its Go type and refuses unknown fields.
func into[T any](t *testing.T, o unstructured.Unstructured) T {
	t.Helper()
	var out T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &out, true); err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func toYAML(t *testing.T, v any) string {
	t.Helper()
	out, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(out))
}
