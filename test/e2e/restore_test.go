// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

// backup is a namespace as backups have it: no status, and nothing that the API server gave. Owners are those of before.
type backup []unstructured.Unstructured

// backUp leaves out what others make anew by themselves.
func backUp(t *testing.T, ns string) backup {
	t.Helper()
	const kinds = "bapp,bver,benv,bdb,secrets,configmaps,services,persistentvolumeclaims,statefulsets,deployments,ingresses,networkpolicies," +
		"serviceaccounts,controllerrevisions"
	var list unstructured.UnstructuredList
	if err := json.Unmarshal([]byte(mustKubectl(t, "get", kinds, "-n", ns, "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	var out backup
	for _, o := range list.Items {
		name, database := o.GetName(), o.GetLabels()[v1alpha1.LabelDatabase] != ""
		if name == "kube-root-ca.crt" || name == "default" || database && o.GetKind() == "ControllerRevision" {
			continue
		}
		delete(o.Object, "status")
		for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"} {
			unstructured.RemoveNestedField(o.Object, "metadata", field)
		}
		for _, annotation := range []string{"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"} { // as Velero does
			unstructured.RemoveNestedField(o.Object, "metadata", "annotations", annotation)
		}
		if o.GetKind() == "Service" {
			unstructured.RemoveNestedField(o.Object, "spec", "clusterIP")
			unstructured.RemoveNestedField(o.Object, "spec", "clusterIPs")
		}
		out = append(out, o)
	}
	return out
}

// only are the objects that a function picks.
func (b backup) only(pick func(unstructured.Unstructured) bool) backup {
	return slices.DeleteFunc(slices.Clone(b), func(o unstructured.Unstructured) bool { return !pick(o) })
}

func (b backup) kinds(kinds ...string) backup {
	return b.only(func(o unstructured.Unstructured) bool { return slices.Contains(kinds, o.GetKind()) })
}

// of are the objects of a database.
func (b backup) of(claim string) backup {
	return b.only(func(o unstructured.Unstructured) bool { return o.GetLabels()[v1alpha1.LabelDatabase] == claim })
}

func (b backup) restore(t *testing.T) {
	t.Helper()
	if len(b) == 0 {
		t.Fatal("nothing to restore")
	}
	list := unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}, Items: b}
	text, err := json.Marshal(list.UnstructuredContent())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	mustKubectl(t, "create", "-f", file)
}

// snapshot takes one and gives its name.
func (h claimHandle) snapshot(t *testing.T) string {
	t.Helper()
	h.patch(t, `{"metadata":{"annotations":{"beanpod.dev/snapshot-requested":"once"}}}`)
	eventually(t, 4*time.Minute, "a snapshot of "+h.name, func() error {
		if st := h.get(t).Status; st.LastSnapshot == nil {
			return fmt.Errorf("status %+v", st.Operations)
		}
		return nil
	})
	return h.get(t).Status.LastSnapshot.Name
}

// says waits for words of a condition.
func (h claimHandle) says(t *testing.T, kind string, words ...string) {
	t.Helper()
	eventually(t, 2*time.Minute, fmt.Sprintf("%s of claim %s to say %q", kind, h.name, words), func() error {
		c := condition.Find(h.get(t).Status.Conditions, kind)
		if c == nil {
			return fmt.Errorf("there is none")
		}
		for _, w := range words {
			if !strings.Contains(c.Message, w) {
				return fmt.Errorf("it says %s, %s", c.Reason, c.Message)
			}
		}
		return nil
	})
}

func (h claimHandle) server(t *testing.T) *corev1.Pod {
	t.Helper()
	var p corev1.Pod
	getObject(t, h.namespace, h.name+"-db-0", &p)
	return &p
}

