// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi_test

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

func newStore(t *testing.T) *simapi.Store {
	t.Helper()
	scheme, err := controller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	return simapi.New(scheme)
}

func configMap(name string, owners ...metav1.OwnerReference) *corev1.ConfigMap {
	out := &corev1.ConfigMap{ObjectMeta: named(name)}
	out.OwnerReferences = owners
	return out
}

func TestIntercept(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	store := newStore(t)
	one, other := store.Client("one"), store.Client("other")
	refusal := errors.New("refused")
	var told []string
	for _, tc := range []struct {
		name     string
		decide   func(simapi.Write) simapi.Decision
		want     error
		stored   bool
		followUp error
	}{
		{"refused", func(w simapi.Write) simapi.Decision { return simapi.Decision{Err: refusal} }, refusal, false, nil},
		{"lost", func(w simapi.Write) simapi.Decision {
			if w.Committed {
				return simapi.Decision{Err: refusal}
			}
			return simapi.Decision{}
		}, refusal, true, nil},
		{"crash", func(w simapi.Write) simapi.Decision { return simapi.Decision{Crash: w.Committed} }, simapi.ErrCrashed, true, simapi.ErrCrashed},
	} {
		store.Intercept = func(w simapi.Write) simapi.Decision {
			told = append(told, w.String())
			return tc.decide(w)
		}
		if err := one.Create(ctx, configMap(tc.name)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
		store.Intercept = nil
		err := other.Get(ctx, client.ObjectKey{Namespace: namespace, Name: tc.name}, &corev1.ConfigMap{})
		if stored := err == nil; stored != tc.stored {
			t.Errorf("%s: stored is %t (%v)", tc.name, stored, err)
		}
		if err := one.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "lost"}, &corev1.ConfigMap{}); client.IgnoreNotFound(err) != tc.followUp {
			t.Errorf("%s: the next read gives %v", tc.name, err)
		}
	}
	if told[0] != "create configmaps default/refused" {
		t.Errorf("writes are called %q", told)
	}
}

func TestReadsAreCopies(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := newStore(t).Client("user")
	made := configMap("a")
	made.Data = map[string]string{"k": "v"}
	if err := c.Create(ctx, made); err != nil {
		t.Fatal(err)
	}
	made.Data["k"] = "mine"
	var list corev1.ConfigMapList
	if err := c.List(ctx, &list); err != nil || len(list.Items) != 1 || list.Items[0].Data["k"] != "v" {
		t.Fatalf("%v %+v", err, list.Items)
	}
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	if err := c.Get(ctx, client.ObjectKeyFromObject(made), meta); err != nil || meta.UID != made.UID {
		t.Errorf("%v %+v", err, meta)
	}
	if err := c.List(ctx, &list, client.MatchingFields{"unknown": "x"}); err == nil {
		t.Error("an index that was never added is no error")
	}
}

// TestCollector deletes an owner in every way there is.
func TestCollector(t *testing.T) {
	t.Parallel()
	for policy, stays := range map[metav1.DeletionPropagation]bool{
		metav1.DeletePropagationBackground: false, metav1.DeletePropagationForeground: false, metav1.DeletePropagationOrphan: true,
	} {
		ctx := context.Background()
		store := newStore(t)
		c, world := store.Client("user"), &simapi.World{Store: store, Cluster: simapi.NewCluster(store)}
		owner := configMap("owner")
		if err := c.Create(ctx, owner); err != nil {
			t.Fatal(err)
		}
		child := configMap("child", *metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap")))
		if err := c.Create(ctx, child); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(world.Settle(), c.Delete(ctx, owner, client.PropagationPolicy(policy)), world.Settle()); err != nil {
			t.Fatal(err)
		}
		if err := c.Get(ctx, client.ObjectKeyFromObject(owner), owner); !apierrors.IsNotFound(err) {
			t.Errorf("%s: the owner is there: %v", policy, err)
		}
		if err := c.Get(ctx, client.ObjectKeyFromObject(child), child); (err == nil) != stays || client.IgnoreNotFound(err) != nil {
			t.Errorf("%s: the child: %v", policy, err)
		}
	}
}
