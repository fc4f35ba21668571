// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

func TestMissingDependencies(t *testing.T) {
	t.Parallel()
	if err := New(Dependencies{}).SetupWithManager(nil, controller.Options{}); err == nil || err.Error() != "databaseclaim: a dependency is missing" {
		t.Errorf("SetupWithManager = %v", err)
	}
}

// desk is a running controller with a class whose databases are ConfigMaps.
type desk struct {
	*testing.T
	bench     *testkit.Bench
	namespace string
	events    *events.FakeRecorder
	clock     clock
}

// clock can be set ahead while a controller reads it.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) Jump(d time.Duration) { c.ahead.Add(int64(d)) }

func newDesk(t *testing.T, delay time.Duration) *desk {
	t.Helper()
	d := &desk{T: t, events: events.NewFakeRecorder(1000)}
	d.bench = testkit.StartBench(t, func(mgr ctrl.Manager) error {
		return New(Dependencies{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: d.events, Now: d.clock.Now, ClusterScoped: true, DeletionDelay: delay,
			Operator:  database.Operator{BundleImage: "registry.example/beanpod:1"},
			Providers: map[v1alpha1.DatabaseProvider]database.Provider{v1alpha1.DatabaseBuiltIn: toy{}},
		}).SetupWithManager(mgr, controller.Options{MaxConcurrentReconciles: 4})
	})
	var err error
	d.namespace, err = d.bench.MakeNamespace(t.Context())
	d.check(err)
	d.check(d.bench.Client.Create(t.Context(), &v1alpha1.DatabaseClass{
		ObjectMeta: metav1.ObjectMeta{Name: "toys"},
		Spec: v1alpha1.DatabaseClassSpec{Provider: v1alpha1.DatabaseBuiltIn, Storage: &v1alpha1.DatabaseStorage{Max: "10Gi"},
			AllowedDeletionPolicies: []v1alpha1.DatabaseDeletionPolicy{"Retain", "Snapshot", "Delete"}},
	}))
	t.Cleanup(d.keepsSecrets)
	return d
}

// keepsSecrets demands that no password is in a claim or in an event.
func (d *desk) keepsSecrets() {
	live := d.bench.Live.(client.Reader)
	var secrets corev1.SecretList
	var claims v1alpha1.DatabaseClaimList
	ctx := context.Background()
	if err := errors.Join(live.List(ctx, &secrets, client.InNamespace(d.namespace)), live.List(ctx, &claims, client.InNamespace(d.namespace))); err != nil {
		return // the server is gone already
	}
	text, _ := json.Marshal(claims)
	told := string(text)
	for len(d.events.Events) > 0 {
		told += <-d.events.Events
	}
	for _, s := range secrets.Items {
		if word := string(s.Data["password"]); word != "" && strings.Contains(told, word) {
			d.Errorf("the password of Secret %s is told", s.Name)
		}
	}
}

func (d *desk) check(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) claim(name string, change func(*v1alpha1.DatabaseClaim)) *v1alpha1.DatabaseClaim {
	d.Helper()
	c := &v1alpha1.DatabaseClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: name},
		Spec:       v1alpha1.DatabaseClaimSpec{ClassRef: &v1alpha1.DatabaseClassReference{Name: "toys"}, Engine: v1alpha1.DatabaseEngine{Name: "postgres"}},
	}
	if change != nil {
		change(c)
	}
	d.check(d.bench.Client.Create(d.Context(), c))
	return c
}

// says lets the toy of a name say how it is.
func (d *desk) says(name, is string) {
	d.Helper()
	d.until("ConfigMap "+name, func() string {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: name}}
		if err := d.bench.Client.Patch(d.Context(), cm, client.RawPatch(types.MergePatchType, []byte(`{"data":{"is":"`+is+`"}}`))); err != nil {
			return err.Error()
		}
		return ""
	})
	d.wake()
}

// wake touches every claim: nobody tells the controller of ConfigMaps.
func (d *desk) wake() {
	d.Helper()
	var list v1alpha1.DatabaseClaimList
	d.check(d.bench.Live.(client.Reader).List(d.Context(), &list, client.InNamespace(d.namespace)))
	for i := range list.Items {
		d.patch(&list.Items[i], `{"metadata":{"annotations":{"wake":"`+fmt.Sprint(time.Now().UnixNano())+`"}}}`)
	}
}

