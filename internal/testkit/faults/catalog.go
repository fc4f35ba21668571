// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/rollout/simulate"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

var policies = []v1alpha1.DeploymentPolicy{
	v1alpha1.PolicyAllAtOnce, v1alpha1.PolicyRolling, v1alpha1.PolicyRollingWithAdditionalBatch, v1alpha1.PolicyImmutable, v1alpha1.PolicyTrafficSplitting,
}

// Catalog are all scenarios.
func Catalog() []*Scenario {
	var out []*Scenario
	out = append(out, creations()...)
	out = append(out, changes()...)
	out = append(out, failures()...)
	out = append(out, aborts()...)
	out = append(out, operations()...)
	out = append(out, endings()...)
	out = append(out, schedules()...)
	out = append(out, databases()...)
	out = append(out, bundleStories()...)
	return out
}

// with is an Environment of so many instances that are changed in this way, one at a time.
func with(policy v1alpha1.DeploymentPolicy, n int32, scaled bool, onFailure v1alpha1.FailurePolicy) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Capacity = &v1alpha1.Capacity{Min: &n, Desired: &n, Autoscaling: &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingNone}}
		if scaled {
			most := n + 2
			e.Spec.Capacity = &v1alpha1.Capacity{Min: &n, Max: &most}
		}
		one := intstr.FromInt32(1)
		e.Spec.Deployment = &v1alpha1.Deployment{Version: &v1alpha1.DeploymentSettings{
			Policy: policy, BatchSize: &one, HealthGate: &v1alpha1.HealthGate{Seconds: number(2)}, TimeoutSeconds: number(60), HoldSeconds: number(5),
			OnFailure: onFailure,
		}}
		if policy == v1alpha1.PolicyTrafficSplitting {
			e.Spec.Deployment.Version.TrafficSplitting = &v1alpha1.TrafficSplitting{Percent: number(34), EvaluationSeconds: number(10)}
		}
	}
}

func number(n int32) *int32 { return &n }

// scenario is one with the promise of its policy.
func scenario(name string, policy v1alpha1.DeploymentPolicy, n int32, scaled bool, onFailure v1alpha1.FailurePolicy, steps ...Step) *Scenario {
	promise := simulate.PromiseOf(settings.Rollout{Policy: policy, BatchSize: intstr.FromInt32(1)}, n)
	return &Scenario{
		Name: name, Env: with(policy, n, scaled, onFailure), Steps: steps,
		Floor: int(promise.Floor), Ceiling: int(promise.Ceiling),
	}
}

func creations() []*Scenario {
	create := func(name, version string, env func(*v1alpha1.Environment)) *Scenario {
		s := &Scenario{Name: "create/" + name, Fresh: true, Env: env}
		s.Steps = []Step{{Do: func(r *run) {
			e := s.environment()
			e.Spec.VersionRef.Name = version
			r.must(r.user.Create(context.Background(), e))
		}}}
		return s
	}
	back := create("background", "v1", func(e *v1alpha1.Environment) { e.Spec.Tier = v1alpha1.TierBackground })
	return []*Scenario{
		create("web", "v1", with(v1alpha1.PolicyRolling, 2, false, "")),
		create("scaled", "v1", with(v1alpha1.PolicyRolling, 2, true, "")),
		create("release", "v2-good", with(v1alpha1.PolicyImmutable, 1, false, "")),
		create("release-fails", "v2-bad", with(v1alpha1.PolicyImmutable, 1, false, "")),
		back,
	}
}

// to names a version.
func to(version string) Step {
	return Step{Do: func(r *run) {
		r.change(func(e *v1alpha1.Environment) { e.Spec.VersionRef = &v1alpha1.LocalReference{Name: version} })
	}}
}

func changes() []*Scenario {
	var out []*Scenario
	for _, p := range policies {
		for n := range int32(3) {
			out = append(out, scenario(fmt.Sprintf("version/%s/%d", p, n+1), p, n+1, false, "", to("v2")))
		}
		out = append(out, scenario(fmt.Sprintf("version/%s/2-scaled", p), p, 2, true, "", to("v2")))
	}
	return out
}

// sick makes a version fail from its n-th instance on.
func sick(version string, from int, crashing bool) func(*run) {
	return func(r *run) { r.ill[version], r.crashing[version] = from, crashing }
}

// fails makes the ready instances of v2 fail once a condition holds.
func fails(when func(*run) bool) Step { return Step{When: when, Do: func(r *run) { r.fall("v2") }} }

// evaluated: the Service selects both sets.
func evaluated(r *run) bool {
	selector := r.routed()
	return selector != nil && selector[v1alpha1.LabelSlot] == "" && r.ready("v2") > 0
}

// switched: the Service selects the new set alone.
func switched(r *run) bool { return r.routed()[v1alpha1.LabelSlot] == "b" }

