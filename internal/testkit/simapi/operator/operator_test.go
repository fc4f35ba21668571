// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi/operator"
)

const namespace = "default"

// life is one Environment in a world of its own. A failure ends the test or benchmark.
type life struct {
	testing.TB
	*simapi.World
	user *simapi.Client
}

func scheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	out, err := controller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func newLife(t testing.TB, scheme *runtime.Scheme) *life {
	t.Helper()
	store := simapi.New(scheme)
	l := &life{TB: t, World: &simapi.World{Store: store, Cluster: simapi.NewCluster(store)}, user: store.Client("user")}
	l.Processes = []*simapi.Process{l.start()}
	l.Restart = func(*simapi.Process) (*simapi.Process, error) { return l.start(), nil }
	return l
}

func (l *life) start() *simapi.Process {
	l.Helper()
	p, err := l.Store.Start("beanpod", operator.Setup(l.Store, operator.Options{}))
	l.must(err)
	return p
}

func (l *life) end() {
	for _, p := range l.Processes {
		p.Kill()
	}
}

func (l *life) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *life) create(objects ...client.Object) {
	l.Helper()
	for _, o := range objects {
		l.must(l.user.Create(context.Background(), o))
	}
}

func version(name string) *v1alpha1.ApplicationVersion {
	return testkit.MakeVersion(namespace, name, "shop:"+name, func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source.Image.PullPolicy = v1alpha1.PullNever
	})
}

func web(tweaks ...func(*v1alpha1.Environment)) *v1alpha1.Environment {
	two, zero := int32(2), int32(0)
	return testkit.MakeEnvironment(namespace, "blue", "v1", append([]func(*v1alpha1.Environment){func(e *v1alpha1.Environment) {
		e.Spec.Tier = v1alpha1.TierWebServer
		e.Spec.Capacity = &v1alpha1.Capacity{Desired: &two, Autoscaling: &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingNone}}
		e.Spec.Deployment = &v1alpha1.Deployment{Version: &v1alpha1.DeploymentSettings{HealthGate: &v1alpha1.HealthGate{Seconds: &zero}}}
	}}, tweaks...)...)
}

func (l *life) environment() *v1alpha1.Environment {
	l.Helper()
	out := &v1alpha1.Environment{}
	l.must(l.user.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: "blue"}, out))
	return out
}

func (l *life) change(edit func(*v1alpha1.Environment)) {
	l.Helper()
	env := l.environment()
	before := env.DeepCopy()
	edit(env)
	l.must(l.user.Patch(context.Background(), env, client.MergeFrom(before)))
}

// deployed waits until a version is ready on so many instances.
func (l *life) deployed(version string, instances int32) {
	l.Helper()
	err := l.RunUntil(10*time.Minute, func() bool {
		env := l.environment()
		d := &appsv1.Deployment{}
		return env.Status.DeployedVersion != nil && env.Status.DeployedVersion.Name == version &&
			condition.IsTrue(env.Status.Conditions, v1alpha1.ConditionReady) && env.Status.ObservedGeneration == env.Generation &&
			l.user.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: "blue-a"}, d) == nil && d.Status.AvailableReplicas == instances
	})
	if err != nil {
		l.Fatalf("%v: %+v %v", err, l.environment().Status, l.Processes[len(l.Processes)-1].Failing())
	}
}

// begin is a world with an Application, two versions and an Environment that runs the first.
func (l *life) begin(tweaks ...func(*v1alpha1.Environment)) {
	l.Helper()
	l.create(testkit.MakeApplication(namespace), version("v1"), version("v2"), web(tweaks...))
	l.deployed("v1", 2)
}

func (l *life) deploy(name string) {
	l.Helper()
	l.change(func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = name })
}

func (l *life) left() []string {
	l.Helper()
	var out []string
	for _, list := range []client.ObjectList{
		&v1alpha1.EnvironmentList{}, &appsv1.DeploymentList{}, &appsv1.ReplicaSetList{}, &corev1.PodList{}, &corev1.ServiceList{}, &corev1.ServiceAccountList{},
	} {
		l.must(l.user.List(context.Background(), list))
		if n := count(list); n > 0 {
			out = append(out, fmt.Sprintf("%d in %T", n, list))
		}
	}
	return out
}

func count(list client.ObjectList) int {
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(list)
	if err != nil {
		return -1
	}
	items, _ := raw["items"].([]any)
	return len(items)
}

func TestLife(t *testing.T) {
	t.Parallel()
	l := newLife(t, scheme(t))
	defer l.end()
	l.begin()
	l.deploy("v2")
	l.deployed("v2", 2)
	five := int32(5)
	l.change(func(e *v1alpha1.Environment) { e.Spec.Capacity.Desired = &five })
	l.deployed("v2", 5)
	env := l.environment()
	if len(env.Status.History) != 2 || env.Status.Deployment.State != v1alpha1.DeploymentSucceeded {
		t.Errorf("the history is %+v", env.Status.History)
	}
	l.must(l.user.Delete(context.Background(), env))
	l.must(l.RunFor(time.Minute))
	if left := l.left(); len(left) > 0 {
		t.Errorf("after the end there are %v", left)
	}
	for _, name := range []string{"v1", "v2"} {
		l.must(l.user.Delete(context.Background(), version(name)))
	}
	l.must(l.user.Delete(context.Background(), testkit.MakeApplication(namespace)))
	l.must(l.RunFor(time.Minute))
	var apps v1alpha1.ApplicationList
	l.must(l.user.List(context.Background(), &apps))
	if len(apps.Items) != 0 {
		t.Errorf("the Application stays: %+v", apps.Items[0])
	}
}

// TestTheSameEveryTime compares two runs. Only the order in which one pass writes its children may differ.
func TestTheSameEveryTime(t *testing.T) {
	t.Parallel()
	s := scheme(t)
	var runs [2][]string
	for i := range runs {
		l := newLife(t, s)
		l.begin()
		l.deploy("v2")
		l.deployed("v2", 2)
		for _, c := range l.Store.Trace() {
			runs[i] = append(runs[i], fmt.Sprintf("%s %s %s %s", c.At.Format(time.RFC3339), c.Write.Process, c.Write, uidOf(c)))
		}
		slices.Sort(runs[i])
		l.end()
	}
	if diff := cmp.Diff(runs[0], runs[1]); diff != "" {
		t.Error(diff)
	}
}

func uidOf(c simapi.Change) types.UID {
	if c.New == nil {
		return c.Old.GetUID()
	}
	return c.New.GetUID()
}

// BenchmarkLife is one run of a fault harness: an Environment is made and gets another version.
func BenchmarkLife(b *testing.B) {
	s := scheme(b)
	warm := newLife(b, s)
	warm.begin()
	warm.end()
	b.ResetTimer()
	for range b.N {
		l := newLife(b, s)
		l.begin()
		l.deploy("v2")
		l.deployed("v2", 2)
		l.end()
	}
}

// BenchmarkStart is what a crash costs: another process.
func BenchmarkStart(b *testing.B) {
	l := newLife(b, scheme(b))
	l.begin()
	b.ResetTimer()
	for range b.N {
		l.start().Kill()
	}
}
