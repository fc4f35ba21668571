// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/observe"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// TestKEDA starts the whole operator where KEDA's kinds are served: it finds that out, makes a ScaledObject, sees it in its cache, makes
// it again when somebody deletes it, and does not write otherwise.
func TestKEDA(t *testing.T) {
	config := testkit.StartAPIServer(t, testkit.KEDACRDs(t))
	scheme, err := controller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	options := controller.Options{}
	base, err := controller.ManagerOptions(options, ctrl.Options{
		Scheme: scheme, Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		t.Fatal(err)
	}
	writes := &testkit.Writes{}
	mgr, err := ctrl.NewManager(writes.Watch(config), base)
	if err != nil {
		t.Fatal(err)
	}
	if err := controller.Setup(mgr, options); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the operator ended: %v", err)
		}
	})
	user, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, testkit.MakeApplication("team"),
		testkit.MakeVersion("team", "v1", "shop:1", func(v *v1alpha1.ApplicationVersion) { v.Spec.Source.Image.PullPolicy = v1alpha1.PullNever }),
		testkit.MakeEnvironment("team", "blue", "v1", func(e *v1alpha1.Environment) {
			e.Spec.Capacity = &v1alpha1.Capacity{Max: ptr.To[int32](9), Autoscaling: &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingKEDA}}
		}),
	} {
		if err := user.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	first := scaledObject(t, user, "")
	// What is right is not written again: a change of something else makes a pass.
	time.Sleep(3 * time.Second)
	writes.Take()
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "blue"}}
	if err := user.Patch(ctx, env, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"capacity":{"max":8}}}`))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	patched := 0
	for _, w := range writes.Take() {
		if w == "PATCH scaledobjects/blue" {
			patched++
		}
	}
	if patched != 1 {
		t.Errorf("a new maximum cost %d writes of the ScaledObject, want 1", patched)
	}
	if err := user.Delete(ctx, first); err != nil {
		t.Fatal(err)
	}
	second := scaledObject(t, user, first.GetUID())
	if got, _, _ := unstructured.NestedInt64(second.Object, "spec", "maxReplicaCount"); got != 8 {
		t.Errorf("the new ScaledObject has at most %d instances, want 8", got)
	}
}

// scaledObject waits for one other than that with the UID.
func scaledObject(t *testing.T, c client.Client, not types.UID) *unstructured.Unstructured {
	t.Helper()
	out := observe.NewObject(naming.ScaledObject).(*unstructured.Unstructured)
	err := errors.New("still the same")
	for range 600 {
		if err = c.Get(t.Context(), client.ObjectKey{Namespace: "team", Name: "blue"}, out); err == nil && out.GetUID() != not {
			return out
		}
		time.Sleep(50 * time.Millisecond)
	}
	env := &v1alpha1.Environment{}
	t.Fatalf("there is no ScaledObject: %v; %v %v", err, c.Get(t.Context(), client.ObjectKey{Namespace: "team", Name: "blue"}, env), env.Status.Conditions)
	return nil
}