func (d *desk) patch(obj client.Object, text string) {
	d.Helper()
	err := d.bench.Client.Patch(d.Context(), obj, client.RawPatch(types.MergePatchType, []byte(text)))
	if !apierrors.IsNotFound(err) {
		d.check(err)
	}
}

// until waits for silence.
func (d *desk) until(what string, ask func() string) {
	d.Helper()
	var last string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if last = ask(); last == "" {
			return
		}
	}
	d.Fatalf("%s: %s", what, last)
}

// sees waits until a condition of a claim has a status, a reason, and words in its message.
func (d *desk) sees(claim *v1alpha1.DatabaseClaim, kind, status, reason string, words ...string) {
	d.Helper()
	d.until(fmt.Sprintf("%s of %s is not %s, %s, %q", kind, claim.Name, status, reason, words), func() string {
		if err := d.bench.Live.Get(d.Context(), client.ObjectKeyFromObject(claim), claim); err != nil {
			return err.Error()
		}
		c := condition.Find(claim.Status.Conditions, kind)
		if c == nil {
			return fmt.Sprint(claim.Status.Conditions)
		}
		for _, w := range words {
			if !strings.Contains(c.Message, w) {
				return c.Message
			}
		}
		if string(c.Status) != status || c.Reason != reason {
			return fmt.Sprintf("%s, %s, %s", c.Status, c.Reason, c.Message)
		}
		return ""
	})
}

func (d *desk) ready(claim *v1alpha1.DatabaseClaim) {
	d.Helper()
	d.says(claim.Name+"-db", "ready")
	d.sees(claim, v1alpha1.ConditionReady, "True", v1alpha1.ReasonProvisioned)
}

func (d *desk) secret(name string) *corev1.Secret {
	d.Helper()
	var s corev1.Secret
	if err := d.bench.Live.Get(d.Context(), client.ObjectKey{Namespace: d.namespace, Name: name}, &s); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		d.Fatal(err)
	}
	return &s
}

func (d *desk) gone(obj client.Object) {
	d.Helper()
	d.until(obj.GetName()+" stays", func() string {
		err := d.bench.Live.Get(d.Context(), client.ObjectKeyFromObject(obj), obj)
		if apierrors.IsNotFound(err) {
			return ""
		}
		text, _ := json.Marshal(obj)
		return fmt.Sprint(err, string(text))
	})
}

// ends waits until the toy and then the claim are gone. There is no garbage collector, so the test is it.
func (d *desk) ends(claim *v1alpha1.DatabaseClaim) {
	d.Helper()
	d.until("the claim stays", func() string {
		var cm corev1.ConfigMap
		err := d.bench.Live.Get(d.Context(), client.ObjectKey{Namespace: d.namespace, Name: claim.Name + "-db"}, &cm)
		switch {
		case err == nil && cm.DeletionTimestamp != nil:
			d.patch(&cm, `{"metadata":{"finalizers":null}}`)
		case apierrors.IsNotFound(err):
			d.clock.Jump(10 * time.Second)
			time.Sleep(100 * time.Millisecond)
			d.wake()
		}
		err = d.bench.Live.Get(d.Context(), client.ObjectKeyFromObject(claim), claim)
		if apierrors.IsNotFound(err) {
			return ""
		}
		return fmt.Sprint(err, claim.Status.Deletion, claim.Status.Conditions)
	})
}

func (d *desk) toy(name string) *corev1.ConfigMap {
	d.Helper()
	var cm corev1.ConfigMap
	d.check(d.bench.Live.Get(d.Context(), client.ObjectKey{Namespace: d.namespace, Name: name}, &cm))
	return &cm
}

func unprotected(c *v1alpha1.DatabaseClaim) {
	no := false
	c.Spec.DeletionProtection = &no
}