// TestABackupWithoutStatusFindsItsData restores claims and environments, as kubectl or Velero have them, in a namespace whose databases
// stayed; and then the whole namespace, which was deleted: one database comes back with its volume, the other only from a snapshot.
// Nowhere an empty database is made where there were data.
func TestABackupWithoutStatusFindsItsData(t *testing.T) {
	t.Parallel()
	const ns, blue = "restored", "restored-blue"
	dataNamespace(t, ns)
	siteVersion(t, ns)
	t.Cleanup(func() { deleteNamespace(t, ns) })
	kept, lost := startClaim(t, ns, "kept"), startClaim(t, ns, "lost")
	start(t, site(blue, ns, "kept"))
	kept.writes(t, blue)
	lost.ready(t)
	if _, err := lost.ask("CREATE TABLE ticks (who text); INSERT INTO ticks SELECT 'me' FROM generate_series(1, 7)"); err != nil {
		t.Fatal(err)
	}
	snapshot := lost.snapshot(t)

	t.Log("the database stayed, by its policy")
	saved, rows, keys, server := backUp(t, ns), kept.rows(t, blue), kept.secret(t), kept.server(t)
	mustKubectl(t, "delete", "benv", "-n", ns, blue, "--wait", "--timeout=2m")
	kept.delete(t)
	kept.gone(t)
	saved.only(func(o unstructured.Unstructured) bool {
		return o.GetLabels()[v1alpha1.LabelEnvironment] == blue || o.GetName() == blue || o.GetKind() == "DatabaseClaim" && o.GetName() == "kept"
	}).restore(t)
	h := environmentHandle{ns, blue}
	kept.ready(t)
	h.waitReady(t, 2*time.Minute)
	kept.writes(t, blue)
	kept.unharmed(t, blue, rows, keys)
	if now := kept.server(t); now.UID != server.UID || now.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the server is pod %s, was %s", now.UID, server.UID)
	}

	t.Log("the whole namespace is deleted")
	volume := mustKubectl(t, "get", "pvc", "-n", ns, "data-kept-db-0", "-o", "jsonpath={.spec.volumeName}")
	saved = backUp(t, ns)
	for _, c := range []claimHandle{kept, lost} {
		c.patch(t, `{"spec":{"deletionProtection":false}}`)
	}
	deleteNamespace(t, ns)
	rest := saved.only(func(o unstructured.Unstructured) bool { return o.GetLabels()[v1alpha1.LabelDatabase] == "" })
	mustKubectl(t, "create", "namespace", ns)
	rest.restore(t)
	saved.of("kept").kinds("Secret").restore(t)
	kept.shows(t, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMissing)
	kept.says(t, v1alpha1.ConditionReady, "Bring PersistentVolumeClaim data-kept-db-0 and Secret kept-binding back", "spec.restoreFrom")
	lost.shows(t, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMissing)
	h.waitCondition(t, time.Minute, v1alpha1.ConditionInputsResolved, metav1.ConditionFalse, v1alpha1.ReasonDatabaseNotReady)
	if out := mustKubectl(t, "get", "statefulsets,pvc", "-n", ns, "-o", "name"); strings.TrimSpace(out) != "" {
		t.Errorf("in the place of the lost data was made %s", out)
	}

	t.Log("one database comes back with its volume, the other with an empty one")
	mustKubectl(t, "patch", "pv", strings.TrimSpace(volume), "--type=json", "-p", `[{"op":"remove","path":"/spec/claimRef/uid"},{"op":"remove","path":"/spec/claimRef/resourceVersion"}]`)
	saved.of("kept").kinds("PersistentVolumeClaim").restore(t)
	empty := saved.of("lost")
	for _, o := range empty.kinds("PersistentVolumeClaim") {
		unstructured.RemoveNestedField(o.Object, "spec", "volumeName")
	}
	empty.restore(t)
	kept.ready(t)
	h.waitReady(t, 2*time.Minute)
	kept.unharmed(t, blue, rows, nil)
	kept.writes(t, blue)
	if now := kept.secret(t); string(now.Data["password"]) != string(keys.Data["password"]) {
		t.Error("the password changed")
	}
	lost.says(t, v1alpha1.ConditionProvisioned, "no empty one is made in its place")

	t.Log("what is lost is given up on purpose, and comes back from the snapshot")
	lost.patch(t, `{"spec":{"deletionPolicy":"Delete","deletionProtection":false},"metadata":{"annotations":{"beanpod.dev/confirm-deletion":"`+string(lost.get(t).UID)+`"}}}`)
	lost.delete(t)
	lost.gone(t)
	lost = startClaim(t, ns, "lost", func(c *v1alpha1.DatabaseClaim) {
		c.Spec.RestoreFrom = &v1alpha1.DatabaseRestore{SnapshotName: snapshot}
	})
	lost.ready(t)
	if n := lost.rows(t, "me"); n != 7 {
		t.Errorf("%d rows from the snapshot, want 7", n)
	}
}

// unharmed demands that a database has its rows, and the Secret what it had.
func (h claimHandle) unharmed(t *testing.T, environment string, rows int, keys *corev1.Secret) {
	t.Helper()
	if n := h.rows(t, environment); n < rows {
		t.Errorf("%d rows in database %s, %d before", n, h.name, rows)
	}
	if keys == nil {
		return
	}
	if now := h.secret(t); now.UID != keys.UID || fmt.Sprint(now.Data) != fmt.Sprint(keys.Data) || now.Annotations[v1alpha1.AnnotationRetained] != "" {
		t.Errorf("the Secret of %s is %v, was %v", h.name, now.ObjectMeta, keys.ObjectMeta)
	}
}

// deleteNamespace lifts every protection first.
func deleteNamespace(t *testing.T, ns string) {
	t.Helper()
	for name := range strings.FieldsSeq(mustKubectl(t, "get", "bdb", "-n", ns, "-o", "name")) {
		mustKubectl(t, "patch", "-n", ns, name, "--type=merge", "-p", `{"spec":{"deletionProtection":false,"deletionPolicy":"Retain"}}`)
	}
	mustKubectl(t, "delete", "namespace", ns, "--ignore-not-found", "--timeout=2m")
}
