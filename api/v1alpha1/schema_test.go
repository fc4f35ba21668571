// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/beanpod-dev/beanpod/internal/testkit/schema"
)

const crdDir = "../../config/crd/bases"

// maxCRDBytes keeps client-side kubectl apply possible, which stores the whole object in one annotation of 256 KiB.
const maxCRDBytes = 200_000

func loadCRDs(t *testing.T) []schema.CRD {
	t.Helper()
	crds, err := schema.Load(crdDir)
	if err != nil {
		t.Fatal(err)
	}
	return crds
}

// TestKinds asserts what kubectl shows and accepts for each kind, and that there is no other kind.
func TestKinds(t *testing.T) {
	t.Parallel()
	want := map[string]struct{ shortName, scope string }{
		"Application":           {"bapp", "Namespaced"},
		"ApplicationVersion":    {"bver", "Namespaced"},
		"Environment":           {"benv", "Namespaced"},
		"ConfigurationTemplate": {"bcfg", "Namespaced"},
		"DomainMap":             {"bdom", "Namespaced"},
		"DatabaseClaim":         {"bdb", "Namespaced"},
		"Platform":              {"bplat", "Cluster"},
		"DatabaseClass":         {"bdbc", "Cluster"},
	}
	crds := loadCRDs(t)
	if len(crds) != len(want) {
		t.Errorf("got %d CRDs, want %d: a new kind needs a decision page", len(crds), len(want))
	}
	for _, crd := range crds {
		t.Run(crd.Name(), func(t *testing.T) {
			t.Parallel()
			if got := crd.Spec.Names.ShortNames; !slices.Equal(got, []string{want[crd.Name()].shortName}) {
				t.Errorf("got short names %q, want %q", got, want[crd.Name()].shortName)
			}
			if got := string(crd.Spec.Scope); got != want[crd.Name()].scope {
				t.Errorf("got scope %s, want %s", got, want[crd.Name()].scope)
			}
			if got := crd.Spec.Names.Categories; !slices.Equal(got, []string{"beanpod"}) {
				t.Errorf("got categories %q, want beanpod", got)
			}
			if crd.Size >= maxCRDBytes {
				t.Errorf("%s has %d bytes, %d allowed", crd.File, crd.Size, maxCRDBytes)
			}
			version := crd.Spec.Versions[0]
			if version.Subresources == nil || version.Subresources.Status == nil {
				t.Error("there is no status subresource")
			}
			if status := crd.Root().Properties["status"]; status.Default == nil || string(status.Default.Raw) != `{"observedGeneration":-1}` {
				t.Error("status has no default of observedGeneration -1, so a new object looks finished to kstatus")
			}
			columns(t, version)
		})
	}
}

func columns(t *testing.T, version apiextensionsv1.CustomResourceDefinitionVersion) {
	t.Helper()
	var names []string
	for _, column := range version.AdditionalPrinterColumns {
		names = append(names, column.Name)
		if column.Name != strings.ToUpper(column.Name) {
			t.Errorf("printer column %q is not in upper case", column.Name)
		}
		if strings.Contains(column.JSONPath, "[*]") {
			t.Errorf("printer column %s shows only the first of %s: the API server prints one match", column.Name, column.JSONPath)
		}
	}
	for _, name := range []string{"READY", "AGE", "MESSAGE"} {
		if !slices.Contains(names, name) {
			t.Errorf("printer columns %q lack %s", names, name)
		}
	}
}

// TestFields asserts what every field of every kind owes to its users: a bound, a description, a home in a merge.
func TestFields(t *testing.T) {
	t.Parallel()
	for _, crd := range loadCRDs(t) {
		t.Run(crd.Name(), func(t *testing.T) {
			t.Parallel()
			for _, f := range crd.Fields() {
				if foreign(f.Path) {
					continue
				}
				for _, complaint := range complaints(f) {
					t.Errorf("%s: %s", f.Path, complaint)
				}
			}
		})
	}
}

// foreign says whether a field's type is not ours to bound: the object's own metadata, and the members of
// metav1.Condition.
func foreign(path string) bool {
	return path == "" || path == "apiVersion" || path == "kind" || path == "metadata" ||
		strings.HasPrefix(path, "status.conditions[*].")
}

// complaints runs every check of one field.
func complaints(f schema.Field) []string {
	var all []string
	for _, check := range []func(schema.Field) string{described, bounded, listed, safeTimes, anchored, camelCase, withUnit, closed} {
		if complaint := check(f); complaint != "" {
			all = append(all, complaint)
		}
	}
	return all
}

// described wants a description that begins with the field's name, as kubectl explain shows it.
func described(f schema.Field) string {
	if f.Name == "" {
		return ""
	}
	rest, ok := strings.CutPrefix(f.Schema.Description, f.Name)
	if !ok || rest == "" || !strings.ContainsAny(rest[:1], " ,:'") {
		return "its description must begin with its name"
	}
	return ""
}

// bounded wants a limit on whatever can grow: it protects etcd, and the API server's budget for CEL is computed from it.
func bounded(f schema.Field) string {
	s := f.Schema
	if s.XIntOrString {
		return boundedIntOrString(s)
	}
	switch s.Type {
	case "string":
		if s.MaxLength == nil && len(s.Enum) == 0 && s.Format != "date-time" {
			return "a string needs maxLength or enum"
		}
	case "array":
		if s.MaxItems == nil {
			return "a list needs maxItems"
		}
	case "object":
		if s.AdditionalProperties != nil && s.MaxProperties == nil {
			return "a map needs maxProperties"
		}
	case "integer":
		return boundedInteger(s)
	case "number":
		return "floating point is not exact; use an integer with a unit"
	}
	return ""
}

