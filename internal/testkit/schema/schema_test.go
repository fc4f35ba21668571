// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestMatching(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pattern string
		least, most   int
	}{
		{"one class", `^[a-z]$`, 1, 1},
		{"DNS label", `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, 1, 63},
		{"bounded repeat", `^20[0-9]{2}-(0[1-9]|1[0-2])$`, 0, 7},
		{"alternatives", `^([0-9]{1,9}m|[0-9]{1,6}(\.[0-9]{1,3})?)$`, 0, 16},
		{"anything but", `^/[^\s]*$`, 10, 20},
		{"any character", `^(https|s3)://.+$`, 0, 2048},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(1, 2))
			seen := map[string]bool{}
			for range 100 {
				got, err := matching(rnd, tt.pattern, tt.least, tt.most)
				if err != nil {
					t.Fatal(err)
				}
				if n := len([]rune(got)); n < tt.least || n > tt.most || !regexp.MustCompile(tt.pattern).MatchString(got) {
					t.Errorf("got %q, which %s with %d to %d characters does not admit", got, tt.pattern, tt.least, tt.most)
				}
				seen[got] = true
			}
			if len(seen) < 10 {
				t.Errorf("got only %d different strings of 100", len(seen))
			}
		})
	}
}

func TestMatchingSaysWhenNothingFits(t *testing.T) {
	t.Parallel()
	if got, err := matching(rand.New(rand.NewPCG(1, 2)), `^a{9}$`, 0, 8); err == nil {
		t.Errorf("got %q for a pattern that the length forbids, want an error", got)
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	text := apiextensionsv1.JSONSchemaProps{Type: "string"}
	flag := apiextensionsv1.JSONSchemaProps{Type: "boolean"}
	defaultedFlag := apiextensionsv1.JSONSchemaProps{Type: "boolean", Default: &apiextensionsv1.JSON{Raw: []byte("true")}}
	s := &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{
		"text": text, "flag": flag, "on": defaultedFlag,
		"layered": flag,
		"group":   {Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"text": text}},
		"list":    {Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &text}},
		"map":     {Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Schema: &text}},
	}}
	tests := []struct {
		name          string
		before, after map[string]any
		want          string // a part of the only complaint; empty: none
	}{
		{"nothing is lost", map[string]any{"text": "a", "list": []any{"b"}}, map[string]any{"text": "a", "list": []any{"b"}}, ""},
		{"an unset string may be left out", map[string]any{"text": "", "list": []any{}, "map": map[string]any{}}, map[string]any{}, ""},
		{"an unset flag may be left out", map[string]any{"flag": false}, map[string]any{}, ""},
		{"a value is gone", map[string]any{"text": "a"}, map[string]any{}, "text: \"a\" is gone"},
		{"a value differs", map[string]any{"map": map[string]any{"k": "a"}}, map[string]any{"map": map[string]any{"k": "b"}}, "map[*]"},
		{"an item is gone", map[string]any{"list": []any{"a", "b"}}, map[string]any{"list": []any{"a"}}, "list: 2 items"},
		{"the default comes back", map[string]any{"on": false}, map[string]any{}, "becomes the default true"},
		{"a layer loses its say", map[string]any{"layered": false}, map[string]any{}, "cannot be told from unset"},
		{"an empty group is a choice", map[string]any{"group": map[string]any{}}, map[string]any{}, "group: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(Lost(tt.before, tt.after, s, "", func(path string) bool { return path == "layered" }), "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"<nil>":                            "",
		"spec":                             "spec",
		"spec.branches[0].versions[12].x":  "spec.branches[*].versions[*].x",
		"spec.environmentProperties[3]":    "spec.environmentProperties[*]",
		"spec.domains[0].tls":              "spec.domains[*].tls",
		"spec.podTemplate.labels[a.b/c-d]": "spec.podTemplate.labels[*]",
	} {
		if diff := cmp.Diff(want, Normalize(in)); diff != "" {
			t.Errorf("Normalize(%q) (-want +got):\n%s", in, diff)
		}
	}
}
