// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
)

// roles are those that the Cluster manages, as it says: they change in a rotation only. A database that was restored may be one whose owner
// lost its login to a rotation before the snapshot was taken, so there the owner is told to have one.
func roles(w database.Wanted, cluster *unstructured.Unstructured) []any {
	if cluster != nil {
		if has, _, _ := unstructured.NestedSlice(cluster.Object, "spec", "managed", "roles"); len(has) > 0 {
			return has
		}
	}
	if w.Restore == "" {
		return nil
	}
	return []any{map[string]any{"name": w.Username, "ensure": "present", "login": true, "passwordSecret": map[string]any{"name": w.Secret}}}
}

// role is one of a name; nil: there is none.
func role(list []any, name string) map[string]any {
	for _, item := range list {
		if r, _ := item.(map[string]any); r["name"] == name {
			return r
		}
	}
	return nil
}

// rotated says whether applications have another login than the owner, or are about to have one.
func rotated(w database.Wanted, list []any) bool {
	return slices.ContainsFunc(list, func(item any) bool {
		r, _ := item.(map[string]any)
		name, _ := r["name"].(string)
		return jobs.IsLogin(w, name)
	})
}

// adding are the roles with the new login beside the others. It belongs to those too, so that it may hand over what is theirs. No other one
// follows the Secret with the credentials any more, and those that the last rotation ended are dropped.
func adding(w database.Wanted, list []any, r database.Rotation) []any {
	if role(list, r.Role) != nil {
		return list
	}
	groups := []any{w.Username}
	var out []any
	for _, item := range list {
		one, _ := item.(map[string]any)
		name, _ := one["name"].(string)
		switch login := jobs.IsLogin(w, name); {
		case name == w.Username:
			delete(one, "passwordSecret")
		case login && one["ensure"] == "absent":
			continue
		case login && one["login"] != true:
			one = map[string]any{"name": name, "ensure": "absent"}
		case login:
			delete(one, "passwordSecret")
			one["inRoles"] = []any{w.Username}
			groups = append(groups, name)
		}
		out = append(out, one)
	}
	return append(out, map[string]any{
		"name": r.Role, "ensure": "present", "login": true, "inRoles": groups, "passwordSecret": map[string]any{"name": r.PasswordSecret},
	})
}

// dropping are the roles with the new login alone, which follows the Secret with the credentials from now on.
func dropping(w database.Wanted, list []any, r database.Rotation) []any {
	if role(list, w.Username) == nil {
		list = append(list, map[string]any{"name": w.Username, "ensure": "present"})
	}
	for _, item := range list {
		one, _ := item.(map[string]any)
		name, _ := one["name"].(string)
		switch {
		case name == r.Role:
			one["passwordSecret"] = map[string]any{"name": w.Secret}
		case name == w.Username, jobs.IsLogin(w, name) && one["ensure"] != "absent":
			delete(one, "passwordSecret")
			one["login"], one["disablePassword"] = false, true
		}
	}
	return list
}

// roleTrouble is what CloudNativePG says of roles that it cannot bring to what they should be; empty if nothing.
func roleTrouble(cluster *unstructured.Unstructured) string {
	if cluster == nil {
		return ""
	}
	all, _, _ := unstructured.NestedMap(cluster.Object, "status", "managedRolesStatus", "cannotReconcile")
	var out []string
	for name := range all {
		words, _, _ := unstructured.NestedStringSlice(all, name)
		out = append(out, fmt.Sprintf("CloudNativePG cannot change the role %s: %s", name, strings.Join(words, ", ")))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}
