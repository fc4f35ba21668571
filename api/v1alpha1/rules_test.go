// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/internal/testkit/schema"
)

// ruleFile is one file of testdata/rules: the cases of one kind.
type ruleFile struct {
	Kind string `json:"kind"`
	// Base is the smallest object that is accepted.
	Base  map[string]any `json:"base"`
	Cases []ruleCase     `json:"cases"`
}

// ruleCase is one rule's boundary, seen from both sides. Each side is a merge patch: of Base when the object is
// created, of Base with Old when it is updated.
type ruleCase struct {
	Name string `json:"name"`
	// Path of the rule, as schema.Field spells it.
	Path     string         `json:"path"`
	Update   bool           `json:"update,omitempty"`
	Old      map[string]any `json:"old,omitempty"`
	Accepted map[string]any `json:"accepted"`
	Refused  map[string]any `json:"refused"`
	// Message is the rule's whole message.
	Message string `json:"message"`
	// EnvironmentOnly keeps a case at path spec away from ConfigurationTemplate.
	EnvironmentOnly bool `json:"environmentOnly,omitempty"`
}

func loadRules(t *testing.T) []ruleFile {
	t.Helper()
	files, err := filepath.Glob("testdata/rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []ruleFile
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var rules ruleFile
		if err := yaml.UnmarshalStrict(raw, &rules); err != nil {
			t.Fatalf("reading %s: %v", file, err)
		}
		all = append(all, rules)
	}
	return withSettings(t, all)
}

// withSettings repeats the cases of an Environment's settings for ConfigurationTemplate, which has the same groups one
// level deeper.
func withSettings(t *testing.T, all []ruleFile) []ruleFile {
	t.Helper()
	environment := slices.IndexFunc(all, func(f ruleFile) bool { return f.Kind == "Environment" })
	template := slices.IndexFunc(all, func(f ruleFile) bool { return f.Kind == "ConfigurationTemplate" })
	if environment < 0 || template < 0 {
		t.Fatal("testdata/rules lacks a kind")
	}
	for _, c := range all[environment].Cases {
		group, _, _ := strings.Cut(strings.TrimPrefix(c.Path, "spec."), ".")
		if c.Path == "" || c.EnvironmentOnly || slices.Contains(notSettings, group) {
			continue
		}
		c.Name = "settings: " + c.Name
		c.Path = strings.Replace(c.Path, "spec", "spec.settings", 1)
		c.Accepted, c.Refused = underSettings(c.Accepted), underSettings(c.Refused)
		all[template].Cases = append(all[template].Cases, c)
	}
	return all
}

func underSettings(patch map[string]any) map[string]any {
	settings := map[string]any{"capacity": nil}
	spec, _ := patch["spec"].(map[string]any)
	for name, value := range spec {
		if !slices.Contains(notSettings, name) {
			settings[name] = value
		}
	}
	return map[string]any{"spec": map[string]any{"settings": settings}}
}

// TestEveryRuleHasACase counts the rules in the CRD files, so that nobody adds one without a refused case. It needs no
// API server.
func TestEveryRuleHasACase(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{}
	for _, file := range loadRules(t) {
		for _, c := range file.Cases {
			cases[file.Kind+"|"+c.Path+"|"+c.Message] = true
		}
	}
	rules, messages := 0, map[string]bool{}
	for _, crd := range loadCRDs(t) {
		for _, rule := range crd.Rules() {
			rules++
			key := rule.Kind + "|" + rule.Path + "|" + rule.Message
			if rule.Message == "" {
				t.Errorf("%s has no message", rule)
			}
			if messages[key] {
				t.Errorf("%s has the message of another rule at the same place, so no test can tell them apart", rule)
			}
			messages[key] = true
			if !cases[key] {
				t.Errorf("%s has no case in testdata/rules", rule)
			}
		}
	}
	for key := range maps.Keys(cases) {
		if !messages[key] {
			t.Errorf("the case %q speaks of no rule", key)
		}
	}
	t.Logf("%d rules, %d cases", rules, len(cases))
}

