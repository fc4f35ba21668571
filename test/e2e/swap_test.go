// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// serving is what a site runs: it answers requests, and writes a row twice a second over one connection, which it never opens again.
const serving = `export PGPASSWORD="$RDS_PASSWORD" PGHOST="$RDS_HOSTNAME" PGPORT="$RDS_PORT" PGUSER="$RDS_USERNAME" PGDATABASE="$RDS_DB_NAME" PGAPPNAME="$WHO"
while ! psql -qc 'CREATE TABLE IF NOT EXISTS ticks (who text, at timestamptz DEFAULT now())'; do sleep 1; done
while echo "INSERT INTO ticks (who) VALUES ('$WHO');"; do sleep 0.5; done | psql -q -v ON_ERROR_STOP=1 &
exec /sample-web`

// site is a web environment that uses a claim; its answers say its name for their version.
func site(name, ns, claim string) *v1alpha1.Environment {
	e := writer(name, ns, claim)
	e.Spec.Tier = v1alpha1.TierWebServer
	e.Spec.VersionRef.Name = "site"
	e.Spec.Processes = []v1alpha1.Process{process("web", 8080)}
	e.Spec.EnvironmentProperties = append(e.Spec.EnvironmentProperties, v1alpha1.EnvironmentProperty{Name: "APP_VERSION", Value: &name})
	return e
}

func siteVersion(t *testing.T, ns string) {
	t.Helper()
	create(t, version(ns, "site", func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source.Image.Reference = "localhost/sample-data:1"
		v.Spec.Processes = map[string]v1alpha1.ProcessCommand{"web": serving}
	}))
}

// connections of an application, each with when it began.
func (h claimHandle) connections(t *testing.T, application string) string {
	t.Helper()
	out, err := h.ask("SELECT string_agg(pid || ' since ' || backend_start, ', ' ORDER BY pid) FROM pg_stat_activity WHERE application_name = '" + application + "'")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// everything in a namespace by name, but what comes and goes by itself.
func everything(t *testing.T, ns string) []string {
	t.Helper()
	kinds := "deployments,statefulsets,replicasets,jobs,pods,services,endpointslices,ingresses,httproutes,horizontalpodautoscalers,poddisruptionbudgets," +
		"serviceaccounts,networkpolicies,secrets,configmaps,roles,rolebindings,leases,persistentvolumeclaims,controllerrevisions," + strings.Join(namespacedKinds(t), ",")
	return strings.Fields(mustKubectl(t, "get", kinds, "-n", ns, "-o", "name"))
}

// domain makes the user's own Ingress for a host, which Beanpod knows nothing of.
func domain(t *testing.T, ns, name, host, service string) {
	t.Helper()
	prefix := networkingv1.PathTypePrefix
	create(t, &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: &prefix,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}},
		}}}},
	})
}

// TestADomainMovesBetweenEnvironmentsOfOneDatabase is the middle of Beanstalk's recipe: two environments use one database, the domain goes
// from the first to the second under traffic, and the first one is deleted. The permanent host of an environment is its name and cannot
// move, so the domain is an Ingress of the user's own.
func TestADomainMovesBetweenEnvironmentsOfOneDatabase(t *testing.T) {
	t.Parallel()
	const ns, host, blue, green = "swap", "shop.swap.beanpod.test", "swap-blue", "swap-green"
	dataNamespace(t, ns)
	siteVersion(t, ns)
	t.Cleanup(func() { deleteNamespace(t, ns) })
	db := startClaim(t, ns, "orders")
	first := start(t, site(blue, ns, "orders"))
	domain(t, ns, "domain", host, blue)
	second := start(t, site(green, ns, "orders"))
	db.writes(t, blue)
	db.writes(t, green)
	load, own := hammer(t, host), hammer(t, second.host(t))
	pods, secret, connections := second.podUIDs(t), db.secret(t), db.connections(t, green)
	if connections == "" {
		t.Fatal("the second environment has no connection, so that it is kept shows nothing")
	}
	time.Sleep(3 * time.Second)

	mustKubectl(t, "patch", "ingress", "-n", ns, "domain", "--type=json",
		"-p", `[{"op":"replace","path":"/spec/rules/0/http/paths/0/backend/service/name","value":"`+green+`"}]`)
	moved := time.Now()
	eventually(t, time.Minute, "the domain to be served by the second environment alone", func() error {
		before := load.so()
		time.Sleep(2 * time.Second)
		if after := load.so(); after.ok[blue] > before.ok[blue] || after.ok[green] == before.ok[green] {
			return fmt.Errorf("it is %v, was %v", after, before)
		}
		return nil
	})
	tell(t, "the domain moved in %s: %v", since(moved), load.so())

	// The first one leaves its host, and then goes.
	first.patch(t, spec(map[string]any{"routing": map[string]any{"type": "None"}}))
	first.waitReady(t, time.Minute)
	rows := db.rows(t, blue)
	mustKubectl(t, "delete", "benv", "-n", ns, blue, "--wait", "--timeout=2m")
	eventually(t, 2*time.Minute, "nothing else of the first environment to be left", func() error {
		for _, name := range everything(t, ns) {
			if strings.Contains(name, blue) {
				return fmt.Errorf("there is %s", name)
			}
		}
		return nil
	})
	db.writes(t, green)
	if n := db.rows(t, blue); n < rows {
		t.Errorf("%d rows of the deleted environment, %d before", n, rows)
	}
	after := db.secret(t)
	if after.UID != secret.UID || after.ResourceVersion != secret.ResourceVersion || fmt.Sprint(after.Data) != fmt.Sprint(secret.Data) {
		t.Errorf("the Secret changed: %v, was %v", after.ObjectMeta, secret.ObjectMeta)
	}
	if now := db.connections(t, green); now != connections {
		t.Errorf("the connections of the second environment are %s, were %s", now, connections)
	}
	if got := second.podUIDs(t); fmt.Sprint(got) != fmt.Sprint(pods) {
		t.Errorf("the instances of the second environment are %v, were %v", got, pods)
	}
	if used := db.get(t).Status.UsedBy; len(used) != 1 || used[0].Environment != green {
		t.Errorf("the claim is used by %v, want %s", used, green)
	}
	own.stopUnfailed(t, green)
	load.stopUnfailed(t, blue, green)

	// With the last environment and the claim, what is left is the database, as its policy says, and what the user made.
	mustKubectl(t, "delete", "benv", "-n", ns, green, "--wait", "--timeout=2m")
	db.delete(t)
	db.gone(t)
	eventually(t, 2*time.Minute, "nothing but the database to be left", func() error {
		for _, name := range everything(t, ns) {
			if !slices.ContainsFunc([]string{"orders", "application", "ingress.networking.k8s.io/domain", "serviceaccount/default", "configmap/kube-root-ca.crt"},
				func(known string) bool { return strings.Contains(name, known) }) {
				return fmt.Errorf("there is %s", name)
			}
		}
		return nil
	})
	if n := db.rows(t, blue); n < rows {
		t.Errorf("%d rows in the retained database, %d before", n, rows)
	}
}
