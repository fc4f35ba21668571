// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclass

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/builtin"
	"github.com/beanpod-dev/beanpod/internal/database/cloudnativepg"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

func TestMissingDependencies(t *testing.T) {
	t.Parallel()
	if err := New(Dependencies{}).SetupWithManager(nil, controller.Options{}); err == nil || err.Error() != "databaseclass: a dependency is missing" {
		t.Errorf("SetupWithManager = %v", err)
	}
}

// TestClasses follows a class that serves, and one whose provider the cluster lacks; a class with claims stays until they are gone.
func TestClasses(t *testing.T) {
	t.Parallel()
	bench := testkit.StartBench(t, func(mgr ctrl.Manager) error {
		return New(Dependencies{
			Client: mgr.GetClient(), Recorder: events.NewFakeRecorder(100), Now: time.Now,
			Providers: map[v1alpha1.DatabaseProvider]database.Provider{
				v1alpha1.DatabaseBuiltIn: builtin.Provider{}, v1alpha1.DatabaseCloudNativePG: cloudnativepg.Provider{},
			},
		}).SetupWithManager(mgr, controller.Options{})
	})
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	class := func(name string, provider v1alpha1.DatabaseProvider) *v1alpha1.DatabaseClass {
		c := &v1alpha1.DatabaseClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.DatabaseClassSpec{Provider: provider}}
		check(bench.Client.Create(ctx, c))
		return c
	}
	until := func(c *v1alpha1.DatabaseClass, kind, reason, words string, claims int32) {
		t.Helper()
		var last string
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			check(bench.Live.Get(ctx, client.ObjectKeyFromObject(c), c))
			is := condition.Find(c.Status.Conditions, kind)
			if is != nil && is.Reason == reason && strings.Contains(is.Message, words) && c.Status.Claims == claims {
				return
			}
			last = fmt.Sprint(c.Status.Claims, c.Status.Conditions)
		}
		t.Fatalf("class %s: %s is not %s, %q, with %d claims: %s", c.Name, kind, reason, words, claims, last)
	}
	until(class("cloud", v1alpha1.DatabaseCloudNativePG), v1alpha1.ConditionReady, v1alpha1.ReasonProviderNotInstalled, "install the CloudNativePG operator", 0)
	plain := class("plain", v1alpha1.DatabaseBuiltIn)
	until(plain, v1alpha1.ConditionReady, v1alpha1.ReasonServing, "", 0)

	namespace, err := bench.MakeNamespace(ctx)
	check(err)
	claim := &v1alpha1.DatabaseClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shop"},
		Spec:       v1alpha1.DatabaseClaimSpec{ClassRef: &v1alpha1.DatabaseClassReference{Name: "plain"}, Engine: v1alpha1.DatabaseEngine{Name: "postgres"}},
	}
	check(bench.Client.Create(ctx, claim))
	until(plain, v1alpha1.ConditionReady, v1alpha1.ReasonServing, "", 1)
	check(bench.Client.Delete(ctx, plain))
	until(plain, v1alpha1.ConditionTerminating, v1alpha1.ReasonInUse, namespace+"/shop", 1)
	check(bench.Client.Delete(ctx, claim))
	for end := time.Now().Add(30 * time.Second); !apierrors.IsNotFound(bench.Live.Get(ctx, client.ObjectKeyFromObject(plain), plain)); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the class stays although no claim names it")
		}
	}
}
