// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Leaf says whether a field holds a value itself, and no other fields.
func (f Field) Leaf() bool {
	return f.Schema.Type != "object" && f.Schema.Type != "array"
}

// Edges are what is worth trying in a leaf, by the schema alone: the least and the most that it admits, ordinary values between,
// and what it refuses. Rules are not looked at. The same schema always gives the same values.
type Edges struct {
	Least, Most any
	// Ordinary values; there may be none but the edges.
	Ordinary []any
	Refused  []any
}

// EdgesOf finds the edges of a leaf: the first and the last word, the bounds, the shortest and the longest text.
func EdgesOf(s *apiextensionsv1.JSONSchemaProps) (Edges, error) {
	switch {
	case len(s.Enum) > 0:
		return words(s)
	case s.XIntOrString:
		// Their bounds are in a rule.
		return Edges{Least: int64(1), Most: "100%", Ordinary: []any{"25%", "50%"}, Refused: []any{true, "0%", int64(0), "many"}}, nil
	case s.Type == "boolean":
		return Edges{Least: false, Most: true, Refused: []any{"yes"}}, nil
	case s.Type == "integer":
		return numbers(s)
	case s.Type == "string":
		return texts(s)
	}
	return Edges{}, fmt.Errorf("no values for type %q", s.Type)
}

func words(s *apiextensionsv1.JSONSchemaProps) (Edges, error) {
	out := Edges{Refused: []any{"Nonsense"}}
	values := make([]any, len(s.Enum))
	for i, raw := range s.Enum {
		if err := json.Unmarshal(raw.Raw, &values[i]); err != nil {
			return out, err
		}
	}
	last := len(values) - 1
	out.Least, out.Most = values[0], values[last]
	if last > 0 {
		out.Ordinary = values[1:last]
	}
	return out, nil
}

func numbers(s *apiextensionsv1.JSONSchemaProps) (Edges, error) {
	if s.Minimum == nil || s.Maximum == nil {
		return Edges{}, fmt.Errorf("a number without bounds")
	}
	low, high := int64(*s.Minimum), int64(*s.Maximum)
	return Edges{
		Least: low, Most: high, Ordinary: []any{min(low+1, high), min(low+2, high)}, Refused: []any{low - 1, high + 1, "many"},
	}, nil
}

func texts(s *apiextensionsv1.JSONSchemaProps) (Edges, error) {
	low, high := 0, 0
	if s.MinLength != nil {
		low = int(*s.MinLength)
	}
	if s.MaxLength == nil {
		return Edges{}, fmt.Errorf("a text without a bound")
	}
	high = int(*s.MaxLength)
	out := Edges{Refused: []any{strings.Repeat("x", high+1), int64(7)}}
	if low > 0 {
		out.Refused = append(out.Refused, "")
	}
	if s.Pattern == "" {
		out.Least, out.Most = strings.Repeat("x", low), strings.Repeat("x", high)
		out.Ordinary = []any{"one" + strings.Repeat("x", max(0, low-3)), "two" + strings.Repeat("x", max(0, low-3))}
		return out, nil
	}
	check, err := regexp.Compile(s.Pattern)
	if err != nil {
		return out, err
	}
	for _, bad := range []string{" \t", "\u00fc"} {
		if !check.MatchString(bad) {
			out.Refused = append(out.Refused, bad)
			break
		}
	}
	return patterned(out, s.Pattern, check, low, high)
}

func patterned(out Edges, pattern string, check *regexp.Regexp, low, high int) (Edges, error) {
	rnd := rand.New(rand.NewPCG(1, uint64(len(pattern))))
	short, err := shortest(rnd, pattern, low, high)
	if err != nil {
		return out, err
	}
	out.Least, out.Most = short, longest(short, check, high)
	for _, more := range []int{3, 5} {
		if text := longest(short, check, min(high, len(short)+more)); text != short {
			out.Ordinary = append(out.Ordinary, text)
		}
	}
	return out, nil
}

func shortest(rnd *rand.Rand, pattern string, low, high int) (string, error) {
	var err error
	for n := low; n <= min(high, low+16); n++ {
		var text string
		if text, err = matching(rnd, pattern, n, n); err == nil {
			return text, nil
		}
	}
	return "", err
}

// longest grows a match, one character at a time, wherever the pattern lets it grow.
func longest(text string, check *regexp.Regexp, high int) string {
	for len(text) < high {
		grown := grow(text, check)
		if grown == "" {
			return text
		}
		text = grown
	}
	return text
}

func grow(text string, check *regexp.Regexp) string {
	for at := len(text); at >= 0; at-- {
		for _, more := range []string{"9", "a", "m", "A"} {
			if grown := text[:at] + more + text[at:]; check.MatchString(grown) {
				return grown
			}
		}
	}
	return ""
}

// Maker makes values with what else they need around them.
type Maker struct {
	Root *apiextensionsv1.JSONSchemaProps
	// Values overrides the ordinary values of leaves, by path.
	Values map[string][]any
	// Needs are members that an object needs although the schema does not demand them, by path.
	Needs map[string][]string
	// OneOf are members of which an object has exactly one, by path; the first is the usual one.
	OneOf map[string][]string
}

