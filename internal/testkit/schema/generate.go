// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Generator makes random values that a structural schema admits. CEL rules are not looked at, so what it makes is
// more than the API server stores, never less: a type that decodes all of it decodes everything that is stored.
// The same seed makes the same values.
type Generator struct {
	rnd *rand.Rand
}

// NewGenerator returns a generator with a seed.
func NewGenerator(seed uint64) *Generator {
	return &Generator{rnd: rand.New(rand.NewPCG(seed, 0))}
}

// Object makes a whole object of the CRD, with a name.
func (g *Generator) Object(crd CRD) (map[string]any, error) {
	object := map[string]any{
		"apiVersion": crd.Spec.Group + "/" + crd.Spec.Versions[0].Name,
		"kind":       crd.Name(),
		"metadata":   map[string]any{"name": "generated"},
	}
	for _, name := range []string{"spec", "status"} {
		property, ok := crd.Root().Properties[name]
		if !ok {
			continue
		}
		value, err := g.value(name, &property)
		if err != nil {
			return nil, err
		}
		object[name] = value
	}
	return object, nil
}

func (g *Generator) value(path string, s *apiextensionsv1.JSONSchemaProps) (any, error) {
	if len(s.Enum) > 0 {
		var value any
		err := json.Unmarshal(s.Enum[g.rnd.IntN(len(s.Enum))].Raw, &value)
		return value, err
	}
	if s.XIntOrString {
		return g.intOrString(path, s)
	}
	switch s.Type {
	case "object":
		return g.object(path, s)
	case "array":
		return g.array(path, s)
	case "string":
		return g.text(path, s)
	case "integer":
		return g.integer(s), nil
	case "boolean":
		return g.rnd.IntN(2) == 0, nil
	}
	return nil, fmt.Errorf("%s: no values for type %q", path, s.Type)
}

func (g *Generator) object(path string, s *apiextensionsv1.JSONSchemaProps) (any, error) {
	object := map[string]any{}
	required := map[string]bool{}
	for _, name := range s.Required {
		required[name] = true
	}
	for _, name := range sortedKeys(s.Properties) {
		if !required[name] && g.rnd.IntN(5) < 2 {
			continue
		}
		property := s.Properties[name]
		value, err := g.value(Join(path, name), &property)
		if err != nil {
			return nil, err
		}
		object[name] = value
	}
	if s.AdditionalProperties == nil || s.AdditionalProperties.Schema == nil {
		return object, nil
	}
	for range g.count(s.MinProperties, s.MaxProperties) {
		value, err := g.value(path+"[*]", s.AdditionalProperties.Schema)
		if err != nil {
			return nil, err
		}
		object[g.runes(1+g.rnd.IntN(20))] = value
	}
	return object, nil
}

func (g *Generator) array(path string, s *apiextensionsv1.JSONSchemaProps) (any, error) {
	items := []any{}
	for range g.count(s.MinItems, s.MaxItems) {
		value, err := g.value(path+"[*]", s.Items.Schema)
		if err != nil {
			return nil, err
		}
		items = append(items, value)
	}
	return items, nil
}

// count is how many members a list or map gets: few, because each one is as good as the next.
func (g *Generator) count(least, most *int64) int {
	low, high := 0, math.MaxInt32
	if least != nil {
		low = int(*least)
	}
	if most != nil {
		high = int(*most)
	}
	return min(low+g.rnd.IntN(4), high)
}

func (g *Generator) text(path string, s *apiextensionsv1.JSONSchemaProps) (any, error) {
	if s.Format == "date-time" {
		// Whole seconds in UTC, as our own clocks write it. Only status has times, and only the operator writes status.
		return time.Unix(g.rnd.Int64N(4_000_000_000), 0).UTC().Format(time.RFC3339), nil
	}
	low, high := 0, 1<<16
	if s.MinLength != nil {
		low = int(*s.MinLength)
	}
	if s.MaxLength != nil {
		high = int(*s.MaxLength)
	}
	if s.Pattern != "" {
		value, err := matching(g.rnd, s.Pattern, low, high)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return value, nil
	}
	if g.rnd.IntN(20) == 0 && high <= 4096 {
		return g.runes(high), nil
	}
	return g.runes(min(low+g.rnd.IntN(24), high)), nil
}

func (g *Generator) runes(n int) string {
	runes := make([]rune, n)
	for i := range runes {
		runes[i] = anyRune(g.rnd, false)
	}
	return string(runes)
}

// integer is one of the bounds, something near zero, or anything between the bounds. A missing bound is taken at its
// word, because the API server does not enforce the format int32. That of int64 is believed: only metav1.Condition has
// such a field without bounds, and only the operator writes it.
func (g *Generator) integer(s *apiextensionsv1.JSONSchemaProps) any {
	low, high := float64(-1<<53), float64(1<<53)
	if s.Minimum != nil {
		low = *s.Minimum
	}
	if s.Maximum != nil {
		high = *s.Maximum
	}
	var value float64
	switch g.rnd.IntN(4) {
	case 0:
		value = low
	case 1:
		value = high
	case 2:
		value = math.Max(low, math.Min(high, float64(g.rnd.IntN(3))))
	default:
		value = math.Floor(low + g.rnd.Float64()*(high-low))
	}
	return int64(value)
}

// intOrString keeps its numbers within 32 bits. That is not in the schema, where the generator of CRDs cannot put
// it, so the tests of the schema demand a CEL rule that says it.
func (g *Generator) intOrString(path string, s *apiextensionsv1.JSONSchemaProps) (any, error) {
	if g.rnd.IntN(2) == 0 {
		return int64(g.rnd.Int32()), nil
	}
	return g.text(path, s)
}
