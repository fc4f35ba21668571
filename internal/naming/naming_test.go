// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package naming_test

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/beanpod-dev/beanpod/internal/naming"
)

// TestNamesNeverChange pins every name: another one in a later release would orphan the child of the release before.
func TestNamesNeverChange(t *testing.T) {
	t.Parallel()
	var got []string
	for _, c := range naming.Candidates("shop") {
		got = append(got, c.String())
	}
	want := []string{
		"ServiceAccount shop", "NetworkPolicy shop", "Service shop", "Service shop--candidate", "Deployment shop-a", "Deployment shop-b",
		"HorizontalPodAutoscaler shop", "PodDisruptionBudget shop", "Ingress shop", "HTTPRoute shop",
		"Lease shop-periodic-tasks", "Role shop-periodic-tasks", "RoleBinding shop-periodic-tasks",
		"ScaledObject shop", "TriggerAuthentication shop",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	if got := naming.CertificateSecret("shop"); got != "shop-tls" {
		t.Errorf("CertificateSecret = %q, want shop-tls", got)
	}
	if got := naming.Revision("shop", "0123"); got != "shop-0123" {
		t.Errorf("Revision = %q, want shop-0123", got)
	}
	if got := naming.Build("shop-41", "python", "3.12", "3.12.8", 1); got != "shop-41-build-37caf1ad74-1" {
		t.Errorf("Build = %q", got)
	}
	if got := naming.BuildPolicy("shop-41"); got != "shop-41-build" {
		t.Errorf("BuildPolicy = %q, want shop-41-build", got)
	}
	if got := naming.Sample("shop", "python"); got != "shop-sample-python" {
		t.Errorf("Sample = %q, want shop-sample-python", got)
	}
	if got := naming.RDS("shop", "shop-db-db", "0f0e0d0c-1111-2222-3333-444455556666"); got != "beanpod-shop-shop-db-db-0392d22e0e" {
		t.Errorf("RDS = %q", got)
	}
	if got := naming.DatabaseProbe("shop-db"); got != "shop-db-probe" {
		t.Errorf("DatabaseProbe = %q, want shop-db-probe", got)
	}
	if got := naming.Release("shop", 7); got != "shop-release-7" {
		t.Errorf("Release = %q, want shop-release-7", got)
	}
	if got := naming.Evidence("shop", 7); got != "shop-deployment-7" {
		t.Errorf("Evidence = %q, want shop-deployment-7", got)
	}
	if got := naming.Queue("team", "jobs"); got != "beanpod-team-jobs-c2ab5ef63d" {
		t.Errorf("Queue = %q", got)
	}
	if got := naming.ShortQueue("team", "jobs"); got != naming.Queue("team", "jobs") {
		t.Errorf("ShortQueue = %q", got)
	}
	long := strings.Repeat("n", 63)
	if a, b := naming.ShortQueue(long, "jobs"), naming.ShortQueue(long, "jobs-2"); len(a) != 75 || len(b) != 75 || a == b {
		t.Errorf("ShortQueue = %q and %q, want two names of 75", a, b)
	}
	if got := naming.Host("shop", "apps.example.com"); got != "shop.apps.example.com" {
		t.Errorf("Host = %q", got)
	}
	if got := naming.Host("shop", ""); got != "" {
		t.Errorf("Host without a base domain = %q, want none", got)
	}
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"app.kubernetes.io/managed-by": "beanpod", "beanpod.dev/environment": "blue",
		"beanpod.dev/environment-uid": "u", "beanpod.dev/application": "shop",
	}
	if diff := cmp.Diff(want, naming.Labels("blue", "u", "shop")); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"beanpod.dev/environment-uid": "u"}, naming.EnvironmentSelector("u")); diff != "" {
		t.Errorf("environment selector (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"beanpod.dev/environment-uid": "u", "beanpod.dev/slot": "a"}, naming.SlotSelector("u", "a")); diff != "" {
		t.Errorf("slot selector (-want +got):\n%s", diff)
	}
}

// environmentName is what the schema accepts.
var environmentName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// FuzzNames proves for every name that the schema accepts that the children's names are legal and distinct.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"a", "shop", "shop-a", "a-b", "a--b", strings.Repeat("a", 40), "s-" + strings.Repeat("0", 38)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 40 || !environmentName.MatchString(name) {
			t.Skip("not a name of an Environment")
		}
		all := naming.Candidates(name)
		for i, c := range all {
			if slices.Contains(all[i+1:], c) {
				t.Errorf("two children are %s", c)
			}
			if bad := validation.IsDNS1035Label(c.Name); len(bad) > 0 {
				t.Errorf("%s is not legal: %v", c, bad)
			}
		}
		for key, value := range naming.Labels(name, "11111111-2222-3333-4444-555555555555", "shop") {
			if bad := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); len(bad) > 0 {
				t.Errorf("label %s=%s is not legal: %v", key, value, bad)
			}
		}
		if bad := validation.IsDNS1123Subdomain(naming.Evidence(name, math.MaxInt64)); len(bad) > 0 {
			t.Errorf("name of the evidence is not legal: %v", bad)
		}
		if bad := validation.IsDNS1123Subdomain(naming.Host(name, "apps.example.com")); len(bad) > 0 {
			t.Errorf("host is not legal: %v", bad)
		}
	})
}

// TestLongNames proves that names of the longest parts fit and stay apart.
func TestLongNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a.", 31)
	seen := map[string]string{}
	for _, end := range []string{"b", "c"} {
		for what, got := range map[string]string{
			"build":  naming.Build(long+end, "python", "3.12", "3.12.8", 1000),
			"branch": naming.Build(long+end, "python", "3.13", "3.12.8", 1000),
			"policy": naming.BuildPolicy(long + end), "sample": naming.Sample(strings.Repeat("a", 62)+end, "python"),
		} {
			if problems := validation.IsDNS1123Subdomain(got); len(problems) > 0 || len(got) > 63 {
				t.Errorf("the %s of %s is called %q (%d): %v", what, end, got, len(got), problems)
			}
			if other, taken := seen[got]; taken {
				t.Errorf("%s of %s has the name of %s: %s", what, end, other, got)
			}
			seen[got] = what + " of " + end
		}
	}
}

// TestRDS is about what AWS takes as an identifier: at most 63 letters, digits and single hyphens, a letter first and no hyphen last.
func TestRDS(t *testing.T) {
	t.Parallel()
	allowed := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	seen := map[string]bool{}
	for _, namespace := range []string{"shop", "0shop", "shop--a", strings.Repeat("n", 63)} {
		for _, name := range []string{"a", "a.b", "A:b/c_d", "-a--b-", strings.Repeat("a-", 25)} {
			for _, id := range []string{"1", "2"} {
				got := naming.RDS(namespace, name, id)
				if !allowed.MatchString(got) || len(got) > 63 || seen[got] {
					t.Errorf("%s, %s and %s make %q, which AWS refuses or has already", namespace, name, id, got)
				}
				seen[got] = true
			}
		}
	}
}
