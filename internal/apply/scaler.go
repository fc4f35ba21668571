// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"errors"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// retire deletes a scaler of ours before another one takes over, and names those that must be gone first: KEDA refuses a Deployment that
// an autoscaler has, and its own autoscaler goes with the ScaledObject only when KEDA has seen to it. An autoscaler of ours whose number
// is taken over by the operator itself needs none of this: it is gone with its deletion.
func (a *Applier) retire(ctx context.Context, env *v1alpha1.Environment, want []object.Object, have snapshot.Children) ([]naming.Child, error) {
	successor := slices.ContainsFunc(want, func(w object.Object) bool { return w.Kind.Scales() })
	var retiring []naming.Child
	var errs []error
	for _, kind := range []naming.Kind{naming.HorizontalPodAutoscaler, naming.ScaledObject} {
		child := naming.Child{Kind: kind, Name: env.Name}
		live := have[child]
		if live == nil || wanted(want, child) || !metav1.IsControlledBy(live, env) || !successor && kind != naming.ScaledObject {
			continue
		}
		retiring = append(retiring, child)
		if live.GetDeletionTimestamp() == nil {
			errs = append(errs, a.delete(ctx, child, live))
		}
	}
	return retiring, errors.Join(errs...)
}

// changing waits until the scaler before is gone.
func changing(retiring []naming.Child) error {
	if len(retiring) == 0 {
		return nil
	}
	names := make([]string, 0, len(retiring))
	for _, child := range retiring {
		names = append(names, child.String())
	}
	return &outcome.Wait{
		Condition: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonScalerChanging,
		Message: "waiting until " + strings.Join(names, ", ") + " is gone, so that one scaler alone sets the number of instances; " +
			"a ScaledObject that stays waits for KEDA to remove its finalizer",
	}
}

// scaledBy is the Deployment that a scaler sets the size of; empty when it is none.
func scaledBy(scaler snapshot.Object) string {
	switch s := scaler.(type) {
	case *autoscalingv2.HorizontalPodAutoscaler:
		return s.Spec.ScaleTargetRef.Name
	case *unstructured.Unstructured:
		name, _, _ := unstructured.NestedString(s.Object, "spec", "scaleTargetRef", "name")
		return name
	default:
		return ""
	}
}
