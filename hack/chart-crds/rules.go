// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// rule is one RBAC rule, its words as they are spelled in the file: "" has its quotes.
type rule struct {
	groups, resources, verbs []string
}

// parseRole reads the ClusterRole among the documents that controller-gen writes, whose
// layout is always the same. What it does not know, it refuses: a rule that is
// lost here would be missing in every installation.
func parseRole(text string) ([]rule, error) {
	for doc := range strings.SplitSeq("\n"+text, "\n---\n") {
		head, body, ok := strings.Cut(doc, "\nrules:\n")
		if ok && strings.Contains(head, "\nkind: ClusterRole\n") {
			return parseRules(body)
		}
	}
	return nil, errors.New("no ClusterRole with rules")
}

func parseRules(body string) ([]rule, error) {
	var out []rule
	var list *[]string
	for line := range strings.SplitSeq(strings.TrimSpace(body), "\n") {
		if line == "- apiGroups:" {
			out = append(out, rule{})
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("unexpected line %q", line)
		}
		current := &out[len(out)-1]
		word, isItem := strings.CutPrefix(line, "  - ")
		switch {
		case line == "- apiGroups:":
			list = &current.groups
		case line == "  resources:":
			list = &current.resources
		case line == "  verbs:":
			list = &current.verbs
		case isItem && strings.Contains(word, "*"):
			return nil, fmt.Errorf("wildcard %s: name what is needed", word)
		case isItem:
			*list = append(*list, word)
		default:
			return nil, fmt.Errorf("unexpected line %q", line)
		}
	}
	return out, nil
}

// rulesTemplate splits the rules into those for a namespace and those for kinds
// without one, which a Role cannot grant. The latter are named like CRDs: plural.group.
func rulesTemplate(rules []rule, clusterScoped map[string]bool) string {
	var namespaced, cluster strings.Builder
	for _, r := range rules {
		for _, group := range r.groups {
			isCluster := func(resource string) bool {
				plural, _, _ := strings.Cut(resource, "/")
				return clusterScoped[plural+"."+strings.Trim(group, `"`)]
			}
			one := rule{groups: []string{group}, verbs: r.verbs}
			one.resources = slices.DeleteFunc(slices.Clone(r.resources), isCluster)
			one.print(&namespaced)
			one.resources = slices.DeleteFunc(slices.Clone(r.resources), func(s string) bool { return !isCluster(s) })
			one.print(&cluster)
		}
	}
	return "{{/* Copied from config/rbac/role.yaml by hack/chart-crds. Do not edit. */}}\n" +
		"\n{{- define \"beanpod.rules.namespace\" -}}\n" + namespaced.String() + "{{- end }}\n" +
		"\n{{/* Kinds without a namespace: never granted with watchNamespaces. */}}\n" +
		"{{- define \"beanpod.rules.cluster\" -}}\n" + cluster.String() + "{{- end }}\n"
}

func (r rule) print(to *strings.Builder) {
	if len(r.resources) > 0 {
		fmt.Fprintf(to, "- apiGroups: [%s]\n  resources: [%s]\n  verbs: [%s]\n",
			r.groups[0], strings.Join(r.resources, ", "), strings.Join(r.verbs, ", "))
	}
}
