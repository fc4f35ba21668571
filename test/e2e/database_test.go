// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

// claimHandle is a database.
type claimHandle struct{ namespace, name string }

// dataNamespace makes a namespace, a class of its name, and the version of a writer.
func dataNamespace(t *testing.T, ns string) {
	t.Helper()
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	create(t, &v1alpha1.DatabaseClass{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		Spec: v1alpha1.DatabaseClassSpec{
			Provider: v1alpha1.DatabaseBuiltIn, Engines: []v1alpha1.DatabaseClassEngine{{Name: "postgres", Versions: []string{"15"}}},
		},
	})
	create(t, version(ns, "writer", func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source.Image.Reference = "localhost/postgres:15"
		v.Spec.Processes = map[string]v1alpha1.ProcessCommand{"web": writing}
	}))
}

func startClaim(t *testing.T, ns, name string, tweaks ...func(*v1alpha1.DatabaseClaim)) claimHandle {
	t.Helper()
	c := &v1alpha1.DatabaseClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec: v1alpha1.DatabaseClaimSpec{
			ClassRef: &v1alpha1.DatabaseClassReference{Name: ns}, Engine: v1alpha1.DatabaseEngine{Name: "postgres"}, Storage: "1Gi",
		},
	}
	for _, tweak := range tweaks {
		tweak(c)
	}
	get(t, func(ctx context.Context) error { return k8s.Create(ctx, c) })
	return claimHandle{ns, name}
}

func (h claimHandle) get(t *testing.T) *v1alpha1.DatabaseClaim {
	t.Helper()
	var c v1alpha1.DatabaseClaim
	getObject(t, h.namespace, h.name, &c)
	return &c
}

func (h claimHandle) shows(t *testing.T, kind string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	eventually(t, 4*time.Minute, fmt.Sprintf("%s of claim %s to be %s, %s", kind, h.name, status, reason), func() error {
		c := condition.Find(h.get(t).Status.Conditions, kind)
		if c == nil || c.Status != status || c.Reason != reason {
			return fmt.Errorf("it is %+v", c)
		}
		return nil
	})
}

func (h claimHandle) ready(t *testing.T) {
	t.Helper()
	h.shows(t, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonProvisioned)
}

func (h claimHandle) patch(t *testing.T, text string) {
	t.Helper()
	get(t, func(ctx context.Context) error {
		return k8s.Patch(ctx, h.get(t), client.RawPatch(types.MergePatchType, []byte(text)))
	})
}

// delete deletes the claim after its protection is lifted.
func (h claimHandle) delete(t *testing.T) {
	t.Helper()
	h.patch(t, `{"spec":{"deletionProtection":false}}`)
	get(t, func(ctx context.Context) error { return k8s.Delete(ctx, h.get(t)) })
}

func (h claimHandle) gone(t *testing.T) {
	t.Helper()
	eventually(t, 4*time.Minute, "claim "+h.name+" to be gone", func() error {
		var c v1alpha1.DatabaseClaim
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := k8s.Get(ctx, client.ObjectKey{Namespace: h.namespace, Name: h.name}, &c)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%w: %+v", err, c.Status.Conditions)
	})
}

// ask asks the database in its own pod, as the application's user.
func (h claimHandle) ask(sql string) (string, error) {
	out, err := kubectl("exec", "-n", h.namespace, h.name+"-db-0", "-c", "postgres", "--", "sh", "-c",
		`PGPASSWORD=$(cat /secrets/app/password) psql -h 127.0.0.1 -U "$(cat /secrets/app/username)" -d ebdb -Atc "$0"`, sql)
	return strings.TrimSpace(out), err
}

// rows are how often an environment wrote.
func (h claimHandle) rows(t *testing.T, environment string) int {
	t.Helper()
	out, err := h.ask("SELECT count(*) FROM ticks WHERE who = '" + environment + "'")
	n, parse := strconv.Atoi(out)
	if err != nil || parse != nil {
		t.Logf("counting rows: %v, %q", err, out)
		return -1
	}
	return n
}