// Ordinary are ordinary values of a leaf; there is at least one.
func (m Maker) Ordinary(path string, s *apiextensionsv1.JSONSchemaProps) ([]any, error) {
	if values := m.Values[path]; len(values) > 0 {
		return values, nil
	}
	edges, err := EdgesOf(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(edges.Ordinary) == 0 {
		return []any{edges.Most, edges.Least}, nil
	}
	return edges.Ordinary, nil
}

// Make makes the value of a node; n tells apart the items of a list.
func (m Maker) Make(path string, s *apiextensionsv1.JSONSchemaProps, n int) (any, error) {
	switch {
	case s.Type == "object" && s.AdditionalProperties != nil:
		value, err := m.Make(path+"[*]", s.AdditionalProperties.Schema, n)
		return map[string]any{key(n): value}, err
	case s.Type == "object":
		object := map[string]any{}
		return object, m.complete(object, path, s, n, "")
	case s.Type == "array":
		item, err := m.Make(path+"[*]", s.Items.Schema, n)
		return []any{item}, err
	}
	values, err := m.Ordinary(path, s)
	if err != nil {
		return nil, err
	}
	return values[n%len(values)], nil
}

// key of a map.
func key(n int) string { return fmt.Sprintf("example.com/key-%d", n) }

// complete adds what an object needs beside the member that is about to be set.
func (m Maker) complete(object map[string]any, path string, s *apiextensionsv1.JSONSchemaProps, n int, set string) error {
	needs := append(append([]string{}, s.Required...), m.Needs[path]...)
	if choice := m.OneOf[path]; len(choice) > 0 {
		chosen := choice[0]
		for _, name := range choice {
			if name == set {
				chosen = name
			}
		}
		for _, name := range choice {
			if name != chosen {
				delete(object, name)
			}
		}
		needs = append(needs, chosen)
	}
	for _, name := range needs {
		if _, has := object[name]; has || name == set {
			continue
		}
		property := s.Properties[name]
		value, err := m.Make(Join(path, name), &property, n)
		if err != nil {
			return err
		}
		object[name] = value
	}
	return nil
}

// Set puts a value at a path of an object, in the first item of every list and under the first key of every map, with everything
// that the objects on the way need.
func (m Maker) Set(object map[string]any, path string, value any) error {
	_, err := m.set(object, "", m.Root, strings.Split(path, "."), value)
	return err
}

func (m Maker) set(node any, path string, s *apiextensionsv1.JSONSchemaProps, rest []string, value any) (any, error) {
	if len(rest) == 0 {
		return value, nil
	}
	if rest[0] == "" {
		return m.item(node, path, s, rest[1:], value)
	}
	object, ok := node.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	name, inItem := strings.CutSuffix(rest[0], "[*]")
	property, ok := s.Properties[name]
	if !ok {
		return nil, fmt.Errorf("no field %s at %q", name, path)
	}
	if err := m.complete(object, path, s, 0, name); err != nil {
		return nil, err
	}
	rest = rest[1:]
	if inItem {
		rest = append([]string{""}, rest...)
	}
	member, err := m.set(object[name], Join(path, name), &property, rest, value)
	object[name] = member
	return object, err
}

// item sets inside the first item of a list or the first value of a map.
func (m Maker) item(node any, path string, s *apiextensionsv1.JSONSchemaProps, rest []string, value any) (any, error) {
	path += "[*]"
	if s.Type == "object" {
		object, ok := node.(map[string]any)
		if !ok {
			object = map[string]any{}
		}
		inner, err := m.set(object[key(0)], path, s.AdditionalProperties.Schema, rest, value)
		object[key(0)] = inner
		return object, err
	}
	list, ok := node.([]any)
	if !ok || len(list) == 0 {
		list = []any{nil}
	}
	inner, err := m.set(list[0], path, s.Items.Schema, rest, value)
	list[0] = inner
	return list, err
}

// Value is what is at a path, in the first item of every list and under the first key of every map; nil when there is nothing.
func Value(object map[string]any, path string) any {
	var node any = object
	for step := range strings.SplitSeq(strings.ReplaceAll(path, "[*]", ".[*]"), ".") {
		node = child(node, step)
	}
	return node
}

// Remove takes away what is at a path, in the first item of every list and under the first key of every map, and leaves what is
// around it.
func Remove(object map[string]any, path string) {
	var node any = object
	steps := strings.Split(strings.ReplaceAll(path, "[*]", ".[*]"), ".")
	for _, step := range steps[:len(steps)-1] {
		node = child(node, step)
	}
	if parent, ok := node.(map[string]any); ok {
		last := steps[len(steps)-1]
		if last == "[*]" {
			last = key(0)
		}
		delete(parent, last)
	}
}

func child(node any, step string) any {
	switch n := node.(type) {
	case map[string]any:
		if step == "[*]" {
			step = key(0)
		}
		return n[step]
	case []any:
		if len(n) > 0 {
			return n[0]
		}
	}
	return nil
}
