// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi/operator"
)

// Scenario is a story that begins with an Environment at rest, or with none.
type Scenario struct {
	Name string
	// Env changes the Environment of the beginning.
	Env func(*v1alpha1.Environment)
	// Before makes what the Environment needs; nil: nothing.
	Before func(*run)
	// Fresh: there is none at the beginning; the first step makes it.
	Fresh bool
	// Tune decides what goes wrong in the cluster.
	Tune  func(*run)
	Steps []Step
	// Floor instances serve all the time, Ceiling are there at most; 0: nothing is promised.
	Floor, Ceiling int
	// Interrupts: it is the purpose of the story that nothing serves for a while.
	Interrupts bool
	// Remade: the Environment is deleted and made again.
	Remade bool
	// Bundles: there are a Platform and versions from source bundles, and the Environment runs one.
	Bundles bool

	once sync.Once
	from *base
	err  error
}

// Step is what somebody does once a condition holds at rest; nil: at once.
type Step struct {
	When func(*run) bool
	Do   func(*run)
}

// base is where the runs of a scenario begin.
type base struct {
	store   *simapi.Store
	cluster *simapi.Cluster
	objects []client.Object
}

var sharedScheme = sync.OnceValues(controller.Scheme)

// base plays the beginning once.
func (s *Scenario) base() (*base, error) {
	s.once.Do(func() { s.from, s.err = s.makeBase() })
	return s.from, s.err
}

func (s *Scenario) makeBase() (*base, error) {
	scheme, err := sharedScheme()
	if err != nil {
		return nil, err
	}
	store := simapi.New(scheme)
	store.AddNamespace(namespace)
	r := &run{scenario: s, user: store.Client("user")}
	r.World = &simapi.World{Store: store, Cluster: simapi.NewCluster(store)}
	r.Cluster.Runs, r.Cluster.Says = runs, says
	p, err := store.Start(actor, operator.Setup(store, operator.Options{Operator: installation}))
	if err != nil {
		return nil, err
	}
	defer p.Kill()
	r.Processes = []*simapi.Process{p}
	for _, obj := range s.furniture() {
		if err := r.user.Create(context.Background(), obj); err != nil {
			return nil, err
		}
	}
	if s.Before != nil {
		s.Before(r)
	}
	if !s.Fresh {
		if err := r.user.Create(context.Background(), s.environment()); err != nil {
			return nil, err
		}
	}
	// The hold of a new set, and what is paced, are over then.
	if err := r.rest(time.Hour); err != nil {
		return nil, err
	}
	if env := r.env(); env != nil && !condition.IsTrue(env.Status.Conditions, v1alpha1.ConditionReady) {
		return nil, fmt.Errorf("the environment of %s is not ready: %+v", s.Name, env.Status)
	}
	out := &base{cluster: r.Cluster, objects: store.Objects()}
	out.store = store
	return out, nil
}

// furniture is what a scenario has: an application, versions, and a Secret that nobody may repeat.
func (s *Scenario) furniture() []client.Object {
	never := func(v *v1alpha1.ApplicationVersion) { v.Spec.Source.Image.PullPolicy = v1alpha1.PullNever }
	out := []client.Object{
		testkit.MakeApplication(namespace),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "door"}, Data: map[string][]byte{"key": []byte(canary)}},
	}
	if s.Bundles {
		return append(out, bundles()...)
	}
	for _, v := range []string{"v1", "v2", "v3"} {
		out = append(out, testkit.MakeVersion(namespace, v, "shop:"+v, never))
	}
	for _, v := range []string{"v2-good", "v2-bad"} {
		out = append(out, testkit.MakeVersion(namespace, v, "shop:"+v, never, func(x *v1alpha1.ApplicationVersion) {
			x.Spec.ReleaseCommand = &v1alpha1.ReleaseCommand{Command: []string{"migrate", v}}
		}))
	}
	return out
}

// environment is the one of the beginning.
func (s *Scenario) environment() *v1alpha1.Environment {
	env := testkit.MakeEnvironment(namespace, name, "v1", func(e *v1alpha1.Environment) {
		e.Spec.Tier = v1alpha1.TierWebServer
		e.Spec.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{Name: "DOOR", ValueFrom: &v1alpha1.PropertySource{
			SecretKeyRef: &v1alpha1.KeyReference{Name: "door", Key: "key"},
		}}}
	})
	if s.Bundles {
		env.Spec.VersionRef.Name, env.Spec.PlatformRef = "b1", &v1alpha1.PlatformReference{Name: platform}
	}
	if s.Env != nil {
		s.Env(env)
	}
	return env
}

// releases is how release commands end: their version's name says it.
func releases(job *batchv1.Job) (int, bool) {
	for _, c := range job.Spec.Template.Spec.Containers {
		if c.Image == "shop:v2-bad" {
			return 3, true
		}
	}
	return 3, false
}

// strange is an object of somebody else that has the name of a write.
func strange(c client.Client, w simapi.Write) client.Object {
	obj, err := c.Scheme().New(w.Kind)
	if err != nil {
		panic(err)
	}
	out := obj.(client.Object)
	out.SetNamespace(w.Namespace)
	out.SetName(w.Name)
	out.SetLabels(map[string]string{"owner": "somebody"})
	pod := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"owner": "somebody"}}}
	none := int32(0)
	switch o := out.(type) {
	case *appsv1.Deployment:
		o.Spec = appsv1.DeploymentSpec{Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: pod.Labels}, Template: pod}
	case *batchv1.Job:
		o.Spec.Template = pod
	case *corev1.Service:
		o.Spec.Selector = pod.Labels
	case *appsv1.ControllerRevision:
		o.Data = runtime.RawExtension{Raw: []byte(`{}`)}
	}
	return out
}