// writes waits until an environment has written more rows than it had.
func (h claimHandle) writes(t *testing.T, environment string) {
	t.Helper()
	before := max(0, h.rows(t, environment))
	eventually(t, 2*time.Minute, "rows of "+environment, func() error {
		if n := h.rows(t, environment); n < before+3 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
}

// writer is an environment that writes a row twice a second, with what the claim gives it.
func writer(name string, ns string, claim string) *v1alpha1.Environment {
	return environment(name, in(ns), instances(1), func(e *v1alpha1.Environment) {
		e.Spec.Tier = v1alpha1.TierBackground
		e.Spec.VersionRef = &v1alpha1.LocalReference{Name: "writer"}
		e.Spec.Databases = []v1alpha1.DatabaseBinding{{ClaimRef: v1alpha1.LocalReference{Name: claim}}}
		e.Spec.Processes = []v1alpha1.Process{{Name: "web"}}
		e.Spec.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{Name: "WHO", Value: &name}}
	})
}

// writing is what a writer runs.
const writing = `export PGPASSWORD="$RDS_PASSWORD"; trap 'exit 0' TERM
db() { psql -q -h "$RDS_HOSTNAME" -p "$RDS_PORT" -U "$RDS_USERNAME" -d "$RDS_DB_NAME" -c "$1"; }
while ! db 'CREATE TABLE IF NOT EXISTS ticks (who text, at timestamptz DEFAULT now())'; do sleep 1; done
while true; do db "INSERT INTO ticks (who) VALUES ('$WHO')"; sleep 0.5; done`

func (h claimHandle) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	var s corev1.Secret
	getObject(t, h.namespace, h.get(t).Status.Binding.Name, &s)
	return &s
}