func failures() []*Scenario {
	var out []*Scenario
	add := func(what string, p v1alpha1.DeploymentPolicy, onFailure v1alpha1.FailurePolicy, tune func(*run), steps ...Step) *Scenario {
		s := scenario(fmt.Sprintf("%s/%s/%s", strings.ToLower(string(onFailure)), p, what), p, 2, false, onFailure, append([]Step{to("v2")}, steps...)...)
		s.Tune = tune
		out = append(out, s)
		return s
	}
	for _, p := range policies {
		for _, on := range []v1alpha1.FailurePolicy{v1alpha1.OnFailureRollback, v1alpha1.OnFailurePause, v1alpha1.OnFailureIgnore} {
			s := add("first", p, on, sick("v2", 0, false))
			if on == v1alpha1.OnFailureIgnore {
				// Whoever ignores that instances are not healthy gets an environment of such instances.
				s.Floor = 0
			}
		}
		add("rest", p, v1alpha1.OnFailureRollback, sick("v2", 1, false))
		add("crash", p, v1alpha1.OnFailureRollback, sick("v2", 0, true))
	}
	t := add("evaluation", v1alpha1.PolicyTrafficSplitting, v1alpha1.OnFailureRollback, nil, fails(evaluated))
	t.Interrupts = true
	for _, p := range policies[3:] {
		for _, on := range []v1alpha1.FailurePolicy{v1alpha1.OnFailureRollback, v1alpha1.OnFailurePause} {
			s := add("hold", p, on, nil, fails(switched))
			s.Interrupts = true // the instances that get all requests fail
		}
	}
	return out
}

// annotated asks for a verb.
func annotated(key, token string, when func(*run) bool) Step {
	return Step{When: when, Do: func(r *run) {
		r.change(func(e *v1alpha1.Environment) { e.Annotations = map[string]string{key: token} })
	}}
}

// begun: the second deployment has begun.
func begun(r *run) bool {
	for _, slot := range []string{"-a", "-b"} {
		var d appsv1.Deployment
		if r.user.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name + slot}, &d) == nil && d.Annotations[v1alpha1.AnnotationRolloutID] == "2" {
			return true
		}
	}
	return false
}

// half: there is a ready instance of v2.
func half(r *run) bool { return r.ready("v2") > 0 }

func aborts() []*Scenario {
	var out []*Scenario
	stages := map[string]func(*run) bool{"begun": begun, "half": half, "evaluated": evaluated, "switched": switched}
	for _, p := range policies {
		names := []string{"begun", "half"}
		if settings.TwoSlots(p) {
			names = append(names, "switched")
		}
		if p == v1alpha1.PolicyTrafficSplitting {
			names = append(names, "evaluated")
		}
		for _, stage := range names {
			out = append(out,
				scenario(fmt.Sprintf("abort/%s/%s", p, stage), p, 3, false, "", to("v2"), annotated(v1alpha1.AnnotationAbortRequested, "stop", stages[stage])),
				scenario(fmt.Sprintf("preempt/%s/%s", p, stage), p, 3, false, "", to("v2"), after(stages[stage], to("v3"))))
		}
	}
	return out
}

func after(when func(*run) bool, s Step) Step { return Step{When: when, Do: s.Do} }

// settled: nothing is under way, and nothing is refused.
func settled(r *run) bool {
	env := r.env()
	if env != nil && slices.Contains([]string{v1alpha1.ReasonWriteRefused, v1alpha1.ReasonNotOwned}, reasonOf(env, v1alpha1.ConditionApplied)) {
		return false
	}
	return env != nil && env.Status.ObservedGeneration == env.Generation && !condition.IsTrue(env.Status.Conditions, v1alpha1.ConditionReconciling)
}

// settledOrEmptied: nothing can be made in a namespace that goes away.
func settledOrEmptied(r *run) bool { return settled(r) || r.emptied() }

func reasonOf(env *v1alpha1.Environment, kind string) string {
	if c := condition.Find(env.Status.Conditions, kind); c != nil {
		return c.Reason
	}
	return ""
}

func edit(f func(*v1alpha1.Environment)) Step { return Step{Do: func(r *run) { r.change(f) }} }