func TestProvide(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.claim("shop", nil)
	d.sees(claim, v1alpha1.ConditionReady, "Unknown", v1alpha1.ReasonProvisioning)
	d.ready(claim)
	d.sees(claim, v1alpha1.ConditionProtected, "True", v1alpha1.ReasonDeletionProtected)
	d.sees(claim, v1alpha1.ConditionCredentialsPublished, "True", v1alpha1.ReasonPublished)
	d.patch(d.toy("shop-db"), `{"data":{"message":"it takes connections, and its disk does not grow"}}`)
	d.wake()
	d.sees(claim, v1alpha1.ConditionProvisioned, "True", v1alpha1.ReasonProvisioned, "its disk does not grow")
	secret := d.secret("shop-binding")
	if secret == nil || string(secret.Type) != "servicebinding.io/postgresql" || len(secret.OwnerReferences) > 0 {
		t.Fatalf("Secret %+v", secret)
	}
	for key, want := range map[string]string{
		"type": "postgresql", "provider": "builtin", "host": "shop-db.example", "port": "5432", "database": "ebdb", "username": "ebroot",
		"uri": "postgresql://ebroot:" + string(secret.Data["password"]) + "@shop-db.example:5432/ebdb",
	} {
		if got := string(secret.Data[key]); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if len(secret.Data["password"]) < 26 || d.secret("shop-db-admin") == nil {
		t.Error("passwords are missing or short")
	}
	if o := d.toy("shop-db").OwnerReferences; len(o) > 0 {
		t.Errorf("owned by %v", o)
	}

	t.Log("nothing is written while nothing changes")
	d.bench.Writes.Take()
	d.wake()
	time.Sleep(300 * time.Millisecond)
	if got := strings.Join(d.bench.Writes.Take(), "\n"); strings.Count(got, "PATCH") > 1 {
		t.Errorf("wrote\n%s", got)
	}

	t.Log("storage grows, and what the class does not offer is refused while what runs keeps running")
	d.patch(claim, `{"spec":{"storage":"7Gi"}}`)
	d.until("storage", func() string {
		if got := d.toy("shop-db").Data["storage"]; got != "7Gi" {
			return got
		}
		return ""
	})
	d.patch(claim, `{"spec":{"storage":"11Gi","highAvailability":true}}`)
	d.sees(claim, v1alpha1.ConditionReady, "False", v1alpha1.ReasonClassRefuses, `11Gi is more than the 10Gi that DatabaseClass "toys" allows`, "spec.highAvailability: toys have none")
	d.sees(claim, v1alpha1.ConditionProvisioned, "True", v1alpha1.ReasonProvisioned)
	if got := d.toy("shop-db").Data["storage"]; got != "7Gi" {
		t.Errorf("storage %s", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	lost := d.claim("lost", func(c *v1alpha1.DatabaseClaim) { c.Spec.ClassRef.Name = "nowhere" })
	d.sees(lost, v1alpha1.ConditionReady, "False", v1alpha1.ReasonClassNotFound, `DatabaseClass "nowhere", which does not exist`)

	t.Log("names that others have are left alone")
	other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "taken-db"}, Data: map[string]string{"mine": "yes"}}
	d.check(d.bench.Client.Create(t.Context(), other))
	taken := d.claim("taken", nil)
	d.sees(taken, v1alpha1.ConditionReady, "False", v1alpha1.ReasonDatabaseTaken, "ConfigMap taken-db exists and belongs to other data")
	if got := d.toy("taken-db"); got.Data["mine"] != "yes" || len(got.Data) != 1 {
		t.Errorf("ConfigMap %v", got.Data)
	}
	d.check(d.bench.Client.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "keys-binding"}}))
	keys := d.claim("keys", nil)
	d.sees(keys, v1alpha1.ConditionReady, "False", v1alpha1.ReasonDatabaseTaken, "Secret keys-binding exists")

	t.Log("a Secret that is gone is not made again, because it would open nothing")
	shop := d.claim("shop", nil)
	d.ready(shop)
	d.check(d.bench.Client.Delete(t.Context(), d.secret("shop-binding")))
	d.sees(shop, v1alpha1.ConditionReady, "False", v1alpha1.ReasonNotPublished, "Secret shop-binding with the credentials is gone")

	t.Log("a database that is gone is not made again")
	gone := d.claim("gone", nil)
	d.ready(gone)
	d.check(d.bench.Client.Delete(t.Context(), d.toy("gone-db")))
	d.wake()
	d.sees(gone, v1alpha1.ConditionReady, "False", v1alpha1.ReasonMissing, "is not there any more, and nothing is made in its place")
	d.sees(gone, v1alpha1.ConditionProvisioned, "False", v1alpha1.ReasonMissing)
}

