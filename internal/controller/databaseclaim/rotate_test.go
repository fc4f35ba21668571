// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// told waits for an event.
func (d *desk) told(words ...string) {
	d.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case e := <-d.events.Events:
			ok := true
			for _, w := range words {
				ok = ok && strings.Contains(e, w)
			}
			if ok {
				return
			}
		case <-deadline:
			d.Fatalf("nobody was told of %q", words)
		}
	}
}

func rotation(token string) string {
	return `{"metadata":{"annotations":{"` + v1alpha1.AnnotationRotateRequested + `":"` + token + `"}}}`
}

// rotated waits until the claim says that a rotation is over.
func (d *desk) rotated(claim *v1alpha1.DatabaseClaim, token string) {
	d.Helper()
	d.until("rotation "+token, func() string {
		d.wake()
		var live v1alpha1.DatabaseClaim
		d.check(d.bench.Live.Get(d.Context(), client.ObjectKeyFromObject(claim), &live))
		if got := operations(&live).Rotate; got != token {
			return fmt.Sprintf("status.operations.rotate is %q", got)
		}
		return ""
	})
}

// TestRotation plays a rotation: the new login is published once it is made, the old one ends after the overlap and when every Environment has
// the new one, and what was needed on the way is gone. One that fails leaves the login as it was.
func TestRotation(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Minute)
	claim := d.claim("shop", nil)
	d.says("shop-db", "ready")
	d.ready(claim)
	before := d.secret("shop-binding")
	env := testkit.MakeEnvironment(d.namespace, "web", "v1", func(e *v1alpha1.Environment) {
		e.Spec.Databases = []v1alpha1.DatabaseBinding{{ClaimRef: v1alpha1.LocalReference{Name: "shop"}}}
	})
	d.check(d.bench.Client.Create(t.Context(), env))
	d.patch(claim, rotation("bad"))
	d.says("shop-db-add-bad", "failed")
	d.told("RotationFailed", "The toy failed.")
	d.rotated(claim, "bad")
	if got := d.secret("shop-binding"); string(got.Data["username"]) != "ebroot" || string(got.Data["password"]) != string(before.Data["password"]) {
		t.Errorf("after a rotation that failed the login is %s", got.Data["username"])
	}

	d.patch(claim, rotation("one"))
	d.says("shop-db-add-one", "done")
	d.told("Rotating", "ebroot_one")
	after := d.secret("shop-binding")
	if string(after.Data["username"]) != "ebroot_one" || string(after.Data["password"]) == string(before.Data["password"]) || !strings.Contains(string(after.Data["uri"]), "ebroot_one:") {
		t.Errorf("the login is %s", after.Data["username"])
	}
	d.clock.Jump(overlap + time.Second)
	for range 5 { // passes go on
		d.wake()
		time.Sleep(200 * time.Millisecond)
	}
	end := &corev1.ConfigMap{}
	if err := d.bench.Live.Get(t.Context(), client.ObjectKey{Namespace: d.namespace, Name: "shop-db-end-one"}, end); err == nil {
		t.Error("the old login ends although an Environment still needs it")
	}
	d.check(d.bench.Live.Get(t.Context(), client.ObjectKeyFromObject(env), env))
	was := env.DeepCopy()
	env.Status.Databases = []v1alpha1.BoundDatabase{{Claim: "shop", SecretRef: &v1alpha1.LocalReference{Name: "shop-binding"}, SecretResourceVersion: after.ResourceVersion}}
	d.check(d.bench.Client.Status().Patch(t.Context(), env, client.MergeFrom(was)))
	d.says("shop-db-end-one", "done")
	d.told("Rotated", "Only the login ebroot_one")
	d.rotated(claim, "one")
	d.gone(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "shop-db-r-one"}})

	other := d.claim("other", func(c *v1alpha1.DatabaseClaim) { c.Spec.Engine.Name = "mysql" })
	d.says("other-db", "ready")
	d.ready(other)
	d.patch(other, rotation("two"))
	d.told("RotationUnsupported", "The engine mysql of toys has no rotation.")
	d.rotated(other, "two")
}

// A rotation that is over does not begin again when status is lost and its steps are forgotten: the login would get a password that
// nobody is told.
func TestARotationIsNotRepeated(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 0)
	claim := d.claim("shop", nil)
	d.ready(claim)
	old := string(d.secret("shop-binding").Data["password"])
	d.patch(claim, rotation("one"))
	d.says("shop-db-add-one", "done")
	d.until("no new login", func() string {
		if name := string(d.secret("shop-binding").Data["username"]); name != "ebroot_one" {
			return name
		}
		return ""
	})
	d.clock.Jump(overlap + time.Second)
	d.wake()
	d.says("shop-db-end-one", "done")
	d.rotated(claim, "one")
	now := d.secret("shop-binding")
	if string(now.Data["password"]) == old || d.secret("shop-db-r-one") != nil {
		t.Error("the password is the old one, or the Secret that it came from stayed")
	}

	for _, name := range []string{"shop-db-add-one", "shop-db-end-one"} {
		d.check(d.bench.Client.Delete(t.Context(), d.toy(name)))
	}
	d.check(d.bench.Client.Status().Patch(t.Context(), claim, mergePatch(`{"status":{"operations":null}}`)))
	d.clock.Jump(overlap + time.Second)
	d.wake()
	d.rotated(claim, "one")
	if s := d.secret("shop-binding"); s.ResourceVersion != now.ResourceVersion || d.secret("shop-db-r-one") != nil {
		t.Errorf("the rotation began again: %v", s.ObjectMeta)
	}
}
