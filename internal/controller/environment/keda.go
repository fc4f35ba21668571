// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/health"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/observe"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// unreadySince is since when KEDA does not scale: KEDA does not tell, so the Environment's own condition keeps it.
func unreadySince(env *v1alpha1.Environment, s snapshot.Scaler, at time.Time) time.Time {
	if s.Name == "" || s.Ready {
		return time.Time{}
	}
	if c := condition.Find(env.Status.Conditions, v1alpha1.ConditionScalerReady); c != nil && c.Status != "True" {
		return c.LastTransitionTime.Time
	}
	return at
}

// scalerReady says whether KEDA scales; without a ScaledObject there is no such condition.
func scalerReady(p pass) []condition.Verdict {
	const kind = v1alpha1.ConditionScalerReady
	switch s := p.now.Scaler; {
	case s.Name == "":
		return nil
	case s.Ready:
		return []condition.Verdict{condition.True(kind, v1alpha1.ReasonScaledObjectReady, "KEDA scales by ScaledObject "+s.Name)}
	case s.Silent:
		return []condition.Verdict{condition.Unknown(kind, v1alpha1.ReasonKEDASilent, health.ScalerTrouble(s))}
	default:
		return []condition.Verdict{condition.False(kind, v1alpha1.ReasonScaledObjectNotReady, health.ScalerTrouble(s))}
	}
}

// rouse brings one instance back while KEDA says that it cannot scale: what waits must not wait for KEDA, and the first instance on a queue
// makes what KEDA looks for there. KEDA lets it be, and takes it away when it sees that nothing waits.
func (r *Reconciler) rouse(ctx context.Context, env *v1alpha1.Environment, p *pass, have snapshot.Children) error {
	s, slot := p.now.Scaler, p.now.Slots[p.step.Scaler.Slot]
	deployment := have[naming.Child{Kind: naming.Deployment, Name: naming.Slot(env.Name, slot.Name)}]
	if p.cfg.Scaler != settings.ScalerKEDA || s.Name == "" || s.Ready || s.Silent || deployment == nil || slot.Wanted > 0 || slot.Deleting {
		return nil
	}
	if err := r.applier.Scale(ctx, deployment, 1); err != nil {
		return err
	}
	r.frame.Recorder.Eventf(env, nil, eventType(true), "Scaled", "Scale", "From 0 to 1 instances, so that what waits does not wait for KEDA: %s", condition.Cut(health.ScalerError(s)))
	return nil
}

// heard passes updates of a ScaledObject in which KEDA says something else. The rest of its status changes with every look at a queue.
func heard() predicate.Predicate {
	return predicate.Or(butStatus(), predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok1 := e.ObjectOld.(*unstructured.Unstructured)
		is, ok2 := e.ObjectNew.(*unstructured.Unstructured)
		return ok1 && ok2 && observe.Hear(was) != observe.Hear(is)
	}})
}

// impeded passes updates of an autoscaler that can scale no more, again, or for another reason.
func impeded() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok1 := e.ObjectOld.(*autoscalingv2.HorizontalPodAutoscaler)
		is, ok2 := e.ObjectNew.(*autoscalingv2.HorizontalPodAutoscaler)
		return ok1 && ok2 && !equality.Semantic.DeepEqual(observe.Impeded(was), observe.Impeded(is))
	}}
}