func TestExternal(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.claim("legacy", func(c *v1alpha1.DatabaseClaim) {
		unprotected(c)
		c.Spec.ClassRef, c.Spec.Engine.Name = nil, "mysql"
		c.Spec.External = &v1alpha1.ExternalDatabase{Host: "db.internal", Port: 3306, CredentialsRef: v1alpha1.LocalReference{Name: "keys"}}
	})
	d.sees(claim, v1alpha1.ConditionReady, "False", v1alpha1.ReasonNotPublished, `Secret "keys", which does not exist`)
	keys := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "keys"}, StringData: map[string]string{"username": "u", "password": "p/1"}}
	d.check(d.bench.Client.Create(t.Context(), keys))
	d.sees(claim, v1alpha1.ConditionReady, "True", v1alpha1.ReasonExternal)
	if got := string(d.secret("legacy-binding").Data["uri"]); got != "mysql://u:p%2F1@db.internal:3306/ebdb" {
		t.Errorf("uri %s", got)
	}
	d.patch(keys, `{"stringData":{"password":"p2"}}`)
	d.until("the password follows", func() string {
		if got := string(d.secret("legacy-binding").Data["password"]); got != "p2" {
			return got
		}
		return ""
	})
	d.check(d.bench.Client.Delete(t.Context(), claim))
	d.gone(claim)
	if d.secret("keys") == nil || d.secret("legacy-binding") != nil {
		t.Error("their Secret is gone, or ours stayed")
	}
}

func TestRetainAndAdopt(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.claim("shop", unprotected)
	d.ready(claim)
	before, secret := d.toy("shop-db"), d.secret("shop-binding")
	d.check(d.bench.Client.Delete(t.Context(), claim))
	d.gone(claim)
	record, ok := database.ParseRetained(d.secret("shop-binding").Annotations[v1alpha1.AnnotationRetained])
	if !ok || record.Resource != "shop-db" || record.Claim != "shop" || record.Provider != "BuiltIn" {
		t.Fatalf("record %+v", record)
	}

	t.Log("a new claim of the same name does not get it")
	again := d.claim("shop", unprotected)
	d.sees(again, v1alpha1.ConditionReady, "False", v1alpha1.ReasonDatabaseTaken, "spec.adopt.providerResourceName: shop-db")
	d.check(d.bench.Client.Delete(t.Context(), again))
	d.gone(again)
	if d.secret("shop-binding").Annotations[v1alpha1.AnnotationRetained] == "" {
		t.Error("the record is gone with a claim that never had the database")
	}

	t.Log("adopting takes it over")
	wrong := d.claim("wrong", func(c *v1alpha1.DatabaseClaim) {
		c.Spec.Adopt, c.Spec.Username = &v1alpha1.DatabaseAdoption{ProviderResourceName: "shop-db"}, "admin"
	})
	d.sees(wrong, v1alpha1.ConditionReady, "False", v1alpha1.ReasonNothingToAdopt, `spec.username is "admin", and the database "shop-db" has "ebroot"`)
	next := d.claim("next", func(c *v1alpha1.DatabaseClaim) {
		unprotected(c)
		c.Spec.Adopt = &v1alpha1.DatabaseAdoption{ProviderResourceName: "shop-db"}
	})
	d.sees(next, v1alpha1.ConditionReady, "True", v1alpha1.ReasonProvisioned)
	if next.Status.Binding.Name != "shop-binding" || string(d.secret("shop-binding").Data["password"]) != string(secret.Data["password"]) {
		t.Errorf("binding %v", next.Status.Binding)
	}
	if after := d.toy("shop-db"); after.UID != before.UID || after.Labels[v1alpha1.LabelDatabase] != "next" {
		t.Errorf("toy %v", after.ObjectMeta)
	}
	second := d.claim("second", func(c *v1alpha1.DatabaseClaim) {
		c.Spec.Adopt = &v1alpha1.DatabaseAdoption{ProviderResourceName: "shop-db"}
	})
	d.sees(second, v1alpha1.ConditionReady, "False", v1alpha1.ReasonNothingToAdopt)

	t.Log("a copy of the claim, identity included, gets nothing and ends nothing")
	time.Sleep(time.Second) // times of creation have seconds
	copied := d.claim("copy", func(c *v1alpha1.DatabaseClaim) {
		unprotected(c)
		c.Annotations, c.Spec.Adopt, c.Spec.DeletionPolicy = map[string]string{v1alpha1.AnnotationDatabaseID: record.ID}, next.Spec.Adopt, v1alpha1.DatabaseDelete
	})
	d.sees(copied, v1alpha1.ConditionReady, "False", v1alpha1.ReasonDatabaseTaken, `DatabaseClaim "next", which is older`)
	d.patch(copied, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationConfirmDeletion+`":"`+string(copied.UID)+`"}}}`)
	d.check(d.bench.Client.Delete(t.Context(), copied))
	d.gone(copied)
	if after := d.toy("shop-db"); after.UID != before.UID || after.DeletionTimestamp != nil || d.secret("shop-binding").Annotations[v1alpha1.AnnotationRetained] != "" {
		t.Error("the end of a copy touched the database of the claim")
	}

	t.Log("status is lost, as after a restore")
	d.check(d.bench.Client.Status().Patch(t.Context(), next, client.RawPatch(types.MergePatchType, []byte(`{"status":{"binding":null,"resource":null,"conditions":null}}`))))
	d.wake()
	d.sees(next, v1alpha1.ConditionReady, "True", v1alpha1.ReasonProvisioned)
}