// boundedIntOrString wants a rule for the number, because controller-gen cannot put minimum and maximum on these fields.
func boundedIntOrString(s *apiextensionsv1.JSONSchemaProps) string {
	bound := func(v apiextensionsv1.ValidationRule) bool { return strings.Contains(v.Rule, "self <=") }
	if s.MaxLength == nil || !slices.ContainsFunc(s.XValidations, bound) {
		return "an int-or-string needs maxLength and a rule that bounds its number"
	}
	return ""
}

// boundedInteger wants bounds that the Go type can hold: the API server stores a larger number than its format says.
func boundedInteger(s *apiextensionsv1.JSONSchemaProps) string {
	if s.Minimum == nil || s.Maximum == nil {
		return "an integer needs minimum and maximum"
	}
	limit := float64(1 << 53) // what JSON numbers hold exactly
	if s.Format == "int32" {
		limit = 1<<31 - 1
	}
	if *s.Minimum < -limit || *s.Maximum > limit {
		return fmt.Sprintf("its bounds exceed those of its Go type, %.0f", limit)
	}
	return ""
}

// listed wants every list to say how server-side apply merges it.
func listed(f schema.Field) string {
	if f.Schema.Type == "array" && f.Schema.XListType == nil {
		return "a list needs listType"
	}
	return ""
}

// safeTimes keeps times out of spec: the format date-time admits spellings (a lower-case t) that Go cannot read, and one
// such object would stop the informer of its kind.
func safeTimes(f schema.Field) string {
	if f.Schema.Format == "date-time" && strings.HasPrefix(f.Path, "spec") {
		return "no times in spec"
	}
	return ""
}

// anchored wants patterns that speak of the whole string; JSON Schema's own match anywhere.
func anchored(f schema.Field) string {
	if p := f.Schema.Pattern; p != "" && (!strings.HasPrefix(p, "^") || !strings.HasSuffix(p, "$")) {
		return "a pattern begins with ^ and ends with $"
	}
	return ""
}

var camel = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

// camelCase wants enums of CamelCase words, except processor architectures, which are the node label's own words.
func camelCase(f schema.Field) string {
	if f.Name == "architecture" {
		return ""
	}
	for _, raw := range f.Schema.Enum {
		var word string
		if err := json.Unmarshal(raw.Raw, &word); err != nil || !camel.MatchString(word) {
			return "enum value " + string(raw.Raw) + " is not CamelCase"
		}
	}
	return ""
}

var unitless = regexp.MustCompile(`(?i)(timeout|interval|duration|period|delay|age)$`)

// withUnit wants numbers of time to carry their unit in the name.
func withUnit(f schema.Field) string {
	if f.Schema.Type == "integer" && unitless.MatchString(f.Name) {
		return "a number of time carries its unit in its name: ...Seconds"
	}
	return ""
}

// closed refuses bags: whatever the API server stores has a type.
func closed(f schema.Field) string {
	s := f.Schema
	if s.XPreserveUnknownFields != nil || s.XEmbeddedResource || (s.Type == "" && !s.XIntOrString) {
		return "unknown fields are preserved here"
	}
	if s.Type == "object" && s.Properties == nil && s.AdditionalProperties == nil {
		return "an object without properties"
	}
	return ""
}

// TestSettingsHaveNoDefaults holds the promise that layers of settings rest on: an unset field stays unset, so that
// a weaker layer can decide.
func TestSettingsHaveNoDefaults(t *testing.T) {
	t.Parallel()
	for _, crd := range loadCRDs(t) {
		for _, f := range crd.Fields() {
			if f.Schema.Default != nil && inSettings(crd, f.Path) {
				t.Errorf("%s %s has the default %s, so no saved configuration could ever decide it", crd.Name(), f.Path, f.Schema.Default.Raw)
			}
		}
	}
}

// inSettings says whether a field of an Environment or ConfigurationTemplate belongs to the layered settings.
func inSettings(crd schema.CRD, path string) bool {
	switch crd.Name() {
	case "ConfigurationTemplate":
		return strings.HasPrefix(path, "spec.settings.")
	case "Environment":
		rest, ok := strings.CutPrefix(path, "spec.")
		if !ok {
			return false
		}
		group, _, _ := strings.Cut(rest, ".")
		group, _, _ = strings.Cut(group, "[")
		return !slices.Contains(notSettings, group)
	}
	return false
}

// notSettings are the fields of an Environment's spec that no saved configuration can hold.
var notSettings = []string{"applicationRef", "versionRef", "tier", "platformRef", "configurationRef", "paused", "terminationProtection"}

// TestTemplateHasTheEnvironmentsSettings keeps the two kinds the same, group by group.
func TestTemplateHasTheEnvironmentsSettings(t *testing.T) {
	t.Parallel()
	paths := map[string][]string{}
	for _, crd := range loadCRDs(t) {
		prefix := map[string]string{"Environment": "spec.", "ConfigurationTemplate": "spec.settings."}[crd.Name()]
		if prefix == "" {
			continue
		}
		for _, f := range crd.Fields() {
			if inSettings(crd, f.Path) {
				paths[crd.Name()] = append(paths[crd.Name()], strings.TrimPrefix(f.Path, prefix))
			}
		}
	}
	if len(paths["Environment"]) == 0 || !slices.Equal(paths["Environment"], paths["ConfigurationTemplate"]) {
		t.Errorf("settings differ: Environment has %d fields, ConfigurationTemplate %d", len(paths["Environment"]), len(paths["ConfigurationTemplate"]))
	}
}
