// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim_test

import (
	"context"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// story is what happens to a database.
type story struct {
	name string
	// before are the steps to where it begins, without faults; steps are those with them.
	before, steps []step
	// least is how many writes of the operator there are at least.
	least int

	begun sync.Once
	from  *base
	err   error
}

// step is what people do once something holds at rest. Each does it once, whatever the operator does meanwhile.
type step struct {
	when func(*universe) bool
	do   func(*universe)
}

func do(what func(*universe)) step { return step{do: what} }

func when(holds func(*universe) bool, what func(*universe)) step { return step{holds, what} }

func (s *story) base() (*base, error) {
	s.begun.Do(func() { s.from, s.err = s.makeBase(sharedScheme) })
	return s.from, s.err
}

// says: a condition of a claim has the reason.
func says(claim, reason string) func(*universe) bool {
	return func(u *universe) bool {
		c := u.claim(claim)
		if c == nil {
			return false
		}
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionTerminating} {
			if is := condition.Find(c.Status.Conditions, kind); is != nil && is.Reason == reason && is.ObservedGeneration == c.Generation {
				return true
			}
		}
		return false
	}
}

func ready(claim string) func(*universe) bool { return says(claim, v1alpha1.ReasonProvisioned) }

func gone(claim string) func(*universe) bool {
	return func(u *universe) bool { return u.claim(claim) == nil }
}

// asks makes a claim.
func asks(name string, changes ...func(*v1alpha1.DatabaseClaim)) func(*universe) {
	return func(u *universe) {
		c := &v1alpha1.DatabaseClaim{}
		c.Name = name
		c.Spec.ClassRef, c.Spec.Engine.Name = &v1alpha1.DatabaseClassReference{Name: "toys"}, "postgres"
		for _, change := range changes {
			change(c)
		}
		u.create(c)
	}
}

func edits(name string, change func(*v1alpha1.DatabaseClaim)) func(*universe) {
	return func(u *universe) { u.edit(name, change) }
}

func deletes(name string) func(*universe) {
	return func(u *universe) {
		c := &v1alpha1.DatabaseClaim{}
		c.Name = name
		u.delete(c)
	}
}

func free(c *v1alpha1.DatabaseClaim)   { c.Spec.DeletionProtection = new(false) }
func apart(c *v1alpha1.DatabaseClaim)  { c.Spec.CoupledTo = nil; free(c) }
func old(c *v1alpha1.DatabaseClaim)    { c.Spec.Engine.Version = "9" }
func bigger(c *v1alpha1.DatabaseClaim) { c.Spec.Storage = "7Gi" }
func destroys(c *v1alpha1.DatabaseClaim) {
	free(c)
	c.Spec.DeletionPolicy = v1alpha1.DatabaseDelete
}

func saves(c *v1alpha1.DatabaseClaim) {
	free(c)
	c.Spec.DeletionPolicy = v1alpha1.DatabaseSnapshot
}

func couples(c *v1alpha1.DatabaseClaim) {
	c.Spec.CoupledTo = &v1alpha1.DatabaseCoupling{EnvironmentRef: v1alpha1.LocalReference{Name: "dev"}}
}

func adopts(c *v1alpha1.DatabaseClaim) {
	destroys(c)
	c.Spec.Adopt = &v1alpha1.DatabaseAdoption{ProviderResourceName: "shop-db"}
}

func external(c *v1alpha1.DatabaseClaim) {
	free(c)
	c.Spec.ClassRef = nil
	c.Spec.External = &v1alpha1.ExternalDatabase{Host: "db.internal", Port: 5432, CredentialsRef: v1alpha1.LocalReference{Name: "keys"}}
}

func confirms(c *v1alpha1.DatabaseClaim) { mark(c, v1alpha1.AnnotationConfirmDeletion, string(c.UID)) }

func requests(annotation string) func(*v1alpha1.DatabaseClaim) {
	return func(c *v1alpha1.DatabaseClaim) { mark(c, annotation, "one") }
}

func mark(obj client.Object, key, value string) {
	a := obj.GetAnnotations()
	if a == nil {
		a = map[string]string{}
	}
	a[key] = value
	obj.SetAnnotations(a)
}

// runs makes an Environment that binds the claim shop.
func runs(u *universe) {
	u.create(testkit.MakeEnvironment(space, "dev", "v1", func(e *v1alpha1.Environment) {
		e.Spec.Databases = []v1alpha1.DatabaseBinding{{ClaimRef: v1alpha1.LocalReference{Name: "shop"}}}
	}))
}

// ends deletes it.
func ends(u *universe) {
	u.delete(testkit.MakeEnvironment(space, "dev", "v1", func(*v1alpha1.Environment) {}))
}

func used(u *universe) bool { c := u.claim("shop"); return c != nil && len(c.Status.UsedBy) == 1 }

func coupled(u *universe) bool { c := u.claim("shop"); return c != nil && c.Status.CoupledUID != "" }

// opened: the Environment may connect.
func opened(u *universe) bool {
	var policy networkingv1.NetworkPolicy
	err := u.user.Get(context.Background(), client.ObjectKey{Namespace: space, Name: "shop-db"}, &policy)
	return err == nil && len(policy.Spec.Ingress) == 1 && len(policy.Spec.Ingress[0].From) == 2
}