func TestProtectedAndDeleted(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.claim("shop", func(c *v1alpha1.DatabaseClaim) { c.Spec.DeletionPolicy = v1alpha1.DatabaseDelete })
	d.ready(claim)
	d.check(d.bench.Client.Delete(t.Context(), claim))
	d.sees(claim, v1alpha1.ConditionTerminating, "True", v1alpha1.ReasonDeletionProtected)
	d.toy("shop-db")
	d.patch(claim, `{"spec":{"deletionProtection":false}}`)
	d.sees(claim, v1alpha1.ConditionTerminating, "True", v1alpha1.ReasonUnconfirmed, string(claim.UID))

	t.Log("an Environment that binds it keeps it")
	env := testkit.MakeEnvironment(d.namespace, "web", "v1", func(e *v1alpha1.Environment) {
		e.Spec.Databases = []v1alpha1.DatabaseBinding{{ClaimRef: v1alpha1.LocalReference{Name: "shop"}}}
	})
	d.check(d.bench.Client.Create(t.Context(), env))
	d.sees(claim, v1alpha1.ConditionTerminating, "True", v1alpha1.ReasonInUse, "web")
	d.check(d.bench.Client.Delete(t.Context(), env))
	d.sees(claim, v1alpha1.ConditionTerminating, "True", v1alpha1.ReasonUnconfirmed)
	d.patch(claim, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationConfirmDeletion+`":"`+string(claim.UID)+`"}}}`)
	d.ends(claim)
	if d.secret("shop-binding") != nil || d.secret("shop-db-admin") != nil {
		t.Error("a Secret that opens nothing stayed")
	}
}

// TestVolumesOfOthers: what the provider made for its database goes by that one's deletion; what lost its owner is deleted all the same.
func TestVolumesOfOthers(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.claim("shop", func(c *v1alpha1.DatabaseClaim) { unprotected(c); c.Spec.DeletionPolicy = v1alpha1.DatabaseDelete })
	d.ready(claim)
	owner := d.toy("shop-db")
	volume := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: d.namespace, Name: "shop-db-volume", Annotations: map[string]string{v1alpha1.AnnotationDatabaseID: string(claim.UID)},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}},
	}}
	d.check(d.bench.Client.Create(t.Context(), volume))
	d.check(d.bench.Client.Delete(t.Context(), claim))
	d.sees(claim, v1alpha1.ConditionTerminating, "True", v1alpha1.ReasonUnconfirmed, string(claim.UID))
	d.patch(claim, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationConfirmDeletion+`":"`+string(claim.UID)+`"}}}`)
	d.until("the toy stays", func() string {
		d.clock.Jump(10 * time.Second)
		d.wake()
		if d.toy("shop-db").DeletionTimestamp == nil {
			return "it is not being deleted"
		}
		return ""
	})
	for range 5 {
		d.wake()
		time.Sleep(100 * time.Millisecond)
	}
	if d.toy("shop-db-volume").DeletionTimestamp != nil {
		t.Error("a volume that goes with its owner was deleted besides")
	}
	d.patch(d.toy("shop-db"), `{"metadata":{"finalizers":null}}`)
	d.until("the volume without an owner stays", func() string {
		d.clock.Jump(time.Minute)
		d.wake()
		if d.toy("shop-db-volume").DeletionTimestamp == nil {
			return "it is not being deleted"
		}
		return ""
	})
	d.patch(d.toy("shop-db-volume"), `{"metadata":{"finalizers":null}}`)
	d.ends(claim)
}

