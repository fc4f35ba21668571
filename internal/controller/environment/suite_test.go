// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// The API server and its cache are shared; every spec has a namespace of its own. Nothing but the specs plays the cluster:
// they write the status of Deployments themselves.
var bench *testkit.Bench

func TestEnvironment(t *testing.T) {
	bench = testkit.StartBench(t, func(mgr ctrl.Manager) error {
		return addIndexes(context.Background(), mgr.GetFieldIndexer())
	})
	RegisterFailHandler(Fail)
	RunSpecs(t, "Environment")
}

// world is what one spec works with.
type world struct {
	namespace string
	clock     *testkit.Clock
	operator  settings.Operator
	scaler    *Scaler
	deleter   Deleter
	events    chan string
	reconcile reconcile.Reconciler
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	namespace, err := bench.MakeNamespace(ctx)
	Expect(err).NotTo(HaveOccurred())
	w := &world{namespace: namespace, clock: &testkit.Clock{}}
	w.restart()
	w.create(ctx, testkit.MakeApplication(namespace))
	for _, name := range []string{"v1", "v2", "v3"} {
		w.version(ctx, name, "True", v1alpha1.ReasonProcessed)
	}
	return w
}

// restart forgets everything that the operator remembers.
func (w *world) restart() {
	recorder := events.NewFakeRecorder(100)
	w.events = recorder.Events
	w.reconcile = reconcile.AsReconciler(bench.Client, New(Dependencies{
		Client: bench.Client, Live: bench.Live, Logs: logs{}, Recorder: recorder, Operator: w.operator, ClusterScoped: true, Scaler: w.scaler, Deleter: w.deleter, Now: w.clock.Now,
	}))
}

func (w *world) create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(bench.Client.Create(ctx, o)).To(Succeed())
	}
}

// version makes one, with the verdict of its own controller.
func (w *world) version(ctx context.Context, name, ready, reason string) {
	GinkgoHelper()
	v := testkit.MakeVersion(w.namespace, name, "shop:"+name, func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source.Image.PullPolicy = v1alpha1.PullNever
	})
	w.create(ctx, v)
	v.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionStatus(ready), Reason: reason, Message: "so it is", LastTransitionTime: metav1.Now(),
	}}
	Expect(bench.Client.Status().Update(ctx, v)).To(Succeed())
}

// web is an environment of two instances.
func (w *world) web(tweaks ...func(*v1alpha1.Environment)) *v1alpha1.Environment {
	two, zero := int32(2), int32(0)
	return testkit.MakeEnvironment(w.namespace, "blue", "v1", append([]func(*v1alpha1.Environment){func(e *v1alpha1.Environment) {
		e.Spec.Tier = v1alpha1.TierWebServer
		e.Spec.Capacity = &v1alpha1.Capacity{Desired: &two, Autoscaling: &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingNone}}
		e.Spec.Deployment = &v1alpha1.Deployment{Version: &v1alpha1.DeploymentSettings{HealthGate: &v1alpha1.HealthGate{Seconds: &zero}}}
	}}, tweaks...)...)
}

func (w *world) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespace, Name: name}
}

// pass is one pass over the environment: when it wants to look again, what it wrote, and its error.
func (w *world) pass(ctx context.Context) (time.Duration, []string, error) {
	GinkgoHelper()
	Expect(bench.Settle(ctx)).To(Succeed())
	bench.Writes.Take()
	result, err := w.reconcile.Reconcile(ctx, ctrl.Request{NamespacedName: w.key("blue")})
	return result.RequeueAfter, bench.Writes.Take(), err
}

// mustPass is a pass that must succeed.
func (w *world) mustPass(ctx context.Context) (time.Duration, []string) {
	GinkgoHelper()
	after, writes, err := w.pass(ctx)
	Expect(err).NotTo(HaveOccurred())
	return after, writes
}

// later lets time pass.
func (w *world) later(d time.Duration) { w.clock.Ahead += d }

