// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package beanstalk gives Beanstalk's option settings, such as those of a bundle's .ebextensions, their place in the spec of an
// Environment. It is pure. Names, valid values and units are those of Beanstalk's own option reference.
package beanstalk

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Under fills what a spec leaves open from option settings. Whatever the spec says itself wins, as what is set on the environment
// wins over files of the bundle in Beanstalk; of two settings of the same option the later one does. Settings without effect
// (see Ignored) are passed over. The spec is not changed.
func Under(spec v1alpha1.EnvironmentSpec, settings []v1alpha1.OptionSetting) (v1alpha1.EnvironmentSpec, error) {
	if len(settings) == 0 {
		return spec, nil
	}
	d := newDraft(spec)
	for _, s := range settings {
		if set, err := find(s); err == nil {
			_ = set(d, s.Value) // what cannot be read has no effect; Ignored says so
		}
	}
	merged, err := merge(d.finish(spec.Tier), spec)
	if err != nil {
		return spec, fmt.Errorf("laying option settings under the spec: %w", err)
	}
	fitCapacity(&merged, spec.Capacity)
	return merged, nil
}

// Ignored says why a setting has no effect, in words that complete "option NAMESPACE: NAME "; empty when it has one.
func Ignored(s v1alpha1.OptionSetting) string {
	set, err := find(s)
	if err == nil {
		err = set(newDraft(v1alpha1.EnvironmentSpec{}), s.Value)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// setter reads a value and notes what it says.
type setter func(d *draft, value string) error

// find returns what a setting does.
func find(s v1alpha1.OptionSetting) (setter, error) {
	if s.Namespace == namespaceProperties {
		return property(s.Name), nil
	}
	if process, ok := strings.CutPrefix(s.Namespace, namespaceProcess); ok {
		set, known := processOptions[s.Name]
		if known && process != "default" && (len(process) > 15 || !processName.MatchString(process)) {
			return nil, fmt.Errorf("is of a process that cannot be called %q; use lower-case letters, digits and hyphens, 15 at most", process)
		}
		if known {
			return func(d *draft, v string) error { return set(d.process(process), v) }, nil
		}
	}
	if action, ok := strings.CutSuffix("."+s.Namespace, "."+namespaceSchedule); ok {
		return scheduleOption(strings.TrimPrefix(action, "."), s.Name)
	}
	if set, ok := options[s.Namespace][s.Name]; ok {
		return set, nil
	}
	if hint := hints[s.Namespace]; hint != "" {
		return nil, fmt.Errorf("is not read from bundles; %s", hint)
	}
	return nil, errors.New("has no counterpart")
}

// merge lays one spec over another: objects field by field, the lists whose entries have names entry by entry.
func merge(under, over v1alpha1.EnvironmentSpec) (v1alpha1.EnvironmentSpec, error) {
	low, err := tree(under)
	if err != nil {
		return over, err
	}
	high, err := tree(over)
	if err != nil {
		return over, err
	}
	text, err := json.Marshal(lay("", low, high))
	if err != nil {
		return over, err
	}
	var out v1alpha1.EnvironmentSpec
	return out, json.Unmarshal(text, &out)
}

func tree(spec v1alpha1.EnvironmentSpec) (map[string]any, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(text, &out)
}

// lay puts high over low; key is the name of the field that both are values of.
func lay(key string, low, high any) any {
	l, lowIsMap := low.(map[string]any)
	h, highIsMap := high.(map[string]any)
	if lowIsMap && highIsMap {
		for k, v := range h {
			if under, both := l[k]; both {
				v = lay(k, under, v)
			}
			l[k] = v
		}
		return l
	}
	if ll, hl := named(low), named(high); ll != nil && hl != nil {
		return layLists(key, ll, hl)
	}
	return high
}

// layLists keeps the order of the list above; what only the one below has comes after it. A property is one thing: one that says
// nothing but its name is empty.
func layLists(key string, low, high []any) []any {
	var out []any
	for _, h := range high {
		if l := entry(low, name(h)); l != nil && key != "environmentProperties" {
			h = lay("", l, h)
		}
		out = append(out, h)
	}
	for _, l := range low {
		if entry(high, name(l)) == nil {
			out = append(out, l)
		}
	}
	return out
}

func named(v any) []any {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	for _, e := range list {
		if name(e) == "" {
			return nil
		}
	}
	return list
}

func name(v any) string {
	m, _ := v.(map[string]any)
	s, _ := m["name"].(string)
	return s
}

func entry(list []any, wanted string) any {
	for _, e := range list {
		if name(e) == wanted {
			return e
		}
	}
	return nil
}

// fitCapacity settles what two sources can disagree on: the bound that the spec itself sets stays.
func fitCapacity(spec *v1alpha1.EnvironmentSpec, own *v1alpha1.Capacity) {
	c := spec.Capacity
	if c == nil || c.Min == nil || c.Max == nil || *c.Min <= *c.Max {
		return
	}
	if own != nil && own.Max != nil {
		c.Min = c.Max
		return
	}
	c.Max = c.Min
}
