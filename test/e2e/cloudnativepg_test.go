// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// cloudNativePG installs the real operator, by the manifest of its pinned module and with an image made here.
func cloudNativePG(t *testing.T) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "cloudnative-pg.tar")
	if _, err := run(15*time.Minute, "go", "run", "./hack/images", "cloudnative-pg", "-o", archive); err != nil {
		t.Fatal(err)
	}
	if err := theCluster.load(archive); err != nil {
		t.Fatal(err)
	}
	module := testkit.ModulePath(t, "cloudnative-pg", "github.com/cloudnative-pg/cloudnative-pg")
	_, release, _ := strings.Cut(filepath.Base(module), "@v")
	text, err := os.ReadFile(filepath.Join(module, "releases", "cnpg-"+release+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	manifest := regexp.MustCompile(`ghcr\.io/cloudnative-pg/cloudnative-pg:[\w.-]+`).ReplaceAllString(string(text), "localhost/cloudnative-pg:1")
	manifest = strings.ReplaceAll(manifest, "imagePullPolicy: Always", "imagePullPolicy: IfNotPresent")
	file := filepath.Join(t.TempDir(), "operator.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	mustKubectl(t, "apply", "--server-side", "-f", file)
	mustKubectl(t, "rollout", "status", "-n", "cnpg-system", "deployment/cnpg-controller-manager", "--timeout=3m")
	tell(t, "CloudNativePG %s runs", release)
}

// killCloudNativePG ends its operator without notice.
func killCloudNativePG(t *testing.T) {
	t.Helper()
	mustKubectl(t, "delete", "pods", "-n", "cnpg-system", "-l", "app.kubernetes.io/name=cloudnative-pg", "--grace-period=0", "--force", "--wait=false")
}

// server is a database of CloudNativePG, asked as its superuser in the pod of its primary.
type server struct {
	claimHandle
	resource string
}

func (s server) sql(t *testing.T, sql string) string {
	t.Helper()
	var out string
	eventually(t, time.Minute, "an answer of "+s.resource, func() error {
		pod, err := kubectl("get", "pods", "-n", s.namespace, "-l", "cnpg.io/cluster="+s.resource+",cnpg.io/instanceRole=primary", "-o", "jsonpath={.items[*].metadata.name}")
		if err != nil {
			return err
		}
		out, err = kubectl("exec", "-n", s.namespace, pod, "-c", "postgres", "--", "psql", "-d", "ebdb", "-Atc", sql)
		return err
	})
	return strings.TrimSpace(out)
}

func (s server) count(t *testing.T, who string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(s.sql(t, "SELECT count(*) FROM ticks WHERE who = '"+who+"'"), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (s server) grows(t *testing.T, who string) {
	t.Helper()
	eventually(t, 2*time.Minute, "the table of "+who, func() error {
		if s.sql(t, "SELECT to_regclass('ticks') IS NOT NULL") != "t" {
			return errors.New("it is not there")
		}
		return nil
	})
	before := s.count(t, who)
	eventually(t, 2*time.Minute, "rows of "+who, func() error {
		if n := s.count(t, who); n < before+3 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
}

// opens says whether a login works.
func (s server) opens(t *testing.T, username, password string) bool {
	t.Helper()
	pod := mustKubectl(t, "get", "pods", "-n", s.namespace, "-l", "cnpg.io/cluster="+s.resource+",cnpg.io/instanceRole=primary", "-o", "jsonpath={.items[*].metadata.name}")
	out, err := kubectl("exec", "-n", s.namespace, pod, "-c", "postgres", "--", "env", "PGPASSWORD="+password,
		"psql", "-h", "127.0.0.1", "-U", username, "-d", "ebdb", "-Atc", "SELECT 1")
	return err == nil && strings.TrimSpace(out) == "1"
}

func (s server) cluster(t *testing.T, path string) string {
	t.Helper()
	return mustKubectl(t, "get", "clusters.postgresql.cnpg.io", "-n", s.namespace, s.resource, "-o", "jsonpath={"+path+"}")
}

// rotate rotates, with CloudNativePG's operator killed on the way, and checks the logins during the overlap and after it.
func (s server) rotate(t *testing.T, token string) {
	t.Helper()
	before := s.secret(t)
	old, password := string(before.Data["username"]), string(before.Data["password"])
	s.patch(t, `{"metadata":{"annotations":{"beanpod.dev/rotate-requested":"`+token+`"}}}`)
	killCloudNativePG(t)
	eventually(t, 4*time.Minute, "the new login of rotation "+token, func() error {
		if name := string(s.secret(t).Data["username"]); name == old {
			return fmt.Errorf("the Secret has %s; %s", name, s.cluster(t, ".status.managedRolesStatus"))
		}
		return nil
	})
	if now := s.secret(t); !s.opens(t, old, password) || !s.opens(t, string(now.Data["username"]), string(now.Data["password"])) {
		t.Errorf("rotation %s: not both logins work while it lasts", token)
	}
	killCloudNativePG(t)
	eventually(t, 8*time.Minute, "the end of rotation "+token, func() error {
		if op := s.get(t).Status.Operations; op == nil || op.Rotate != token {
			return fmt.Errorf("operations %+v, roles %s, %s", op, s.cluster(t, ".spec.managed"), mustKubectl(t, "get", "events,jobs,pods", "-n", s.namespace))
		}
		return nil
	})
	now := s.secret(t)
	if s.opens(t, old, password) || !s.opens(t, string(now.Data["username"]), string(now.Data["password"])) {
		t.Errorf("rotation %s: not the new login alone works", token)
	}
	if n := s.sql(t, "SELECT count(*) FROM pg_stat_activity WHERE usename = '"+old+"'"); n != "0" {
		t.Errorf("rotation %s: %s connections of the old login", token, n)
	}
	if owners := s.sql(t, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"); owners != "ebroot" {
		t.Errorf("rotation %s: tables belong to %s", token, owners)
	}
	if trouble := s.cluster(t, ".status.managedRolesStatus.cannotReconcile"); trouble != "" {
		t.Errorf("rotation %s: CloudNativePG says %s", token, trouble)
	}
}

// TestCloudNativePG is the life of a database that CloudNativePG's real operator makes: an Environment writes, the login rotates under it,
// the claim goes and another one takes the database over, rotates again, and ends it.
func TestCloudNativePG(t *testing.T) {
	if os.Getenv("CNPG_OPERATOR") == "" {
		t.Skip("CNPG_OPERATOR is not set; run: make test-cloudnativepg")
	}
	cloudNativePG(t)
	const ns = "cnpg"
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	create(t, &v1alpha1.DatabaseClass{
		ObjectMeta: metav1.ObjectMeta{Name: "cnpg"},
		Spec: v1alpha1.DatabaseClassSpec{
			Provider: v1alpha1.DatabaseCloudNativePG, Engines: []v1alpha1.DatabaseClassEngine{{Name: "postgres", Versions: []string{"15"}}},
			Parameters: &v1alpha1.DatabaseParameters{CloudNativePG: &v1alpha1.CloudNativePGParameters{Image: "localhost/postgresql", Instances: ptr.To[int32](3)}},
		},
	})
	create(t, version(ns, "writer", func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source.Image.Reference = "localhost/postgresql:15"
		v.Spec.Processes = map[string]v1alpha1.ProcessCommand{"web": writing}
	}))
	of := func(c *v1alpha1.DatabaseClaim) { c.Spec.ClassRef.Name = "cnpg" }
	t.Run("Life", func(t *testing.T) { t.Parallel(); lifeOfCloudNativePG(t, ns, of) })
	t.Run("HighAvailability", func(t *testing.T) { t.Parallel(); failover(t, ns, of) })
}

func lifeOfCloudNativePG(t *testing.T, ns string, of func(*v1alpha1.DatabaseClaim)) {
	db := server{startClaim(t, ns, "shop", of), "shop-db"}
	app := start(t, writer("cnpg-app", ns, "shop")) // its first launch waits for the database
	db.ready(t)
	db.grows(t, "cnpg-app")
	if r := db.get(t).Status.Resource; r == nil || r.EngineVersion != "15" || r.ID != db.cluster(t, ".metadata.uid") {
		t.Errorf("the status says %+v", r)
	}

	t.Log("rotating under use")
	db.rotate(t, "one")
	app.waitReady(t, time.Minute)
	db.grows(t, "cnpg-app")

	t.Log("retaining and adopting")
	mustKubectl(t, "delete", "benv", "-n", ns, "cnpg-app", "--wait", "--timeout=2m")
	mustKubectl(t, "wait", "pods", "-n", ns, "-l", "beanpod.dev/environment=cnpg-app", "--for=delete", "--timeout=2m") // they write to the end
	rows, uid := db.count(t, "cnpg-app"), db.cluster(t, ".metadata.uid")
	db.delete(t)
	killCloudNativePG(t)
	db.gone(t)
	next := server{startClaim(t, ns, "next", of, func(c *v1alpha1.DatabaseClaim) {
		c.Spec.Adopt = &v1alpha1.DatabaseAdoption{ProviderResourceName: "shop-db"}
	}), "shop-db"}
	next.ready(t)
	if n := next.count(t, "cnpg-app"); n != rows || next.cluster(t, ".metadata.uid") != uid {
		t.Errorf("%d rows after the adoption, %d before; Cluster %s, was %s", n, rows, next.cluster(t, ".metadata.uid"), uid)
	}
	start(t, writer("cnpg-next", ns, "next"))
	next.grows(t, "cnpg-next")
	next.rotate(t, "two")
	next.grows(t, "cnpg-next")

	t.Log("deleting")
	mustKubectl(t, "delete", "benv", "-n", ns, "cnpg-next", "--wait", "--timeout=2m")
	next.end(t)
}

// end deletes the database, which a confirmation permits, and demands that nothing of it is left.
func (s server) end(t *testing.T) {
	t.Helper()
	s.patch(t, `{"spec":{"deletionPolicy":"Delete"}}`)
	s.delete(t)
	s.shows(t, v1alpha1.ConditionTerminating, metav1.ConditionTrue, v1alpha1.ReasonUnconfirmed)
	if s.sql(t, "SELECT 1") != "1" {
		t.Error("the database does not answer before its deletion is confirmed")
	}
	s.patch(t, `{"metadata":{"annotations":{"beanpod.dev/confirm-deletion":"`+string(s.get(t).UID)+`"}}}`)
	killCloudNativePG(t)
	s.gone(t)
	goneWith(t, s.namespace, s.resource)
	if left := mustKubectl(t, "get", "clusters.postgresql.cnpg.io,pods", "-n", s.namespace, "-o", "name", "-l", "cnpg.io/cluster="+s.resource); strings.TrimSpace(left) != "" {
		t.Errorf("there is %s", left)
	}
}

// failover kills the primary of three servers.
func failover(t *testing.T, ns string, of func(*v1alpha1.DatabaseClaim)) {
	db := server{startClaim(t, ns, "ha", of, func(c *v1alpha1.DatabaseClaim) { c.Spec.HighAvailability = ptr.To(true) }), "ha-db"}
	db.ready(t)
	eventually(t, 5*time.Minute, "three servers", func() error {
		if n := db.cluster(t, ".status.readyInstances"); n != "3" {
			return fmt.Errorf("%s are ready", n)
		}
		return nil
	})
	db.ready(t)
	db.sql(t, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
	primary := db.cluster(t, ".status.currentPrimary")
	mustKubectl(t, "delete", "pod", "-n", ns, primary, "--grace-period=0", "--force", "--wait=false")
	eventually(t, 4*time.Minute, "another primary", func() error {
		if now := db.cluster(t, ".status.currentPrimary"); now == primary {
			return fmt.Errorf("it is %s", now)
		}
		return nil
	})
	db.ready(t)
	if n := db.sql(t, "SELECT count(*) FROM kept"); n != "1000" {
		t.Errorf("%s rows after the primary was killed", n)
	}
	db.end(t)
}
