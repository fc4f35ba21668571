// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// CRD is one generated file.
type CRD struct {
	*apiextensionsv1.CustomResourceDefinition
	// File is the base name of the file.
	File string
	// Size is its length in bytes.
	Size int
}

// Load reads every CRD in a folder, sorted by file name. A file that holds anything else is an error.
func Load(dir string) ([]CRD, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no CRD in %s", dir)
	}
	sort.Strings(files)
	crds := make([]CRD, 0, len(files))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		crd := CRD{CustomResourceDefinition: &apiextensionsv1.CustomResourceDefinition{}, File: filepath.Base(file), Size: len(raw)}
		if err := yaml.UnmarshalStrict(raw, crd.CustomResourceDefinition); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if crd.CustomResourceDefinition.Kind != "CustomResourceDefinition" || len(crd.Spec.Versions) == 0 {
			return nil, fmt.Errorf("reading %s: not a CustomResourceDefinition with a version", file)
		}
		crds = append(crds, crd)
	}
	return crds, nil
}

// Name is the kind that the CRD defines.
func (c CRD) Name() string { return c.Spec.Names.Kind }

// Root is the schema of the whole object.
func (c CRD) Root() *apiextensionsv1.JSONSchemaProps {
	return c.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// Field is one node of a schema.
type Field struct {
	// Path from the root: "spec.branches[*].versions[*].version", where [*] is an item of a list or a value of a map; the root is "".
	Path string
	// Name of the property; empty for the root, list items and map values.
	Name   string
	Schema *apiextensionsv1.JSONSchemaProps
}

// Fields lists every node of the CRD's schema in a fixed order, parents first.
func (c CRD) Fields() []Field {
	var fields []Field
	walk(Field{Schema: c.Root()}, func(f Field) { fields = append(fields, f) })
	return fields
}

// Find returns the schema at a path as Field.Path spells it, or nil.
func (c CRD) Find(path string) *apiextensionsv1.JSONSchemaProps {
	for _, f := range c.Fields() {
		if f.Path == path {
			return f.Schema
		}
	}
	return nil
}

func walk(f Field, visit func(Field)) {
	visit(f)
	for _, name := range sortedKeys(f.Schema.Properties) {
		property := f.Schema.Properties[name]
		walk(Field{Path: Join(f.Path, name), Name: name, Schema: &property}, visit)
	}
	if f.Schema.Items != nil && f.Schema.Items.Schema != nil {
		walk(Field{Path: f.Path + "[*]", Schema: f.Schema.Items.Schema}, visit)
	}
	if f.Schema.AdditionalProperties != nil && f.Schema.AdditionalProperties.Schema != nil {
		walk(Field{Path: f.Path + "[*]", Schema: f.Schema.AdditionalProperties.Schema}, visit)
	}
}

// Rule is one x-kubernetes-validations entry.
type Rule struct {
	Kind, Path, Expression, Message string
}

// String identifies the rule to a person.
func (r Rule) String() string { return fmt.Sprintf("%s %q: %s", r.Kind, r.Path, r.Expression) }

// Rules lists every CEL rule of the CRD.
func (c CRD) Rules() []Rule {
	var rules []Rule
	for _, f := range c.Fields() {
		for _, v := range f.Schema.XValidations {
			rules = append(rules, Rule{Kind: c.Name(), Path: f.Path, Expression: v.Rule, Message: v.Message})
		}
	}
	return rules
}

// Join appends a property to a path.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

var index = regexp.MustCompile(`\[[^\]]*\]`)

// Normalize turns a path as the API server reports it ("spec.branches[0].name") into one of Field.Path
// ("spec.branches[*].name"). What the API server calls the root, "<nil>", becomes "".
func Normalize(path string) string {
	if path == "<nil>" {
		return ""
	}
	return index.ReplaceAllString(path, "[*]")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
