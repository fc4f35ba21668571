// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
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
	kedaSpeaks(t, user, second, writes)
}

// kedaSpeaks plays KEDA: what it says of its ScaledObject, and what becomes of its autoscaler, shows in the Environment at once, and
// what else it writes causes no write.
func kedaSpeaks(t *testing.T, user client.Client, scaled *unstructured.Unstructured, writes *testkit.Writes) {
	t.Helper()
	shows := func(status metav1.ConditionStatus, reason, message string) {
		t.Helper()
		var last *metav1.Condition
		for range 200 {
			env := &v1alpha1.Environment{}
			if err := user.Get(t.Context(), client.ObjectKey{Namespace: "team", Name: "blue"}, env); err != nil {
				t.Fatal(err)
			}
			last = condition.Find(env.Status.Conditions, v1alpha1.ConditionScalerReady)
			if last != nil && last.Status == status && last.Reason == reason && strings.Contains(last.Message, message) {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("the condition is %+v, want %s %s %q", last, status, reason, message)
	}
	said := map[string]any{}
	say := func(status, reason, message string) {
		t.Helper()
		said["conditions"] = []any{map[string]any{"type": "Ready", "status": status, "reason": reason, "message": message}}
		if err := user.Status().Patch(t.Context(), scaled, client.RawPatch(types.MergePatchType, marshal(t, map[string]any{"status": said}))); err != nil {
			t.Fatal(err)
		}
	}
	shows("Unknown", v1alpha1.ReasonKEDASilent, "kubectl get pods -A -l app=keda-operator")
	say("False", "TriggerError", "nobody at nats:8222")
	shows("False", v1alpha1.ReasonScaledObjectNotReady, "TriggerError: nobody at nats:8222. The number of instances stays")
	said["hpaName"] = "keda-hpa-blue"
	say("True", "ScaledObjectReady", "ready for scaling")
	shows("True", v1alpha1.ReasonScaledObjectReady, "")

	yes := true
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "keda-hpa-blue", Labels: scaled.GetLabels(), OwnerReferences: []metav1.OwnerReference{
			{APIVersion: naming.KEDA, Kind: "ScaledObject", Name: "blue", UID: scaled.GetUID(), Controller: &yes},
		}},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 2, ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "blue-a"}},
	}
	if err := user.Create(t.Context(), hpa); err != nil {
		t.Fatal(err)
	}
	works := func(status corev1.ConditionStatus, reason string) {
		t.Helper()
		hpa.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{
			{Type: autoscalingv2.ScalingActive, Status: status, Reason: reason, Message: "no answer of KEDA", LastTransitionTime: metav1.Now()},
		}
		if err := user.Status().Update(t.Context(), hpa); err != nil {
			t.Fatal(err)
		}
	}
	works("False", "FailedGetExternalMetric")
	shows("False", v1alpha1.ReasonScaledObjectNotReady, "FailedGetExternalMetric: no answer of KEDA")
	works("False", "ScalingDisabled")
	shows("True", v1alpha1.ReasonScaledObjectReady, "")

	replicas := func() int32 {
		t.Helper()
		d := &appsv1.Deployment{}
		if err := user.Get(t.Context(), client.ObjectKey{Namespace: "team", Name: "blue-a"}, d); err != nil {
			t.Fatal(err)
		}
		return *d.Spec.Replicas
	}
	toZero := &autoscalingv1.Scale{}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "blue-a"}}
	if err := user.SubResource("scale").Update(t.Context(), d, client.WithSubResourceBody(toZero)); err != nil {
		t.Fatal(err)
	}
	// An autoscaler says for a while yet what it said before KEDA went to zero.
	works("False", "FailedGetExternalMetric")
	time.Sleep(2 * time.Second)
	if got := replicas(); got != 0 {
		t.Errorf("KEDA wants no instance, and there are %d", got)
	}
	works("False", "ScalingDisabled")
	writes.Take()
	said["lastActiveTime"] = "2026-03-04T12:00:00Z"
	say("True", "ScaledObjectReady", "ready for scaling")
	time.Sleep(2 * time.Second)
	if got := writes.Take(); len(got) > 0 {
		t.Errorf("KEDA's looks at the queue cost %v", got)
	}
	// While KEDA sees nothing, nobody else brings the first instance back.
	say("False", "TriggerError", "consumer not found")
	for range 200 {
		if replicas() == 1 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("KEDA sees no queue, and there are %d instances", replicas())
}

func marshal(t *testing.T, o any) []byte {
	t.Helper()
	out, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
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
