// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/queues"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/scaling"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Depths knows how much waits in the queues of worker Environments, and how many instances that takes.
type Depths interface {
	// Watch says what an Environment wants to know, and returns what is known. It asks nobody.
	Watch(name types.NamespacedName, r queues.Request) queues.Reading
	// Forget is for Environments that are gone, or that something else scales.
	Forget(name types.NamespacedName)
	// Events names Environments for which the answer is another one.
	Events() <-chan event.GenericEvent
}

// Scaler is what scaling by the depth of queues needs.
type Scaler struct {
	Depths Depths
	// Daemons are asked, before instances go, which of them hold messages.
	Daemons queues.Asker
}

func (s *Scaler) forget(name types.NamespacedName) {
	if s != nil {
		s.Depths.Forget(name)
	}
}

// scale brings a worker whose size is ours to the size that its queue needs. It comes after everything else is written: then no other
// scaler has the Deployment any more, and it exists.
func (r *Reconciler) scale(ctx context.Context, env *v1alpha1.Environment, p *pass, have snapshot.Children) error {
	name := client.ObjectKeyFromObject(env)
	if r.scaler == nil || p.cfg.Scaler != settings.ScalerBuiltIn {
		r.scaler.forget(name)
		return nil
	}
	slot, exists := p.now.Slots[p.step.Scaler.Slot]
	deployment := have[naming.Child{Kind: naming.Deployment, Name: naming.Slot(env.Name, slot.Name)}]
	if !exists || deployment == nil || slot.Deleting {
		return nil // it was made a moment ago
	}
	reading := r.scaler.Depths.Watch(name, question(env, p, slot))
	decision := reading.Decision
	p.hear(reading)
	wanted, ours := size(*p, slot, decision)
	if !ours || wanted == slot.Wanted {
		return nil
	}
	if wanted > 0 && wanted < slot.Wanted {
		if err := r.spare(ctx, env, p.now, slot.Name); err != nil {
			return err
		}
	}
	log.FromContext(ctx).Info("Scaling", "from", slot.Wanted, "to", wanted, "reason", decision.Reason)
	if err := r.applier.Scale(ctx, deployment, wanted); err != nil {
		return err
	}
	r.frame.Recorder.Eventf(env, nil, eventType(false), "Scaled", "Scale", "From %d to %d instances: %s", slot.Wanted, wanted, condition.Cut(decision.Reason))
	return nil
}

// goOnScaling scales what runs although what should run does not resolve: its load does not wait. Where schedules are what does not
// resolve, nobody knows between which numbers, so it stays as it is.
func (r *Reconciler) goOnScaling(ctx context.Context, env *v1alpha1.Environment, p *pass, have snapshot.Children) {
	deployment := have[naming.Child{Kind: naming.Deployment, Name: naming.Slot(env.Name, p.step.Scaler.Slot)}]
	owned := deployment != nil && deployment.GetAnnotations()[v1alpha1.AnnotationScaler] == string(settings.ScalerBuiltIn)
	if !owned || p.unread || p.cfg.Schedules.Unclear || p.cfg.Worker == nil || env.Spec.Paused || leaving(env) {
		return
	}
	if err := r.scale(ctx, env, p, have); err != nil {
		log.FromContext(ctx).Error(err, "Scaling what runs failed; the next pass tries again")
	}
}

// hear adds what the operator itself sees of the queue to what the daemons say, of which there may be none.
func (p *pass) hear(reading queues.Reading) {
	q := &p.now.Queue
	polled := q.Known && !q.Silent
	if !q.Known && reading.Err == nil && !reading.At.IsZero() {
		q.Dead, q.Age = max(0, reading.Depth.Dead), snapshot.AgeOf(reading.Depth.Oldest)
	}
	if reading.Err == nil || polled {
		return
	}
	since := plan.Later(reading.At, reading.Since).Add(snapshot.SilentAfter)
	if q.Unseen = !p.at.Before(since); !q.Unseen {
		p.silence = since
	}
}

// question is what an Environment wants to know of its queue.
func question(env *v1alpha1.Environment, p *pass, slot snapshot.Slot) queues.Request {
	worker := p.cfg.Worker
	return queues.Request{
		Source: queues.SourceOf(worker.Config, env.Namespace, worker.Credentials, secretVersion(p.cfg.Inputs, worker.Credentials)),
		Wanted: &scaling.Wanted{
			Min: p.cfg.Min, Max: p.cfg.Max, Target: p.cfg.Depth.Target, Connections: int32(worker.Config.Connections),
			Stabilization: time.Duration(p.cfg.Placement.ScaleDownStabilizationSeconds) * time.Second,
		},
		Current: slot.Wanted, Daemons: addresses(p.now, slot.Name),
	}
}

// size is how many instances the slot should have, and whether that is for the queue to say: not while two sets exist, or while a set
// has a size of its own. A scaler that is held keeps the size, as a HorizontalPodAutoscaler would.
func size(p pass, slot snapshot.Slot, d scaling.Decision) (int32, bool) {
	own := slices.ContainsFunc(p.step.Slots, func(s plan.Slot) bool { return s.Name == slot.Name && s.Replicas != nil })
	switch {
	case own, len(p.step.Slots) == 0:
		return 0, false
	case p.step.Scaler.Hold > 0:
		return p.step.Scaler.Hold, true
	case len(p.step.Slots) > 1 || len(p.now.Slots) > 1:
		return 0, false
	case p.step.State == plan.InProgress && slot.Available == 0:
		// The first instances stay until they have proved that the version works; more may come.
		return max(slot.Wanted, d.Replicas), true
	default:
		return d.Replicas, true
	}
}

// spare marks the instances that hold messages, so that those go which hold none. One that does not answer may hold some.
func (r *Reconciler) spare(ctx context.Context, env *v1alpha1.Environment, now snapshot.Snapshot, slot string) error {
	answers := r.scaler.Daemons.Ask(ctx, addresses(now, slot))
	for _, pod := range now.Instances {
		if pod.Slot != slot || pod.Terminating || pod.Failed {
			continue
		}
		cost := 2
		if status, ok := answers[pod.Address]; ok {
			cost = 2 * min(status.InFlight, math.MaxInt32/4)
			if status.Leader {
				cost++ // among equals, who enqueues periodic tasks stays
			}
		}
		if text := strconv.Itoa(cost); text != pod.Cost && (pod.Cost != "" || cost != 0) {
			if err := r.applier.Spare(ctx, env.Namespace, pod.Name, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// secretVersion is the resource version of a Secret that was checked.
func secretVersion(checked, name string) string {
	for _, in := range settings.DecodeInputs(checked) {
		if in.Kind == "secret" && in.Name == name {
			return in.ResourceVersion
		}
	}
	return ""
}

func addresses(now snapshot.Snapshot, slot string) []string {
	var out []string
	for _, pod := range now.Instances {
		if pod.Slot == slot && pod.Address != "" && !pod.Failed && !pod.Terminating {
			out = append(out, pod.Address)
		}
	}
	return out
}
