// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/internal/database"
)

// serves is a Cluster that takes connections, with roles that it manages and what CloudNativePG says of them.
func serves(t *testing.T, w database.Wanted, roles, status string) database.Objects {
	t.Helper()
	text := strings.ReplaceAll(healthy, "PHASE", "Cluster in healthy state") + "  managedRolesStatus: " + status
	text = strings.Replace(text, "spec: {instances: 3}", "spec: {instances: 3, managed: {roles: "+roles+"}}", 1)
	return cluster(t, w, text)
}

// tells are the roles of a Cluster in a line each, with the Secret that it is told of first.
func tells(o database.Object) []string {
	secret, _, _ := unstructured.NestedString(o.Intent, "spec", "bootstrap", "initdb", "secret", "name")
	out := []string{secret}
	list, _, _ := unstructured.NestedSlice(o.Intent, "spec", "managed", "roles")
	for _, item := range list {
		r := item.(map[string]any)
		line := fmt.Sprint(r["name"], " ", r["ensure"])
		if r["login"] == true {
			line += " login"
		}
		if r["disablePassword"] == true {
			line += " no-password"
		}
		if in, ok := r["inRoles"].([]any); ok {
			line += fmt.Sprint(" in ", in)
		}
		if s, ok := r["passwordSecret"].(map[string]any); ok {
			line += fmt.Sprint(" of ", s["name"])
		}
		out = append(out, line)
	}
	return out
}

// TestRotations plays three rotations after each other, each object as the next step finds it, and what is told between them.
func TestRotations(t *testing.T) {
	t.Parallel()
	w := wanted()
	have := serves(t, w, "[]", "{}")
	live := have[provider.Refs(w)[0]]
	told := func(o database.Object) []string {
		for _, field := range []string{"managed", "bootstrap"} {
			if v, found, _ := unstructured.NestedFieldCopy(o.Intent, "spec", field); found {
				if err := unstructured.SetNestedField(live.Object, v, "spec", field); err != nil {
					t.Fatal(err)
				}
			}
		}
		return tells(o)
	}
	one, two, three := provider.Rotation(w, "one"), provider.Rotation(w, "two"), provider.Rotation(w, "three")
	names := strings.NewReplacer(one.Role, "ONE", two.Role, "TWO", three.Role, "THREE",
		one.PasswordSecret, "secret-1", two.PasswordSecret, "secret-2", three.PasswordSecret, "secret-3")
	for _, step := range []struct {
		name string
		told []string
		want string
	}{
		{"before", told(provider.Objects(w, have)[0]), "shop-db-binding"},
		{"add one", told(provider.Add(w, one, have)[0]), "shop-db-owner|ONE present login in [ebroot] of secret-1"},
		{"add one again", told(provider.Add(w, one, have)[0]), "shop-db-owner|ONE present login in [ebroot] of secret-1"},
		{"meanwhile", told(provider.Objects(w, have)[0]), "shop-db-owner|ONE present login in [ebroot] of secret-1"},
		{"end one", told(provider.Drop(w, one, have)[0]), "shop-db-owner|ONE present login in [ebroot] of shop-db-binding|ebroot present no-password"},
		{"add two", told(provider.Add(w, two, have)[0]), "shop-db-owner|ONE present login in [ebroot]|ebroot present no-password|TWO present login in [ebroot ONE] of secret-2"},
		{"end two", told(provider.Drop(w, two, have)[0]),
			"shop-db-owner|ONE present no-password in [ebroot]|ebroot present no-password|TWO present login in [ebroot ONE] of shop-db-binding"},
		{"end two again", told(provider.Drop(w, two, have)[0]),
			"shop-db-owner|ONE present no-password in [ebroot]|ebroot present no-password|TWO present login in [ebroot ONE] of shop-db-binding"},
		{"add three", told(provider.Add(w, three, have)[0]),
			"shop-db-owner|ONE absent|ebroot present no-password|TWO present login in [ebroot]|THREE present login in [ebroot TWO] of secret-3"},
		{"add three again", told(provider.Add(w, three, have)[0]),
			"shop-db-owner|ONE absent|ebroot present no-password|TWO present login in [ebroot]|THREE present login in [ebroot TWO] of secret-3"},
		{"end three", told(provider.Drop(w, three, have)[0]),
			"shop-db-owner|ONE absent|ebroot present no-password|TWO present no-password in [ebroot]|THREE present login in [ebroot TWO] of shop-db-binding"},
		{"add one once more", told(provider.Add(w, provider.Rotation(w, "four"), have)[0])[:1], "shop-db-owner"},
	} {
		if got := names.Replace(strings.Join(step.told, "|")); got != strings.ReplaceAll(step.want, "shop-db-owner", "shop-db-db-owner") {
			t.Errorf("%s: the Cluster is told\n%s, not\n%s", step.name, got, step.want)
		}
	}
	if list := strings.Join(tells(provider.Objects(w, have)[0]), "|"); strings.Contains(list, one.Role) {
		t.Errorf("the login that was dropped is still told of: %s", list)
	}
}