func TestSnapshotPolicy(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.claim("shop", func(c *v1alpha1.DatabaseClaim) {
		unprotected(c)
		c.Spec.DeletionPolicy = v1alpha1.DatabaseSnapshot
	})
	d.ready(claim)
	d.patch(claim, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationSnapshotRequested+`":"monday"}}}`)
	var name string
	d.until("a snapshot", func() string {
		var list corev1.ConfigMapList
		d.check(d.bench.Live.(client.Reader).List(t.Context(), &list, client.InNamespace(d.namespace), client.HasLabels{v1alpha1.LabelDatabase}))
		for _, cm := range list.Items {
			if cm.Name != "shop-db" {
				name = cm.Name
				return ""
			}
		}
		return "there is none"
	})
	d.says(name, "usable")
	d.until("the snapshot is not in status", func() string {
		d.check(d.bench.Live.Get(t.Context(), client.ObjectKeyFromObject(claim), claim))
		if s := claim.Status.LastSnapshot; s == nil || s.Name != name || claim.Status.Operations.Snapshot != "monday" {
			return fmt.Sprint(s)
		}
		return ""
	})

	d.check(d.bench.Client.Delete(t.Context(), claim))
	d.until("no final snapshot", func() string {
		d.check(d.bench.Live.Get(t.Context(), client.ObjectKeyFromObject(claim), claim))
		if del := claim.Status.Deletion; del == nil || del.Phase != v1alpha1.DeletionSnapshotting || del.Snapshot == "" {
			return fmt.Sprint(claim.Status.Deletion)
		}
		return ""
	})
	final := claim.Status.Deletion.Snapshot
	d.says(final, "failed")
	d.sees(claim, v1alpha1.ConditionTerminating, "True", v1alpha1.ReasonSnapshotFailed)
	d.toy("shop-db")
	d.says(final, "usable")
	d.ends(claim)
	d.toy(final) // it outlives the claim
	d.toy(name)
}

func TestCoupled(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	couple := func(c *v1alpha1.DatabaseClaim) {
		c.Spec.CoupledTo = &v1alpha1.DatabaseCoupling{EnvironmentRef: v1alpha1.LocalReference{Name: "dev"}}
	}
	free := d.claim("free", func(c *v1alpha1.DatabaseClaim) { unprotected(c); couple(c) })
	kept := d.claim("kept", couple)
	apart := d.claim("apart", func(c *v1alpha1.DatabaseClaim) { unprotected(c); couple(c) })
	for _, c := range []*v1alpha1.DatabaseClaim{free, kept, apart} {
		d.ready(c)
	}
	env := testkit.MakeEnvironment(d.namespace, "dev", "v1", func(*v1alpha1.Environment) {})
	d.check(d.bench.Client.Create(t.Context(), env))
	for _, c := range []*v1alpha1.DatabaseClaim{free, kept, apart} {
		d.until("not coupled", func() string {
			d.check(d.bench.Live.Get(t.Context(), client.ObjectKeyFromObject(c), c))
			if c.Status.CoupledUID != string(env.UID) {
				return c.Status.CoupledUID
			}
			return ""
		})
	}
	d.patch(apart, `{"spec":{"coupledTo":null}}`)
	d.until("still coupled", func() string {
		d.check(d.bench.Live.Get(t.Context(), client.ObjectKeyFromObject(apart), apart))
		return apart.Status.CoupledUID
	})
	d.check(d.bench.Client.Delete(t.Context(), env))
	d.gone(free)
	d.toy("free-db") // Retain
	d.sees(kept, v1alpha1.ConditionProtected, "True", v1alpha1.ReasonEnvironmentEnded, "dev")
	d.check(d.bench.Live.Get(context.Background(), client.ObjectKeyFromObject(apart), apart))
	if apart.DeletionTimestamp != nil || kept.DeletionTimestamp != nil {
		t.Error("a claim that is decoupled or protected is being deleted")
	}
}
