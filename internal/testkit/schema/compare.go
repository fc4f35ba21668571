// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"fmt"
	"reflect"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Lost lists what a value had before it went through a Go type and has no more, or has otherwise.
//
// An empty value that the type leaves out is no loss, with two exceptions: where the schema has a default, leaving it
// out brings the default back; and where explicit says so, because there an explicit false or 0 must win over what
// another layer says.
func Lost(before, after any, s *apiextensionsv1.JSONSchemaProps, path string, explicit func(path string) bool) []string {
	switch b := before.(type) {
	case map[string]any:
		a, ok := after.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: became %v", path, after)}
		}
		return lostMembers(b, a, s, path, explicit)
	case []any:
		a, ok := after.([]any)
		if !ok || len(a) != len(b) {
			return []string{fmt.Sprintf("%s: %d items became %v", path, len(b), after)}
		}
		var lost []string
		for i := range b {
			lost = append(lost, Lost(b[i], a[i], s.Items.Schema, path+"[*]", explicit)...)
		}
		return lost
	}
	if !reflect.DeepEqual(before, after) {
		return []string{fmt.Sprintf("%s: %#v became %#v", path, before, after)}
	}
	return nil
}

func lostMembers(before, after map[string]any, s *apiextensionsv1.JSONSchemaProps, path string, explicit func(string) bool) []string {
	var lost []string
	for _, name := range sortedKeys(before) {
		schema, memberPath := member(s, path, name)
		value, ok := after[name]
		if ok {
			lost = append(lost, Lost(before[name], value, schema, memberPath, explicit)...)
			continue
		}
		switch {
		case !empty(before[name]) || group(schema) && schema.Default == nil:
			lost = append(lost, fmt.Sprintf("%s: %#v is gone", memberPath, before[name]))
		case schema.Default != nil && scalar(before[name]) && string(schema.Default.Raw) != fmt.Sprint(before[name]):
			lost = append(lost, fmt.Sprintf("%s: an explicit %#v becomes the default %s", memberPath, before[name], schema.Default.Raw))
		case scalar(before[name]) && explicit(memberPath):
			lost = append(lost, fmt.Sprintf("%s: an explicit %#v cannot be told from unset", memberPath, before[name]))
		}
	}
	return lost
}

func member(s *apiextensionsv1.JSONSchemaProps, path, name string) (schema *apiextensionsv1.JSONSchemaProps, memberPath string) {
	if property, ok := s.Properties[name]; ok {
		return &property, strings.TrimPrefix(path+"."+name, ".")
	}
	return s.AdditionalProperties.Schema, path + "[*]"
}

// scalar says whether a value is a bool or a number, whose zero means something. An empty string means unset throughout the API.
func scalar(value any) bool {
	switch value.(type) {
	case bool, int64, float64:
		return true
	}
	return false
}

// group says whether a schema is a Go struct, whose presence means something even when nothing in it is set.
func group(s *apiextensionsv1.JSONSchemaProps) bool {
	return s.Type == "object" && s.AdditionalProperties == nil
}

func empty(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			if !empty(member) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return value == nil || reflect.ValueOf(value).IsZero()
}
