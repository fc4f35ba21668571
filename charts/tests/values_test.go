// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigsyaml "sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the table of values into the chart's README")

// value is one documented value: its description stands for everything below it.
type value struct {
	path, description, fallback string
}

// schema is the part of a JSON schema that is compared.
type schema struct {
	Type                 any               `json:"type"`
	Ref                  string            `json:"$ref"`
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties *any              `json:"additionalProperties"`
}

// documentedValues walks values.yaml. Every value has a "# --" comment, or is a
// map whose values have one.
func documentedValues(t *testing.T) []value {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(readFile(t, filepath.Join(chartDir, "values.yaml"))), &doc); err != nil {
		t.Fatal(err)
	}
	var out []value
	var walk func(prefix string, node *yaml.Node)
	walk = func(prefix string, node *yaml.Node) {
		for i := 0; i < len(node.Content); i += 2 {
			key, val := node.Content[i], node.Content[i+1]
			path := prefix + key.Value
			_, text, ok := strings.Cut(key.HeadComment, "# -- ")
			switch {
			case ok:
				out = append(out, value{path, strings.ReplaceAll(text, "\n# ", " "), fallback(t, val)})
			case val.Kind == yaml.MappingNode && len(val.Content) > 0:
				walk(path+".", val)
			default:
				t.Errorf("values.yaml: %s has no \"# --\" comment", path)
			}
		}
	}
	walk("", doc.Content[0])
	return out
}

// fallback prints a default as compact JSON.
func fallback(t *testing.T, node *yaml.Node) string {
	t.Helper()
	text, err := yaml.Marshal(node)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := sigsyaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestSchemaMatchesValues: every value is in the schema, and everything in
// the schema is a value, except "global", which parent charts pass down.
func TestSchemaMatchesValues(t *testing.T) {
	t.Parallel()
	var root schema
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(chartDir, "values.schema.json"))), &root); err != nil {
		t.Fatal(err)
	}
	var want []string
	sections := map[string]bool{}
	for _, v := range documentedValues(t) {
		want = append(want, v.path)
		for i, r := range v.path {
			if r == '.' {
				sections[v.path[:i]] = true
			}
		}
	}

	var got []string
	var walk func(prefix string, s schema)
	walk = func(prefix string, s schema) {
		if s.AdditionalProperties == nil || *s.AdditionalProperties != false {
			t.Errorf("values.schema.json: %q lets unknown keys pass", strings.TrimSuffix(prefix, "."))
		}
		for _, key := range sortedKeys(s.Properties) {
			path := prefix + key
			switch {
			case path == "global":
			case sections[path]:
				walk(path+".", s.Properties[key])
			default:
				got = append(got, path)
			}
		}
	}
	walk("", root)

	for _, path := range minus(want, got) {
		t.Errorf("%s is in values.yaml and not in values.schema.json", path)
	}
	for _, path := range minus(got, want) {
		t.Errorf("%s is in values.schema.json and not in values.yaml", path)
	}
}

// TestValuesAreUsed finds values that no template reads.
func TestValuesAreUsed(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, text := range templateFiles(t) {
		all.WriteString(text)
	}
	for _, v := range documentedValues(t) {
		parts := strings.Split(v.path, ".")
		// The last part may be read from a "with" block of its section.
		section := ".Values." + parts[0]
		if !strings.Contains(all.String(), section) || !strings.Contains(all.String(), "."+parts[len(parts)-1]) {
			t.Errorf("no template reads %s", v.path)
		}
	}
}

// TestReadme compares the README's table with values.yaml; -update rewrites it.
func TestReadme(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- values: written by \"go test . -run TestReadme -update\" in charts/tests -->\n", "<!-- end of values -->\n"
	path := filepath.Join(chartDir, "README.md")
	text := readFile(t, path)
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md has no lines\n%s%s", begin, end)
	}

	var table strings.Builder
	table.WriteString("\n| Value | Default | What it does |\n| --- | --- | --- |\n")
	for _, v := range documentedValues(t) {
		shown := "`" + v.fallback + "`"
		if len(v.fallback) > 60 {
			shown = "see `values.yaml`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", v.path, shown, strings.ReplaceAll(v.description, "|", "\\|"))
	}
	table.WriteString("\n")

	want := before + begin + table.String() + end + after
	if want == text {
		return
	}
	if !*update {
		t.Fatal("README.md differs from values.yaml: run \"go test . -run TestReadme -update\" in charts/tests")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVersions: the texts that repeat a version follow Chart.yaml.
func TestVersions(t *testing.T) {
	t.Parallel()
	var chart struct {
		Version, AppVersion string
		Annotations         map[string]string
	}
	if err := sigsyaml.Unmarshal([]byte(readFile(t, filepath.Join(chartDir, "Chart.yaml"))), &chart); err != nil {
		t.Fatal(err)
	}
	image := "beanpod.dev/beanpod:" + chart.AppVersion
	if !strings.Contains(chart.Annotations["artifacthub.io/images"], image) {
		t.Errorf("artifacthub.io/images does not name %s", image)
	}
	if !slices.ContainsFunc(kustomize(t, false), func(o unstructured.Unstructured) bool {
		return o.GetKind() == "Deployment" && strings.Contains(toYAML(t, o.Object), "image: "+image)
	}) {
		t.Errorf("config/manager does not run %s", image)
	}
}
