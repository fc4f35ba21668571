// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"testing"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// A toy rotates by ConfigMaps too: a step is done when its ConfigMap says so.

func (toy) Rotation(w database.Wanted, token string) database.Rotation {
	return database.Rotation{Token: token, Role: w.Username + "_" + token, PasswordSecret: w.Resource + "-r-" + token}
}

func steps(w database.Wanted, r database.Rotation) (add, drop database.Ref) {
	return ref(w.Resource + "-add-" + r.Token), ref(w.Resource + "-end-" + r.Token)
}

func (toy) RotationRefs(w database.Wanted, r database.Rotation) []database.Ref {
	add, drop := steps(w, r)
	return []database.Ref{add, drop}
}

func stepObject(w database.Wanted, ref database.Ref) []database.Object {
	return []database.Object{{Ref: ref, Once: true, Intent: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": w.Metadata(ref.Name)}}}
}

func stepProgress(have database.Objects, ref database.Ref) database.Progress {
	obj := have[ref]
	return database.Progress{Exists: obj != nil, Done: obj != nil && says(obj, "is") == "done"}
}

func (toy) Add(w database.Wanted, r database.Rotation, _ database.Objects) []database.Object {
	add, _ := steps(w, r)
	return stepObject(w, add)
}

func (toy) ReadAdd(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	add, _ := steps(w, r)
	return stepProgress(have, add)
}

func (toy) Drop(w database.Wanted, r database.Rotation, _ database.Objects) []database.Object {
	_, drop := steps(w, r)
	return stepObject(w, drop)
}

func (toy) ReadDrop(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	_, drop := steps(w, r)
	return stepProgress(have, drop)
}

// rotated waits until a rotation is over.
func (d *desk) rotated(claim *v1alpha1.DatabaseClaim, token string) {
	d.Helper()
	d.until("the rotation is not over", func() string {
		d.check(d.bench.Live.Get(d.Context(), keyOf(claim), claim))
		if operations(claim).Rotate != token {
			d.clock.Jump(overlap)
			d.wake()
			return "the last one is " + operations(claim).Rotate
		}
		return ""
	})
}

// A rotation that is over does not begin again when status is lost and its steps are forgotten: the login would get a password that
// nobody is told.
func TestARotationIsNotRepeated(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 0)
	claim := d.claim("shop", nil)
	d.ready(claim)
	old := string(d.secret("shop-binding").Data["password"])
	d.patch(claim, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationRotateRequested+`":"one"}}}`)
	d.says("shop-db-add-one", "done")
	d.until("no new login", func() string {
		if name := string(d.secret("shop-binding").Data["username"]); name != "ebroot_one" {
			return name
		}
		return ""
	})
	d.clock.Jump(overlap)
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
	d.wake()
	d.rotated(claim, "one")
	if s := d.secret("shop-binding"); s.ResourceVersion != now.ResourceVersion || d.secret("shop-db-r-one") != nil {
		t.Errorf("the rotation began again: %v", s.ObjectMeta)
	}
}