// TestRules asks a real API server about both sides of every rule.
func TestRules(t *testing.T) {
	t.Parallel()
	c := apiServer(t)
	for _, file := range loadRules(t) {
		for i, rc := range file.Cases {
			t.Run(file.Kind+"/"+rc.Name, func(t *testing.T) {
				t.Parallel()
				namespace := fmt.Sprintf("rules-%s-%d", strings.ToLower(file.Kind), i)
				makeNamespace(t, c, namespace)
				if rc.Update {
					updateCase(t, c, file, rc, namespace, i)
				} else {
					createCase(t, c, file, rc, namespace)
				}
			})
		}
	}
}

func createCase(t *testing.T, c client.Client, file ruleFile, rc ruleCase, namespace string) {
	t.Helper()
	accepted := object(t, file, namespace, "", rc.Accepted)
	if err := c.Create(t.Context(), accepted, client.DryRunAll); err != nil {
		t.Errorf("the accepted side was refused: %v", err)
	}
	refused := object(t, file, namespace, "", rc.Refused)
	assertRefused(t, c.Create(t.Context(), refused, client.DryRunAll), rc)
}

func updateCase(t *testing.T, c client.Client, file ruleFile, rc ruleCase, namespace string, i int) {
	t.Helper()
	// Names of cluster-scoped objects must differ between cases that run at the same time.
	name := fmt.Sprintf("case-%d", i)
	old := object(t, file, namespace, name, rc.Old)
	if err := c.Create(t.Context(), old); err != nil {
		t.Fatalf("the old object was refused: %v", err)
	}
	for _, side := range []struct {
		patch   map[string]any
		refused bool
	}{{rc.Accepted, false}, {rc.Refused, true}} {
		updated := object(t, file, namespace, name, rc.Old, side.patch)
		updated.SetResourceVersion(old.GetResourceVersion())
		err := c.Update(t.Context(), updated, client.DryRunAll)
		switch {
		case side.refused:
			assertRefused(t, err, rc)
		case err != nil:
			t.Errorf("the accepted side was refused: %v", err)
		}
	}
}

// assertRefused wants exactly the rule's message at the rule's place, and nothing else wrong with the object.
func assertRefused(t *testing.T, err error, rc ruleCase) {
	t.Helper()
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		t.Fatalf("got %v, want it refused as invalid", err)
	}
	found := false
	for _, cause := range status.Status().Details.Causes {
		if schema.Normalize(cause.Field) == rc.Path && strings.HasSuffix(cause.Message, ": "+rc.Message) {
			found = true
			continue
		}
		t.Errorf("it is refused for another reason too: %s: %s", cause.Field, cause.Message)
	}
	if !found {
		t.Errorf("got %v, want %q at %q", err, rc.Message, rc.Path)
	}
}

// object makes the file's base object with patches, in a namespace if it has one.
func object(t *testing.T, file ruleFile, namespace, name string, patches ...map[string]any) *unstructured.Unstructured {
	t.Helper()
	merged := map[string]any{}
	for _, patch := range append([]map[string]any{file.Base}, patches...) {
		merged = merge(merged, patch)
	}
	raw, err := yaml.Marshal(merged)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(raw, &u.Object); err != nil {
		t.Fatal(err)
	}
	u.SetAPIVersion("beanpod.dev/v1alpha1")
	u.SetKind(file.Kind)
	u.SetNamespace(namespace)
	if name != "" {
		u.SetName(name)
	}
	return u
}

// merge applies a JSON merge patch (RFC 7386): null removes, a map merges, anything else replaces.
func merge(base, patch map[string]any) map[string]any {
	merged := maps.Clone(base)
	for key, value := range patch {
		switch v := value.(type) {
		case nil:
			delete(merged, key)
		case map[string]any:
			below, _ := merged[key].(map[string]any)
			if below == nil {
				below = map[string]any{}
			}
			merged[key] = merge(below, v)
		default:
			merged[key] = value
		}
	}
	return merged
}
