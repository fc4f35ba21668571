// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/probe"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/provision"
)

// probe keeps the CronJob that probes the database, and judges what its pods say. What it finds is the condition Reachable and nothing
// else: neither Ready nor an end of the claim depends on it.
func (r *Reconciler) probe(ctx context.Context, p *pass) error {
	if released(p.claim) {
		return nil
	}
	plan, ref := probe.PlanOf(p.claim, p.class), probe.Ref(p.claim.Name)
	p.unprobed = !plan.On
	if err := r.read(ctx, p, []database.Ref{ref}); err != nil {
		return err
	}
	cron := p.have[ref]
	ours := cron != nil && len(provision.Strangers(p.have, []database.Ref{ref}, database.ID(p.claim))) == 0
	switch {
	case !plan.On && ours && cron.GetDeletionTimestamp() == nil:
		return r.provision.Delete(ctx, cron)
	case !plan.On:
		return nil
	case cron != nil && !ours:
		p.unknown(fmt.Sprintf("%s exists and belongs to something else, which is left alone; delete it, or set spec.probe.enabled to false.", ref))
		return nil
	case cron == nil && !p.probable():
		return nil // what was known stays
	case r.Operator.BundleImage == "":
		p.unknown("The operator does not know the image that probes run; start it with --bundle-image, or set spec.probe.enabled to false.")
		return nil
	}
	seen := probe.Seen{Order: r.order(p, plan), External: p.claim.Spec.External != nil, Was: condition.Find(p.before.Status.Conditions, v1alpha1.ConditionReachable)}
	seen.New = cron == nil || seen.Version != cron.GetAnnotations()[v1alpha1.AnnotationProbeOf]
	if p.probable() {
		err := r.keepProbing(ctx, p, seen)
		if stall := outcome.AsStall(err); stall != nil { // a quota, a policy: the claim is none the worse for it
			p.unknown("Probes cannot be made: " + stall.Message)
			p.waits = append(p.waits, time.Minute)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return r.judge(ctx, p, seen, cron)
}

// probable says whether there is something to probe: a Secret that is complete, and a database that is said to run. While a claim ends,
// its probes go on as they are.
func (p *pass) probable() bool {
	return p.claim.DeletionTimestamp.IsZero() && p.published && (p.facts.Ready || p.claim.Spec.External != nil)
}

func (r *Reconciler) order(p *pass, plan probe.Plan) probe.Order {
	o := probe.Order{
		Plan: plan, Namespace: p.claim.Namespace, Claim: p.claim.Name, UID: p.claim.UID, ID: database.ID(p.claim), Version: p.version, Image: r.Operator.BundleImage,
	}
	if cron := p.have[probe.Ref(p.claim.Name)]; cron != nil && !p.probable() {
		o.Version = cron.GetAnnotations()[v1alpha1.AnnotationProbeOf]
	}
	if b := p.claim.Status.Binding; b != nil {
		o.Secret = b.Name
	}
	return o
}

// keepProbing probes what is new at once. The CronJob that says that it was done is written after it: a crash between the two repeats it,
// under the same name.
func (r *Reconciler) keepProbing(ctx context.Context, p *pass, s probe.Seen) error {
	objects := []database.Object{probe.CronJob(s.Order)}
	if s.New {
		objects = append([]database.Object{probe.First(s.Order)}, objects...)
	}
	return r.provision.Apply(ctx, objects, p.have)
}

func (r *Reconciler) judge(ctx context.Context, p *pass, s probe.Seen, cron *unstructured.Unstructured) error {
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, client.InNamespace(p.claim.Namespace), client.MatchingFields{indexProbe: p.claim.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the pods that probe the database: %w", err)
	}
	for i := range pods.Items {
		s.Pods = append(s.Pods, &pods.Items[i])
	}
	if e := p.claim.Status.Endpoint; e != nil {
		s.Host, s.Port = e.Host, e.Port
	}
	s.Alive = alive(cron, p.at)
	v := probe.Judge(s, p.at)
	p.verdicts = append(p.verdicts, condition.Verdict{Type: v1alpha1.ConditionReachable, Status: v.Status, Reason: v.Reason, Message: v.Message})
	if left := v.Next.Sub(p.at); !v.Next.IsZero() && left > 0 {
		p.waits = append(p.waits, left)
	}
	return nil
}

// alive is when a CronJob was made, or when a Job of it last succeeded.
func alive(cron *unstructured.Unstructured, now time.Time) time.Time {
	if cron == nil {
		return now
	}
	var c batchv1.CronJob
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(cron.Object, &c); err == nil && c.Status.LastSuccessfulTime != nil {
		return c.Status.LastSuccessfulTime.Time
	}
	return cron.GetCreationTimestamp().Time
}

func (p *pass) unknown(message string) {
	p.verdicts = append(p.verdicts, condition.Unknown(v1alpha1.ConditionReachable, v1alpha1.ReasonProbeCouldNotRun, message))
}

// probed is the claim whose database a pod probes, for an index.
func probed(o client.Object) []string {
	if name := o.GetLabels()[v1alpha1.LabelDatabaseProbe]; name != "" {
		return []string{name}
	}
	return nil
}

// probeEnded stops everything about probes but the end of a pod, which says what it found. What is made for a database otherwise passes.
func probeEnded() predicate.Predicate {
	ended := func(o client.Object) bool {
		pod, ok := o.(*corev1.Pod)
		return ok && (pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed)
	}
	other := func(o client.Object) bool { return probed(o) == nil }
	return predicate.Funcs{
		CreateFunc:  func(e event.CreateEvent) bool { return other(e.Object) || ended(e.Object) },
		UpdateFunc:  func(e event.UpdateEvent) bool { return other(e.ObjectNew) || !ended(e.ObjectOld) && ended(e.ObjectNew) },
		DeleteFunc:  func(e event.DeleteEvent) bool { return other(e.Object) },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}