func decoupled(u *universe) bool {
	c := u.claim("shop")
	return c != nil && c.Status.CoupledUID == "" && c.Status.ObservedGeneration == c.Generation
}

func snapped(u *universe) bool {
	c := u.claim("shop")
	return c != nil && c.Status.LastSnapshot != nil && c.Status.Operations != nil && c.Status.Operations.Snapshot == "one"
}

func rotated(u *universe) bool {
	c := u.claim("shop")
	return c != nil && c.Status.Operations != nil && c.Status.Operations.Rotate == "one"
}

func grown(u *universe) bool {
	var volume corev1.PersistentVolumeClaim
	err := u.user.Get(context.Background(), client.ObjectKey{Namespace: space, Name: "data-shop-db-0"}, &volume)
	return err == nil && volume.Spec.Resources.Requests.Storage().String() == "7Gi"
}

func keys(password string) func(*universe) {
	return func(u *universe) {
		secret := &corev1.Secret{}
		secret.Name, secret.Data = "keys", map[string][]byte{"username": []byte("u"), "password": []byte(password)}
		if password == "first" {
			u.create(secret)
			return
		}
		secret.Namespace = space
		was := secret.DeepCopy()
		was.Data = nil
		u.must(u.user.Patch(context.Background(), secret, client.MergeFrom(was)))
	}
}

// handed: the copy of the credentials has a password.
func handed(password string) func(*universe) bool {
	return func(u *universe) bool {
		var secret corev1.Secret
		err := u.user.Get(context.Background(), client.ObjectKey{Namespace: space, Name: "shop-binding"}, &secret)
		return err == nil && string(secret.Data["password"]) == password
	}
}

// tidies takes Jobs of snapshots away, as people may: they outlive everything.
func tidies(u *universe) {
	u.must(u.user.DeleteAllOf(context.Background(), &batchv1.Job{}, client.InNamespace(space)))
}

// stories are all of them. The last is the whole life of a database.
func stories() []*story {
	made := []step{do(asks("shop")), when(ready("shop"), nil)}
	bound := append(made[:2:2], do(runs), when(used, nil))
	retained := []step{do(asks("shop", free)), when(ready("shop"), deletes("shop")), when(gone("shop"), nil)}
	confirmed := []step{do(deletes("shop")), when(says("shop", v1alpha1.ReasonUnconfirmed), edits("shop", confirms)), when(gone("shop"), nil)}
	return []*story{
		{name: "provision", least: 12, steps: made},
		{name: "bind", least: 4, before: made, steps: []step{do(runs), when(used, ends), when(func(u *universe) bool { return !used(u) }, nil)}},
		{name: "grow", least: 2, before: made, steps: []step{do(edits("shop", bigger)), when(grown, nil)}},
		{name: "couple", least: 4, before: []step{do(asks("shop", free, couples)), when(ready("shop"), nil)},
			steps: []step{do(runs), when(func(u *universe) bool { return coupled(u) && opened(u) }, ends), when(gone("shop"), nil)}},
		{name: "decouple", least: 3, before: []step{do(asks("shop", couples)), when(ready("shop"), runs), when(coupled, nil)},
			steps: []step{do(edits("shop", apart)), when(decoupled, ends)}},
		{name: "snapshot", least: 2, before: made, steps: []step{do(edits("shop", requests(v1alpha1.AnnotationSnapshotRequested))), when(snapped, nil)}},
		{name: "rotate", least: 6, before: bound, steps: []step{do(edits("shop", requests(v1alpha1.AnnotationRotateRequested))), when(rotated, nil)}},
		{name: "retain", least: 2, before: []step{do(asks("shop", free)), when(ready("shop"), nil)}, steps: []step{do(deletes("shop")), when(gone("shop"), nil)}},
		{name: "adopt", least: 6, before: retained, steps: []step{do(asks("next", adopts)), when(ready("next"), nil)}},
		{name: "delete", least: 12, before: []step{do(asks("shop", destroys)), when(ready("shop"), nil)}, steps: confirmed},
		{name: "delete-never-made", least: 2, steps: []step{do(asks("shop", destroys, old)), when(says("shop", v1alpha1.ReasonClassRefuses), deletes("shop")), when(gone("shop"), nil)}},
		{name: "save", least: 13, before: []step{do(asks("shop", saves)), when(ready("shop"), nil)}, steps: []step{do(deletes("shop")), when(gone("shop"), tidies)}},
		{name: "external", least: 6, steps: []step{
			do(asks("shop", external)), when(says("shop", v1alpha1.ReasonNotPublished), keys("first")), when(handed("first"), keys("second")),
			when(handed("second"), deletes("shop")), when(gone("shop"), nil),
		}},
		{name: "life", least: 45, steps: []step{
			do(asks("shop", couples)), when(ready("shop"), runs), when(func(u *universe) bool { return used(u) && coupled(u) }, edits("shop", requests(v1alpha1.AnnotationRotateRequested))),
			when(rotated, edits("shop", requests(v1alpha1.AnnotationSnapshotRequested))), when(snapped, edits("shop", apart)),
			when(decoupled, ends), when(func(u *universe) bool { return !used(u) }, deletes("shop")), when(gone("shop"), asks("next", adopts)), when(ready("next"), deletes("next")),
			when(says("next", v1alpha1.ReasonUnconfirmed), edits("next", confirms)), when(gone("next"), nil),
		}},
	}
}