func operations() []*Scenario {
	rolling, immutable := v1alpha1.PolicyRolling, v1alpha1.PolicyImmutable
	property := edit(func(e *v1alpha1.Environment) {
		hello := "hello"
		e.Spec.EnvironmentProperties = append(e.Spec.EnvironmentProperties, v1alpha1.EnvironmentProperty{Name: "GREETING", Value: &hello})
	})
	size := func(n int32) Step {
		return edit(func(e *v1alpha1.Environment) { e.Spec.Capacity.Min, e.Spec.Capacity.Desired = &n, &n })
	}
	pause := edit(func(e *v1alpha1.Environment) { e.Spec.Paused = true })
	resume := edit(func(e *v1alpha1.Environment) { e.Spec.Paused = false })
	var out []*Scenario
	add := func(what string, p v1alpha1.DeploymentPolicy, steps ...Step) *Scenario {
		s := scenario(what+"/"+string(p), p, 2, false, "", steps...)
		out = append(out, s)
		return s
	}
	for _, p := range []v1alpha1.DeploymentPolicy{rolling, immutable} {
		add("config", p, property)
		add("restart", p, annotated(v1alpha1.AnnotationRestartRequested, "now", nil))
		add("release", p, to("v2-good"))
		add("release-fails", p, to("v2-bad"))
		add("release-fails-then-good", p, to("v2-bad"), after(settled, to("v3")))
		add("paused", p, pause, after(settled, to("v2")), after(settled, resume))
		add("paused-in-the-middle", p, to("v2"), after(half, pause), after(settled, resume))
		add("there-and-back", p, to("v2"), after(half, to("v1")))
	}
	add("rebuild", rolling, annotated(v1alpha1.AnnotationRebuildRequested, "again", nil)).Interrupts = true
	grown := add("grow", rolling, size(4))
	grown.Ceiling = 4
	less := add("shrink", rolling, size(1))
	less.Floor = 1
	hpa := add("scaler-comes", rolling, edit(func(e *v1alpha1.Environment) {
		e.Spec.Capacity = &v1alpha1.Capacity{Min: number(2), Max: number(5)}
	}))
	hpa.Ceiling = 5
	out = append(out, scenario("scaler-goes/Rolling", rolling, 2, true, "", edit(func(e *v1alpha1.Environment) {
		e.Spec.Capacity = &v1alpha1.Capacity{Min: number(2), Desired: number(2), Autoscaling: &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingNone}}
	})))
	tried := scenario("failed-then-restart/Rolling", rolling, 2, false, "", to("v2"),
		after(settled, annotated(v1alpha1.AnnotationRestartRequested, "now", nil)))
	tried.Tune = sick("v2", 0, false)
	repaired := scenario("failed-then-good/Immutable", immutable, 2, false, "", to("v2"), after(settled, to("v3")))
	repaired.Tune = sick("v2", 0, false)
	return append(out, tried, repaired)
}

// schedules come while nothing else is under way: whether one comes before or after the end of a deployment depends on how long the
// faults hold that up, so two runs would not end alike.
func schedules() []*Scenario {
	bounds := func(least, most int32) Step {
		return Step{Do: func(r *run) {
			at := r.Store.Now().Add(6 * time.Second).UTC().Format(time.RFC3339)
			r.change(func(e *v1alpha1.Environment) {
				if e.Spec.Capacity.Autoscaling == nil {
					e.Spec.Capacity.Autoscaling = &v1alpha1.Autoscaling{}
				}
				e.Spec.Capacity.Autoscaling.Schedules = []v1alpha1.ScalingSchedule{{Name: "soon", StartTime: at, Min: &least, Max: &most}}
			})
		}}
	}
	came := func(r *run) bool {
		env := r.env()
		return settled(r) && env.Status.Capacity != nil && env.Status.Capacity.Schedule != nil
	}
	rolling := v1alpha1.PolicyRolling
	more := scenario("schedule-more/Rolling", rolling, 2, false, "", bounds(3, 3))
	more.Ceiling = 3
	scaled := scenario("schedule-scaled/Rolling", rolling, 2, true, "", bounds(3, 5))
	scaled.Ceiling = 5
	closes := scenario("schedule-closes/Rolling", rolling, 2, true, "", bounds(0, 0))
	opens := scenario("schedule-closes-and-opens/Rolling", rolling, 2, true, "", bounds(0, 0), after(came, bounds(3, 5)))
	closes.Interrupts, opens.Interrupts, opens.Ceiling = true, true, 5
	return []*Scenario{more, scaled, closes, opens}
}

func endings() []*Scenario {
	drop := func(obj client.Object) Step {
		return Step{Do: func(r *run) { r.must(r.user.Delete(context.Background(), obj)) }}
	}
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	var out []*Scenario
	for _, p := range []v1alpha1.DeploymentPolicy{v1alpha1.PolicyRolling, v1alpha1.PolicyImmutable} {
		out = append(out,
			scenario("delete/"+string(p), p, 2, false, "", drop(env)),
			scenario("delete-in-the-middle/"+string(p), p, 2, false, "", to("v2"), after(half, drop(env))),
			scenario("namespace/"+string(p), p, 2, false, "", drop(space)),
			scenario("namespace-in-the-middle/"+string(p), p, 2, false, "", to("v2"), after(half, drop(space))))
	}
	protected := scenario("protected/Rolling", v1alpha1.PolicyRolling, 2, false, "", drop(env), after(settledOrEmptied, edit(func(e *v1alpha1.Environment) {
		e.Spec.TerminationProtection = false
	})))
	protected.Env = func(e *v1alpha1.Environment) {
		with(v1alpha1.PolicyRolling, 2, false, "")(e)
		e.Spec.TerminationProtection = true
	}
	again := scenario("delete-and-again/Rolling", v1alpha1.PolicyRolling, 2, false, "", drop(env))
	again.Remade, again.Interrupts = true, true
	again.Steps = append(again.Steps, Step{When: func(r *run) bool { return r.env() == nil }, Do: func(r *run) {
		r.must(r.user.Create(context.Background(), again.environment()))
	}})
	return append(out, protected, again)
}