func (w *world) environment(ctx context.Context) *v1alpha1.Environment {
	GinkgoHelper()
	out := &v1alpha1.Environment{}
	Expect(bench.Live.Get(ctx, w.key("blue"), out)).To(Succeed())
	return out
}

// change edits the environment as a user would.
func (w *world) change(ctx context.Context, edit func(*v1alpha1.Environment)) {
	GinkgoHelper()
	env := w.environment(ctx)
	edit(env)
	Expect(bench.Client.Update(ctx, env)).To(Succeed())
}

func (w *world) deployment(ctx context.Context) *appsv1.Deployment {
	GinkgoHelper()
	out := &appsv1.Deployment{}
	Expect(bench.Live.Get(ctx, w.key("blue-a"), out)).To(Succeed())
	return out
}

func (w *world) emptyDeployment() *appsv1.Deployment { return &appsv1.Deployment{} }

// rollout plays the Deployment controller: so many of the instances are updated, and this is why it goes on or ended.
func (w *world) rollout(ctx context.Context, updated int32, reason string) {
	GinkgoHelper()
	d := w.deployment(ctx)
	wanted := *d.Spec.Replicas
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: wanted, UpdatedReplicas: updated, ReadyReplicas: wanted, AvailableReplicas: wanted,
	}
	if updated < wanted && w.environment(ctx).Status.DeployedVersion == nil {
		d.Status.Replicas, d.Status.ReadyReplicas, d.Status.AvailableReplicas = updated, updated, updated
	}
	word := corev1.ConditionTrue
	if reason == "ProgressDeadlineExceeded" {
		word = corev1.ConditionFalse
	}
	now := metav1.NewTime(w.clock.Now())
	d.Status.Conditions = []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentProgressing, Status: word, Reason: reason, LastUpdateTime: now, LastTransitionTime: now,
	}}
	Expect(bench.Client.Status().Update(ctx, d)).To(Succeed())
	w.pods(ctx, d)
}

// pods makes ready pods, so that health has nothing to complain of.
func (w *world) pods(ctx context.Context, d *appsv1.Deployment) {
	GinkgoHelper()
	var old corev1.PodList
	Expect(bench.Client.List(ctx, &old, client.InNamespace(w.namespace))).To(Succeed())
	for i := range old.Items {
		Expect(bench.Client.Delete(ctx, &old.Items[i], client.GracePeriodSeconds(0))).To(Succeed())
	}
	for range d.Status.AvailableReplicas {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, GenerateName: "blue-a-", Labels: d.Spec.Template.Labels, Annotations: d.Spec.Template.Annotations,
		}}
		pod.Spec = *d.Spec.Template.Spec.DeepCopy()
		w.create(ctx, pod)
		pod.Status.Phase = corev1.PodRunning
		at := metav1.NewTime(w.clock.Now())
		pod.Status.Conditions = []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: at},
			{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: at},
		}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: pod.Spec.Containers[0].Name, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}},
		}}
		Expect(bench.Client.Status().Update(ctx, pod)).To(Succeed())
	}
}

// launched is an environment that runs v1.
func (w *world) launched(ctx context.Context, tweaks ...func(*v1alpha1.Environment)) {
	GinkgoHelper()
	w.create(ctx, w.web(tweaks...))
	w.mustPass(ctx)
	w.rollout(ctx, 2, "NewReplicaSetAvailable")
	w.mustPass(ctx)
	Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
	w.told()
}

// told returns the events since the last call.
func (w *world) told() string {
	var out []string
	for {
		select {
		case e := <-w.events:
			out = append(out, e)
		default:
			return strings.Join(out, "\n")
		}
	}
}

// shows is a condition's status, reason and message in one line, or empty.
func (w *world) shows(ctx context.Context, kind string) string {
	GinkgoHelper()
	c := condition.Find(w.environment(ctx).Status.Conditions, kind)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason + ": " + c.Message
}

// logs stands in for the kubelets, which this fixture does not have.
type logs struct{}

func (logs) Tail(_ context.Context, _, pod, _ string, _ bool, _, _ int64) (string, error) {
	return "the last words of " + pod + "\n", nil
}
