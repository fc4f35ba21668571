// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func keyOf(o client.Object) client.ObjectKey { return client.ObjectKeyFromObject(o) }

func mergePatch(text string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(text))
}

// dump is an object as a backup has it: without status and without what the API server gave it.
func dump[O client.Object](o O) O {
	o.SetUID("")
	o.SetResourceVersion("")
	o.SetCreationTimestamp(metav1.Time{})
	o.SetGeneration(0)
	o.SetManagedFields(nil)
	if c, ok := any(o).(*v1alpha1.DatabaseClaim); ok {
		c.Status = v1alpha1.DatabaseClaimStatus{}
	}
	return o
}

func (d *desk) restore(o client.Object) {
	d.Helper()
	d.check(d.bench.Client.Create(d.Context(), o))
}

func (d *desk) deleted(objects ...client.Object) {
	d.Helper()
	for _, o := range objects {
		d.check(d.bench.Client.Delete(d.Context(), o))
		d.gone(o)
	}
}

// nothing demands that no object of the names was made, also a while later.
func (d *desk) nothing(config, secret string) {
	d.Helper()
	d.wake()
	time.Sleep(500 * time.Millisecond)
	var cm corev1.ConfigMap
	if err := d.bench.Live.Get(d.Context(), client.ObjectKey{Namespace: d.namespace, Name: config}, &cm); !apierrors.IsNotFound(err) {
		d.Errorf("ConfigMap %s: %v, want none", config, err)
	}
	if d.secret(secret) != nil {
		d.Errorf("Secret %s was made", secret)
	}
}

// A claim comes back from a backup that has no status: to its data where they stayed, and to none where they did not.
func TestBroughtBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.claim("shop", unprotected)
	d.ready(claim)
	backup, data := dump(claim.DeepCopy()), d.toy("shop-db")
	keys, admin := d.secret("shop-binding"), d.secret("shop-db-admin")
	if backup.Annotations[v1alpha1.AnnotationDatabaseID] == "" || len(backup.Finalizers) == 0 {
		t.Fatalf("the backup has no identity, or no finalizer: %+v", backup.ObjectMeta)
	}

	t.Log("the data stayed, by policy Retain")
	d.deleted(claim)
	back := backup.DeepCopy()
	d.restore(back)
	d.sees(back, v1alpha1.ConditionReady, "True", v1alpha1.ReasonProvisioned)
	after := d.secret("shop-binding")
	if d.toy("shop-db").UID != data.UID || string(after.Data["password"]) != string(keys.Data["password"]) || after.UID != keys.UID {
		t.Error("it is another database, or another Secret")
	}
	if after.Annotations[v1alpha1.AnnotationRetained] != "" {
		t.Error("the Secret still says that nobody has the database")
	}

	t.Log("the whole namespace was lost: nothing is made in the place of the data")
	d.deleted(back)
	d.deleted(d.toy("shop-db"), d.secret("shop-binding"), d.secret("shop-db-admin"))
	back = backup.DeepCopy()
	d.restore(back)
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionProvisioned} {
		d.sees(back, kind, "False", v1alpha1.ReasonMissing, "ConfigMap shop-db")
	}
	d.sees(back, v1alpha1.ConditionReady, "False", v1alpha1.ReasonMissing,
		"Bring ConfigMap shop-db and Secret shop-binding back", "spec.restoreFrom", v1alpha1.AnnotationDatabaseID+" ("+string(claim.UID)+")")
	d.nothing("shop-db", "shop-binding")

	t.Log("the data come back before their Secret")
	d.restore(dump(data))
	d.wake()
	d.sees(back, v1alpha1.ConditionReady, "False", v1alpha1.ReasonNotPublished, "Secret shop-binding with the credentials is gone")
	d.restore(dump(keys))
	d.restore(dump(admin))
	d.sees(back, v1alpha1.ConditionReady, "True", v1alpha1.ReasonProvisioned)
	if s := d.secret("shop-binding"); s.UID != keys.UID || string(s.Data["password"]) != string(keys.Data["password"]) {
		t.Error("the Secret was made anew")
	}
}

// What was lost is given up on purpose only: by the end of the claim, or by taking the old identity away.
func TestLostDataAreGivenUpOnPurpose(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.claim("shop", func(c *v1alpha1.DatabaseClaim) {
		unprotected(c)
		c.Annotations = map[string]string{v1alpha1.AnnotationDatabaseID: "of-another-cluster"}
		c.Spec.RestoreFrom = &v1alpha1.DatabaseRestore{SnapshotName: "of-last-year"}
	})
	d.sees(claim, v1alpha1.ConditionReady, "False", v1alpha1.ReasonMissing)
	keys := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "shop-binding", Labels: map[string]string{
		v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelDatabase: "shop",
	}, Annotations: map[string]string{v1alpha1.AnnotationDatabaseID: "of-another-cluster"}}}
	d.restore(keys) // alone it brings no data back
	time.Sleep(300 * time.Millisecond)
	d.sees(claim, v1alpha1.ConditionReady, "False", v1alpha1.ReasonMissing)
	d.patch(claim, `{"spec":{"deletionPolicy":"Delete"}}`)
	d.check(d.bench.Client.Delete(t.Context(), claim))
	d.ends(claim)
	d.nothing("shop-db", "shop-binding")
	next := d.claim("shop", func(c *v1alpha1.DatabaseClaim) {
		c.Spec.RestoreFrom = &v1alpha1.DatabaseRestore{SnapshotName: "final"}
	})
	d.ready(next)

	t.Log("a copy of a claim that another namespace has")
	copied := d.claim("copy", func(c *v1alpha1.DatabaseClaim) {
		c.Annotations = map[string]string{v1alpha1.AnnotationDatabaseID: "of-another-namespace"}
	})
	d.sees(copied, v1alpha1.ConditionReady, "False", v1alpha1.ReasonMissing)
	d.patch(copied, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationDatabaseID+`":null}}}`)
	d.ready(copied)
	if id := d.toy("copy-db").Annotations[v1alpha1.AnnotationDatabaseID]; id != string(copied.UID) || strings.Contains(id, "another") {
		t.Errorf("the identity of the data is %s", id)
	}
}
