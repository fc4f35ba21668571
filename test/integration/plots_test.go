// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// blue is the Environment of every plot.
const blue = "blue"

// plot is a story whose writes are played with faults.
type plot struct {
	name string
	// env is the Environment of the beginning.
	env func(*v1alpha1.Environment)
	// fresh: there is none at the beginning; act makes it.
	fresh bool
	act   func(*world)
	// then is what happens later, once due holds; nil: nothing.
	due  func(*v1alpha1.Environment) bool
	then func(*world)
	// done is the end, in words of the status; nil: the Environment is gone.
	done func(*v1alpha1.Environment) bool
}

// runs says whether a version is deployed and everything is well.
func runs(version string) func(*v1alpha1.Environment) bool {
	return func(e *v1alpha1.Environment) bool {
		st := e.Status
		return well(e) && st.DeployedVersion != nil && st.DeployedVersion.Name == version && st.ObservedGeneration == e.Generation &&
			condition.IsTrue(st.Conditions, v1alpha1.ConditionReady) && st.Deployment.State == v1alpha1.DeploymentSucceeded
	}
}

// well says whether all instances are.
func well(e *v1alpha1.Environment) bool {
	h := e.Status.Health
	return h != nil && h.Status == v1alpha1.HealthOk && h.Instances.Ok == *e.Spec.Capacity.Desired
}

// returned says whether v1 runs again after a deployment that ended in a state.
func returned(state v1alpha1.DeploymentState) func(*v1alpha1.Environment) bool {
	return func(e *v1alpha1.Environment) bool {
		d := e.Status.Deployment
		return well(e) && d != nil && d.ID > 1 && d.State == state && e.Status.DeployedVersion.Name == "v1"
	}
}

// by makes an Environment of two instances that is changed by a policy, as fast as that goes.
func by(policy v1alpha1.DeploymentPolicy) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		fixed(2)(e)
		one, zero, short, long := intstr.FromInt32(1), int32(0), int32(3), int32(50)
		e.Spec.Deployment.Version.Policy, e.Spec.Deployment.Version.BatchSize, e.Spec.Deployment.Version.HoldSeconds = policy, &one, &zero
		if policy == v1alpha1.PolicyTrafficSplitting {
			e.Spec.Deployment.Version.TrafficSplitting = &v1alpha1.TrafficSplitting{Percent: &long, EvaluationSeconds: &short}
		}
	}
}

// names makes the user name another version.
func names(version string) func(*world) {
	return func(w *world) {
		w.change(blue, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = version })
	}
}

// plots are all of them.
func plots() []plot {
	rolling, immutable := by(v1alpha1.PolicyRolling), by(v1alpha1.PolicyImmutable)
	out := []plot{{name: "create", env: rolling, fresh: true, act: func(w *world) { w.create(w.web(blue, rolling)) }, done: runs("v1")}}
	for _, p := range []v1alpha1.DeploymentPolicy{
		v1alpha1.PolicyAllAtOnce, v1alpha1.PolicyRolling, v1alpha1.PolicyRollingWithAdditionalBatch, v1alpha1.PolicyImmutable, v1alpha1.PolicyTrafficSplitting,
	} {
		out = append(out, plot{name: fmt.Sprintf("version/%s", p), env: by(p), act: names("v2"), done: runs("v2")})
	}
	for _, p := range []v1alpha1.DeploymentPolicy{v1alpha1.PolicyRolling, v1alpha1.PolicyImmutable} {
		out = append(out,
			plot{name: fmt.Sprintf("rollback/%s", p), env: by(p), act: names("crashing"), done: returned(v1alpha1.DeploymentFailed)},
			plot{name: fmt.Sprintf("abort/%s", p), env: by(p), act: names("sick"), due: underWay, then: abort, done: returned(v1alpha1.DeploymentAborted)})
	}
	greet := func(w *world) {
		w.change(blue, func(e *v1alpha1.Environment) {
			hello := "hello"
			e.Spec.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{Name: "GREETING", Value: &hello}}
		})
	}
	grow := func(w *world) { w.change(blue, fixed(3)) }
	again := func(done func(*v1alpha1.Environment) bool) func(*v1alpha1.Environment) bool {
		return func(e *v1alpha1.Environment) bool {
			return e.Status.Deployment != nil && e.Status.Deployment.ID == 2 && done(e)
		}
	}
	remove := func(w *world) {
		err := w.Delete(w.ctx, w.subject())
		if !apierrors.IsNotFound(err) {
			w.Expect(err).NotTo(HaveOccurred())
		}
	}
	return append(out,
		plot{name: "config", env: immutable, act: greet, done: again(runs("v1"))},
		plot{name: "scale", env: rolling, act: grow, done: runs("v1")},
		plot{name: "delete", env: rolling, act: func(w *world) { names("v2")(w); remove(w) }})
}

// underWay: the second deployment is, and status says so.
func underWay(e *v1alpha1.Environment) bool {
	return e.Status.Deployment != nil && e.Status.Deployment.ID == 2
}

func abort(w *world) {
	w.change(blue, func(e *v1alpha1.Environment) {
		e.Annotations = map[string]string{v1alpha1.AnnotationAbortRequested: "stop"}
	})
}

// stage makes what every plot begins with: an application and its versions, of which some are bad.
func (w *world) stage() {
	w.t.Helper()
	w.cluster.Kubelet.Break(w.namespace, ":sick")
	crashing := w.version("crashing")
	crashing.Spec.Source.Image.Reference = "shop:" + testkit.Crashing
	w.create(testkit.MakeApplication(w.namespace))
	w.create(crashing, w.version("v1"), w.version("v2"), w.version("v3"), w.version("sick"))
}

func (w *world) subject() *v1alpha1.Environment {
	return testkit.MakeEnvironment(w.namespace, blue, "")
}

// look reads the subject; nil: there is none.
func (w *world) look() *v1alpha1.Environment {
	env := w.subject()
	if err := w.Get(w.ctx, client.ObjectKeyFromObject(env), env); err != nil {
		return nil
	}
	return env
}