// TestADatabaseOutlivesItsEnvironments is Beanstalk's recipe of how to take a database away from its environment, with real rows: a
// coupled database, a snapshot, a second environment, the first one deleted. Then come restore, rotation, and the three policies.
func TestADatabaseOutlivesItsEnvironments(t *testing.T) {
	t.Parallel()
	const ns = "data"
	dataNamespace(t, ns)
	db := startClaim(t, ns, "shop", func(c *v1alpha1.DatabaseClaim) {
		c.Spec.CoupledTo = &v1alpha1.DatabaseCoupling{EnvironmentRef: v1alpha1.LocalReference{Name: "data-blue"}}
	})
	blue := start(t, writer("data-blue", ns, "shop")) // its first launch waits for the database
	db.ready(t)
	db.writes(t, "data-blue")
	if out, err := kubectl("delete", "bdb", "-n", ns, "shop"); err == nil || !strings.Contains(err.Error()+out, "deletionProtection") {
		t.Errorf("a protected claim: %v, %s", err, out)
	}

	db.patch(t, `{"metadata":{"annotations":{"beanpod.dev/snapshot-requested":"one"}}}`)
	eventually(t, 4*time.Minute, "the snapshot", func() error {
		if st := db.get(t).Status; st.LastSnapshot == nil {
			return fmt.Errorf("status %+v, %s", st.Operations, mustKubectl(t, "get", "events", "-n", ns))
		}
		return nil
	})
	snapshot, saved := db.get(t).Status.LastSnapshot.Name, db.rows(t, "data-blue")

	t.Log("decoupling")
	pods, secret := blue.podUIDs(t), db.secret(t)
	db.patch(t, `{"spec":{"coupledTo":null}}`)
	green := start(t, writer("data-green", ns, "shop"))
	db.writes(t, "data-green")
	if after := blue.podUIDs(t); fmt.Sprint(after) != fmt.Sprint(pods) || db.secret(t).ResourceVersion != secret.ResourceVersion {
		t.Errorf("decoupling restarted instances or changed the Secret: %v, %v", pods, after)
	}
	before := db.rows(t, "data-blue")
	mustKubectl(t, "delete", "benv", "-n", ns, "data-blue", "--wait", "--timeout=2m")
	db.writes(t, "data-green")
	if n := db.rows(t, "data-blue"); n < before {
		t.Errorf("%d rows of the deleted environment, %d before", n, before)
	}
	eventually(t, 2*time.Minute, "nothing else of the environment to be left", func() error {
		if left := mustKubectl(t, "get", "all,secrets,configmaps,pvc", "-n", ns, "-o", "name", "-l", "beanpod.dev/environment=data-blue"); strings.TrimSpace(left) != "" {
			return fmt.Errorf("there is %s", left)
		}
		return nil
	})

	t.Log("rotating")
	db.patch(t, `{"metadata":{"annotations":{"beanpod.dev/rotate-requested":"one"}}}`)
	eventually(t, 6*time.Minute, "the rotation", func() error {
		if op := db.get(t).Status.Operations; op == nil || op.Rotate != "one" {
			return fmt.Errorf("operations %+v, %s", op, mustKubectl(t, "get", "events,jobs,pods", "-n", ns))
		}
		return nil
	})
	if again := db.secret(t); string(again.Data["password"]) == string(secret.Data["password"]) || string(again.Data["username"]) == "ebroot" {
		t.Error("the Secret has the old login")
	}
	green.waitReady(t, time.Minute)
	db.writes(t, "data-green")
	if out, err := kubectl("exec", "-n", ns, "shop-db-0", "-c", "postgres", "--", "sh", "-c",
		"PGPASSWORD=$0 psql -h 127.0.0.1 -U ebroot -d ebdb -Atc 'SELECT 1'", string(secret.Data["password"])); err == nil {
		t.Errorf("the old login still works: %s", out)
	}

	t.Log("restoring")
	copied := startClaim(t, ns, "copy", func(c *v1alpha1.DatabaseClaim) {
		c.Spec.RestoreFrom = &v1alpha1.DatabaseRestore{SnapshotName: snapshot}
	})
	copied.ready(t)
	if n := copied.rows(t, "data-blue"); n < 1 || n > saved {
		t.Errorf("%d rows in the copy, %d when the snapshot was complete", n, saved)
	}
	kept := copied.rows(t, "data-blue")

	t.Log("retaining and adopting")
	var pod corev1.Pod
	getObject(t, ns, "copy-db-0", &pod)
	copied.delete(t)
	copied.gone(t)
	adopted := startClaim(t, ns, "adopted", func(c *v1alpha1.DatabaseClaim) {
		c.Spec.Adopt = &v1alpha1.DatabaseAdoption{ProviderResourceName: "copy-db"}
		c.Spec.DeletionPolicy = v1alpha1.DatabaseSnapshot
	})
	adopted.ready(t)
	var same corev1.Pod
	getObject(t, ns, "copy-db-0", &same)
	if n := copied.rows(t, "data-blue"); n != kept || same.UID != pod.UID {
		t.Errorf("%d rows after the adoption, %d before; pod %s, was %s", n, kept, same.UID, pod.UID)
	}

	t.Log("a final snapshot")
	adopted.delete(t)
	adopted.gone(t)
	goneWith(t, ns, "copy-db")

	t.Log("deleting")
	mustKubectl(t, "delete", "benv", "-n", ns, "data-green", "--wait", "--timeout=2m")
	db.patch(t, `{"spec":{"deletionPolicy":"Delete"}}`)
	db.delete(t)
	db.shows(t, v1alpha1.ConditionTerminating, metav1.ConditionTrue, v1alpha1.ReasonUnconfirmed)
	if n := db.rows(t, "data-green"); n < 1 {
		t.Errorf("%d rows before the deletion is confirmed", n)
	}
	db.patch(t, `{"metadata":{"annotations":{"beanpod.dev/confirm-deletion":"`+string(db.get(t).UID)+`"}}}`)
	db.gone(t)
	goneWith(t, ns, "shop-db")
}

// goneWith demands that nothing of a database is left.
func goneWith(t *testing.T, ns, resource string) {
	t.Helper()
	eventually(t, time.Minute, "nothing of the database "+resource+" to be left", func() error {
		for line := range strings.Lines(mustKubectl(t, "get", "statefulsets,services,pvc,secrets,configmaps,networkpolicies", "-n", ns, "-o", "name")) {
			if _, name, _ := strings.Cut(strings.TrimSpace(line), "/"); strings.HasPrefix(name, resource) || strings.Contains(name, "-"+resource) {
				return fmt.Errorf("there is %s", line)
			}
		}
		return nil
	})
}
