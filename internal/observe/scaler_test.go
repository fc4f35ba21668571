// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// scaledObject has the condition Ready as KEDA 2.21 writes it.
func scaledObject(status, reason, message string) *unstructured.Unstructured {
	o := owned(NewObject(naming.ScaledObject).(*unstructured.Unstructured), "blue")
	ready := map[string]any{"type": "Ready", "status": status}
	if reason != "" {
		ready["reason"], ready["message"] = reason, message
	}
	o.Object["spec"] = map[string]any{"scaleTargetRef": map[string]any{"name": "blue-a"}}
	o.Object["status"] = map[string]any{"hpaName": "keda-hpa-blue", "conditions": []any{
		map[string]any{"type": "Active", "status": "False", "reason": "ScalerNotActive"}, ready, map[string]any{"type": "Paused", "status": "Unknown"},
	}}
	return o
}

func autoscaler(status corev1.ConditionStatus, reason string) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "keda-hpa-blue"},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{
			{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionFalse, Reason: "FailedUpdateScale"},
			{Type: autoscalingv2.ScalingActive, Status: status, Reason: reason, Message: "no metric"},
		}},
	}
}

func sized(replicas int32) *appsv1.Deployment {
	return owned(&appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &replicas}}, "blue-a")
}

func TestScaler(t *testing.T) {
	t.Parallel()
	ready := scaledObject("True", "ScaledObjectReady", "ready for scaling")
	bare := owned(NewObject(naming.ScaledObject).(*unstructured.Unstructured), "blue")
	strangers := scaledObject("False", "TriggerError", "no")
	strangers.SetOwnerReferences(nil)
	leaving := scaledObject("False", "TriggerError", "no")
	leaving.SetFinalizers([]string{"finalizer.keda.sh"})
	leaving.SetDeletionTimestamp(&metav1.Time{Time: at})
	for _, tc := range []struct {
		name    string
		objects []client.Object
		want    snapshot.Scaler
	}{
		{"none", nil, snapshot.Scaler{}},
		{"a stranger's", []client.Object{strangers}, snapshot.Scaler{}},
		{"going away", []client.Object{leaving}, snapshot.Scaler{}},
		{"KEDA has not seen it", []client.Object{bare}, snapshot.Scaler{Name: "blue", Silent: true}},
		{"KEDA begins", []client.Object{scaledObject("Unknown", "", "")}, snapshot.Scaler{Name: "blue", Silent: true}},
		{"ready, without an autoscaler yet", []client.Object{ready}, snapshot.Scaler{Name: "blue", Ready: true}},
		{"ready", []client.Object{ready, autoscaler("True", "ValidMetricFound")}, snapshot.Scaler{Name: "blue", Ready: true}},
		{"ready, with no instance", []client.Object{ready, autoscaler("False", "ScalingDisabled")}, snapshot.Scaler{Name: "blue", Ready: true}},
		{"KEDA's error", []client.Object{scaledObject("False", "TriggerError", "no"), autoscaler("True", "ValidMetricFound")},
			snapshot.Scaler{Name: "blue", Reason: "TriggerError", Message: "no"}},
		{"one of several triggers", []client.Object{scaledObject("Unknown", "PartialTriggerError", "some")},
			snapshot.Scaler{Name: "blue", Reason: "PartialTriggerError", Message: "some"}},
		{"what the autoscaler said before KEDA went to zero", []client.Object{ready, sized(0), autoscaler("False", "FailedGetExternalMetric")},
			snapshot.Scaler{Name: "blue", Ready: true}},
		{"KEDA died, with instances", []client.Object{ready, sized(1), autoscaler("False", "FailedGetExternalMetric")},
			snapshot.Scaler{Name: "blue", Reason: "FailedGetExternalMetric", Message: "no metric"}},
		{"KEDA died", []client.Object{ready, autoscaler("False", "FailedGetExternalMetric")},
			snapshot.Scaler{Name: "blue", Reason: "FailedGetExternalMetric", Message: "no metric"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			now, _, err := Take(t.Context(), builder(tc.objects...).Build(), environment(), Served{KEDA: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, now.Scaler); diff != "" {
				t.Errorf("scaler (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("the cache fails", func(t *testing.T) {
		t.Parallel()
		down := errors.New("the cache is not there")
		c := builder(ready).WithInterceptorFuncs(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if key.Name == "keda-hpa-blue" {
					return down
				}
				return c.Get(ctx, key, o, opts...)
			},
		}).Build()
		if _, _, err := Take(t.Context(), c, environment(), Served{KEDA: true}); !errors.Is(err, down) {
			t.Errorf("got %v", err)
		}
	})
}