// TestRotationKeepsOthers: what people manage besides is told as it is, and what they gave the owner stays.
func TestRotationKeepsOthers(t *testing.T) {
	t.Parallel()
	w := wanted()
	r := provider.Rotation(w, "one")
	have := serves(t, w, "[{name: reader, ensure: present, login: true, inRoles: [pg_read_all_data], passwordSecret: {name: reader}}, {name: ebroot, ensure: present, login: true, createdb: true, inRoles: [pg_monitor]}]", "{}")
	for name, o := range map[string]database.Object{"objects": provider.Objects(w, have)[0], "add": provider.Add(w, r, have)[0], "drop": provider.Drop(w, r, have)[0]} {
		list, _, _ := unstructured.NestedSlice(o.Intent, "spec", "managed", "roles")
		login := name != "drop"
		owner := map[string]any{"name": "ebroot", "ensure": "present", "login": login, "createdb": true, "inRoles": []any{"pg_monitor"}}
		if !login {
			owner["disablePassword"] = true
		}
		want := []any{
			map[string]any{"name": "reader", "ensure": "present", "login": true, "inRoles": []any{"pg_read_all_data"}, "passwordSecret": map[string]any{"name": "reader"}}, owner,
		}
		if diff := cmp.Diff(want, list[:min(len(list), 2)]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestRotationManifests compares what the steps make with testdata; -update rewrites it. The scripts are left out: they are beside it.
func TestRotationManifests(t *testing.T) {
	t.Parallel()
	w := wanted()
	r := provider.Rotation(w, "2026-11-29")
	have := serves(t, w, "[]", "{}")
	for name, list := range map[string][]database.Object{"rotation-add": provider.Add(w, r, have), "rotation-end": provider.Drop(w, r, have)} {
		known := map[database.Ref]bool{}
		for _, ref := range append(provider.Refs(w), provider.RotationRefs(w, r)...) {
			known[ref] = true
		}
		var got strings.Builder
		for _, o := range list {
			if !known[o.Ref] || o.Once != (o.Kind == "Job") {
				t.Errorf("%s: %s is not read, or once is %t", name, o.Ref, o.Once)
			}
			if o.Kind == "Job" {
				containers, _, _ := unstructured.NestedSlice(o.Intent, "spec", "template", "spec", "containers")
				containers[0].(map[string]any)["command"] = []any{"sh", "-c", "SCRIPT"}
				_ = unstructured.SetNestedSlice(o.Intent, containers, "spec", "template", "spec", "containers")
			}
			text, err := yaml.Marshal(o.Intent)
			if err != nil {
				t.Fatal(err)
			}
			got.WriteString("--- # " + o.Ref.String() + "\n" + string(text))
		}
		file := "testdata/" + name + ".yaml"
		if *update {
			if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// TestRotationProgress is what is said of the steps.
func TestRotationProgress(t *testing.T) {
	t.Parallel()
	w := wanted()
	r := provider.Rotation(w, "one")
	const trouble = `{cannotReconcile: {ROLE: ['could not perform CREATE on role']}}`
	added, ended := "[{name: "+r.Role+", login: true}]", "[{name: "+r.Role+", login: true}, {name: ebroot, login: false}]"
	for name, tc := range map[string]struct {
		roles, status, job string
		add, drop          database.Progress
		says               string
	}{
		"nothing":                     {"[]", "{}", "", database.Progress{}, database.Progress{}, ""},
		"a Job, but not the role":     {"[{name: other, login: true}]", "{}", "{}", database.Progress{}, database.Progress{}, ""},
		"a role, but no Job":          {ended, "{}", "", database.Progress{}, database.Progress{}, ""},
		"the login is being made":     {added, "{}", "{}", database.Progress{Exists: true}, database.Progress{}, "login " + r.Role},
		"CloudNativePG cannot":        {ended, strings.ReplaceAll(trouble, "ROLE", r.Role), "{}", database.Progress{Exists: true}, database.Progress{Exists: true}, "cannot change the role " + r.Role + ": could not perform CREATE"},
		"complete":                    {ended, "{}", "status: {conditions: [{type: Complete, status: 'True'}]}", database.Progress{Exists: true, Done: true}, database.Progress{Exists: true, Done: true}, ""},
		"failed":                      {ended, "{}", "status: {conditions: [{type: Failed, status: 'True', message: too late}]}", database.Progress{Exists: true, Failed: true}, database.Progress{Exists: true, Failed: true}, "too late"},
		"the owner may still log in":  {"[{name: " + r.Role + ", login: true}, {name: ebroot, login: true}]", "{}", "{}", database.Progress{Exists: true}, database.Progress{}, ""},
		"trouble that is over anyway": {ended, strings.ReplaceAll(trouble, "ROLE", r.Role), "status: {conditions: [{type: Complete, status: 'True'}]}", database.Progress{Exists: true, Done: true}, database.Progress{Exists: true, Done: true}, ""},
	} {
		have := serves(t, w, tc.roles, tc.status)
		for _, ref := range provider.RotationRefs(w, r) {
			if tc.job != "" && ref.Kind == "Job" {
				var o map[string]any
				if err := yaml.Unmarshal([]byte(tc.job), &o); err != nil {
					t.Fatal(err)
				}
				have[ref] = &unstructured.Unstructured{Object: o}
			}
		}
		for step, pair := range map[string][2]database.Progress{"add": {tc.add, provider.ReadAdd(w, r, have)}, "drop": {tc.drop, provider.ReadDrop(w, r, have)}} {
			want, got := pair[0], pair[1]
			says := got.Message
			got.Message = ""
			if want != got || want.Exists && !strings.Contains(says, tc.says) || want.Done && says != "" {
				t.Errorf("%s: %s is read as %+v, %q; want %+v, %q", name, step, got, says, want, tc.says)
			}
		}
	}
}
