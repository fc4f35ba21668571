// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// clusterOnly are the kinds without a namespace: nothing about them may be granted for
// a list of namespaces.
var clusterOnly = []string{" platforms", " databaseclasses", " namespaces"}

// chartOnly is granted by the chart's smaller roles, for what controller-runtime
// does and our code has no marker for.
var chartOnly = grants([]rbacv1.PolicyRule{
	{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch"}},
	{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
	{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
})

// grants flattens rules to one line for each group, resource and verb.
func grants(rules []rbacv1.PolicyRule) []string {
	var out []string
	for _, r := range rules {
		for _, verb := range r.Verbs {
			for _, group := range r.APIGroups {
				for _, resource := range r.Resources {
					out = append(out, strings.Join([]string{verb, group, resource}, " "))
				}
			}
			for _, url := range r.NonResourceURLs {
				out = append(out, verb+" "+url)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func rulesOf(t *testing.T, o unstructured.Unstructured) []rbacv1.PolicyRule {
	t.Helper()
	return into[rbacv1.ClusterRole](t, o).Rules // A Role has the same field.
}

func isRole(o unstructured.Unstructured) bool {
	return o.GetKind() == "Role" || o.GetKind() == "ClusterRole"
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

func TestNoWildcards(t *testing.T) {
	t.Parallel()
	for _, values := range []string{"", everything, teams} {
		for _, o := range render(t, values).objects {
			if !isRole(o) {
				continue
			}
			for _, r := range rulesOf(t, o) {
				for _, word := range slices.Concat(r.APIGroups, r.Resources, r.Verbs, r.NonResourceURLs) {
					if strings.Contains(word, "*") || slices.Contains([]string{"escalate", "bind", "impersonate"}, word) {
						t.Errorf("%s %s grants %q", o.GetKind(), o.GetName(), word)
					}
				}
			}
		}
	}
}

func TestNamespaceMode(t *testing.T) {
	t.Parallel()
	out := render(t, teams)
	for _, kind := range []string{"ClusterRole", "ClusterRoleBinding"} {
		if out.has(kind) {
			t.Errorf("a %s is rendered for a list of namespaces", kind)
		}
	}
	want := slices.DeleteFunc(grants(rulesOf(t, render(t, "").find(t, "ClusterRole", "beanpod-manager"))), func(grant string) bool {
		return slices.ContainsFunc(clusterOnly, func(kind string) bool { return strings.Contains(grant, kind) })
	})
	for _, o := range out.objects {
		switch {
		case o.GetKind() == "Role" && strings.HasPrefix(o.GetNamespace(), "team-"):
			if diff := cmp.Diff(want, grants(rulesOf(t, o))); diff != "" {
				t.Errorf("Role in %s (-cluster mode +here):\n%s", o.GetNamespace(), diff)
			}
		case o.GetKind() == "RoleBinding":
			b := into[rbacv1.RoleBinding](t, o)
			if s := b.Subjects[0]; s.Name != "beanpod" || s.Namespace != namespace {
				t.Errorf("RoleBinding in %s is for %s/%s", b.Namespace, s.Namespace, s.Name)
			}
			out.find(t, "Role", b.RoleRef.Name)
		}
	}
}

func TestLeaderElectionRole(t *testing.T) {
	t.Parallel()
	for _, o := range render(t, "leaderElection: {enabled: false}").objects {
		if o.GetName() == "beanpod-leader-election" {
			t.Errorf("%s is rendered without leader election", o.GetKind())
		}
	}
}

func TestAggregation(t *testing.T) {
	t.Parallel()
	const label = "rbac.authorization.k8s.io/aggregate-to-"
	out := render(t, "")
	for name, roles := range map[string][]string{"beanpod-view": {"view", "edit", "admin"}, "beanpod-edit": {"edit", "admin"}} {
		found := out.find(t, "ClusterRole", name)
		labels := found.GetLabels()
		for _, role := range []string{"view", "edit", "admin"} {
			if got, want := labels[label+role] == "true", slices.Contains(roles, role); got != want {
				t.Errorf("%s aggregates to %s: %v, want %v", name, role, got, want)
			}
		}
	}
	for _, grant := range grants(rulesOf(t, out.find(t, "ClusterRole", "beanpod-view"))) {
		if !slices.Contains([]string{"get", "list", "watch"}, strings.Fields(grant)[0]) {
			t.Errorf("view may %s", grant)
		}
	}
	// Status is the operator's, and classes are the administrator's.
	for _, grant := range grants(rulesOf(t, out.find(t, "ClusterRole", "beanpod-edit"))) {
		if strings.Contains(grant, "/status") || strings.Contains(grant, "platforms") || strings.Contains(grant, "databaseclasses") {
			t.Errorf("edit may %s", grant)
		}
	}
	if out := render(t, "rbac: {aggregate: false}"); slices.Contains(out.names(), "ClusterRole//beanpod-view") {
		t.Error("aggregated although it is switched off")
	}
}

// TestRulesMatchMarkers compares the chart with the role that controller-gen makes
// from the markers in the code.
func TestRulesMatchMarkers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(configDir, "rbac", "role.yaml")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no generated role yet: %v", err)
	}
	var want []string
	for _, o := range split(t, path, readFile(t, path)) {
		if isRole(o) {
			want = append(want, grants(rulesOf(t, o))...)
		}
	}
	out := render(t, "")
	have := slices.Concat(
		grants(rulesOf(t, out.find(t, "ClusterRole", "beanpod-manager"))),
		grants(rulesOf(t, out.find(t, "Role", "beanpod-leader-election"))),
		grants(rulesOf(t, out.find(t, "ClusterRole", "beanpod-metrics-auth"))),
	)
	for _, grant := range minus(want, have) {
		t.Errorf("the code needs %q, the chart does not grant it: run \"go run ./hack/chart-crds\"", grant)
	}
	for _, grant := range minus(minus(have, want), chartOnly) {
		t.Errorf("the chart grants %q, no marker in the code asks for it: run \"go run ./hack/chart-crds\"", grant)
	}
}

// TestDeletions lists everything that the manager may delete, and how it may treat what holds data. A kind more is a decision.
func TestDeletions(t *testing.T) {
	t.Parallel()
	want := []string{
		" configmaps", " persistentvolumeclaims", " secrets", " serviceaccounts", " services", "apps controllerrevisions", "apps deployments", "apps statefulsets",
		"autoscaling horizontalpodautoscalers", "batch cronjobs", "batch jobs", "beanpod.dev applicationversions", "beanpod.dev databaseclaims", "beanpod.dev environments",
		"coordination.k8s.io leases", "gateway.networking.k8s.io httproutes", "keda.sh scaledobjects", "keda.sh triggerauthentications",
		"networking.k8s.io ingresses", "networking.k8s.io networkpolicies", "policy poddisruptionbudgets", "postgresql.cnpg.io clusters",
		"rbac.authorization.k8s.io rolebindings", "rbac.authorization.k8s.io roles", "rds.services.k8s.aws dbinstances",
	}
	// Snapshots are made and read, and nothing else is ever done to them.
	snapshots := []string{
		"create postgresql.cnpg.io backups", "create rds.services.k8s.aws dbsnapshots", "create snapshot.storage.k8s.io volumesnapshots",
		"get postgresql.cnpg.io backups", "get rds.services.k8s.aws dbsnapshots", "get snapshot.storage.k8s.io volumesnapshots",
	}
	for values, kind := range map[string]string{"": "ClusterRole", teams: "Role"} {
		found := 0
		for _, o := range render(t, values).objects {
			if o.GetKind() != kind || !strings.HasSuffix(o.GetName(), "-manager") && o.GetName() != "beanpod" && !strings.HasPrefix(o.GetNamespace(), "team-") {
				continue
			}
			found++
			var deletes, of []string
			for _, grant := range grants(rulesOf(t, o)) {
				verb, what, _ := strings.Cut(grant, " ")
				if strings.HasPrefix(verb, "delete") {
					deletes = append(deletes, what)
				}
				if strings.HasSuffix(what, "snapshots") || strings.HasSuffix(what, " backups") {
					of = append(of, grant)
				}
			}
			if diff := cmp.Diff(want, deletes); diff != "" {
				t.Errorf("%s %s deletes (-want +got):\n%s", kind, o.GetNamespace(), diff)
			}
			if diff := cmp.Diff(snapshots, of); diff != "" {
				t.Errorf("%s %s does to snapshots (-want +got):\n%s", kind, o.GetNamespace(), diff)
			}
		}
		if found == 0 {
			t.Errorf("no %s of the manager with values %q", kind, values)
		}
	}
}

// TestOwnDatabases demands that the policy which keeps the manager to its own is asked for every kind that holds data, in both modes.
func TestOwnDatabases(t *testing.T) {
	t.Parallel()
	for _, values := range []string{"", teams} {
		var kinds []string
		for _, o := range render(t, values).objects {
			if o.GetKind() != "ValidatingAdmissionPolicy" || !strings.HasSuffix(o.GetName(), "-own-secrets") {
				continue
			}
			for _, r := range into[admissionv1.ValidatingAdmissionPolicy](t, o).Spec.MatchConstraints.ResourceRules {
				if !slices.Contains(r.Operations, admissionv1.Delete) || !slices.Contains(r.Operations, admissionv1.Update) {
					t.Errorf("%v are asked for %v", r.Resources, r.Operations)
				}
				kinds = append(kinds, r.Resources...)
			}
		}
		if want := []string{"secrets", "persistentvolumeclaims", "statefulsets", "clusters", "dbinstances"}; !slices.Equal(kinds, want) {
			t.Errorf("with values %q the policy is asked for %v, want %v", values, kinds, want)
		}
	}
}
