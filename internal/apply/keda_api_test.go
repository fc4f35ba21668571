// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/apply"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/desired/scaling"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/observe"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

const (
	scaledObject     = "PATCH scaledobjects/blue"
	authentication   = "PATCH triggerauthentications/blue"
	autoscaled       = "PATCH horizontalpodautoscalers/blue"
	goneScaledObject = "DELETE scaledobjects/blue"
	goneAutoscaler   = "DELETE horizontalpodautoscalers/blue"
)

// TestKEDA applies what is generated to an API server with KEDA's own CRDs, which refuses fields that they do not have.
func TestKEDA(t *testing.T) {
	config := testkit.StartAPIServer(t, testkit.KEDACRDs(t))
	writes := &testkit.Writes{}
	c, err := client.New(writes.Watch(config), client.Options{Scheme: testkit.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	secret := &v1alpha1.LocalReference{Name: "queue-login"}
	queues := map[string]v1alpha1.Queue{
		"generated":       {Generated: &v1alpha1.GeneratedQueue{}},
		"nats":            {NATS: &v1alpha1.NATSQueue{URL: "nats://nats:4222", Stream: "jobs", MonitoringURL: "https://nats:8222", Account: "TEAM", CredentialsRef: secret}},
		"sqs":             {SQS: &v1alpha1.SQSQueue{URL: "https://sqs.eu-west-1.amazonaws.com/1/jobs", CredentialsRef: secret}},
		"sqs as KEDA":     {SQS: &v1alpha1.SQSQueue{URL: "https://sqs.eu-west-1.amazonaws.com/1/jobs"}},
		"rabbitmq":        {RabbitMQ: &v1alpha1.RabbitMQQueue{URL: "amqps://rabbit:5671/v", Queue: "jobs", CredentialsRef: secret}},
		"redis":           {Redis: &v1alpha1.RedisQueue{URL: "rediss://redis/2", Stream: "jobs", CredentialsRef: secret}},
		"redis of nobody": {Redis: &v1alpha1.RedisQueue{URL: "redis://redis:6379", Stream: "jobs"}},
	}
	for _, name := range slices.Sorted(maps.Keys(queues)) {
		t.Run(name, func(t *testing.T) {
			w := newKEDAWorld(t, c, writes, queues[name])
			paths := []string{scaledObject}
			if scaling.Authenticates(w.cfg) {
				paths = append(paths, authentication)
			}
			w.passes(nil, paths...)
			w.passes(nil)
			w.applier = &apply.Applier{Client: c, Live: c}
			w.passes(nil)
			so := w.read(naming.ScaledObject)
			unstructured.RemoveNestedField(so.Object, "spec", "advanced")
			w.must(c.Update(t.Context(), so))
			w.passes(nil, scaledObject)
		})
	}
	t.Run("KEDA takes over from an autoscaler and hands over to one", func(t *testing.T) {
		w := newKEDAWorld(t, c, writes, queues["generated"])
		w.cfg.Scaler = settings.ScalerHPA
		w.passes(nil, autoscaled)
		w.cfg.Scaler = settings.ScalerKEDA
		w.passes([]string{"HorizontalPodAutoscaler blue"}, goneAutoscaler)
		w.passes(nil, scaledObject)

		// KEDA holds its objects until its own autoscaler is gone.
		so := w.read(naming.ScaledObject)
		so.SetFinalizers([]string{"finalizer.keda.sh"})
		w.must(c.Update(t.Context(), so))
		w.cfg.Scaler = settings.ScalerHPA
		w.passes([]string{"ScaledObject blue", "finalizer"}, goneScaledObject)
		w.passes([]string{"ScaledObject blue"})
		so = w.read(naming.ScaledObject)
		// KEDA lets go, and leaves its autoscaler to the garbage collector, for which the ScaledObject waits.
		so.SetFinalizers(slices.DeleteFunc(so.GetFinalizers(), func(f string) bool { return f == "finalizer.keda.sh" }))
		w.must(c.Update(t.Context(), so))
		w.passes([]string{"ScaledObject blue"})
		w.collected()
		w.passes(nil, autoscaled)
	})
	t.Run("the operator scales when KEDA is gone", func(t *testing.T) {
		w := newKEDAWorld(t, c, writes, queues["sqs"])
		w.passes(nil, scaledObject, authentication)
		w.cfg.Scaler = settings.ScalerBuiltIn
		w.passes([]string{"ScaledObject blue"}, goneScaledObject, "DELETE triggerauthentications/blue")
		w.passes([]string{"ScaledObject blue"})
		w.collected()
		w.passes(nil)
	})
}

// kedaWorld has the scalers of one Environment, and nothing else of it.
type kedaWorld struct {
	*world
}

func newKEDAWorld(t *testing.T, c client.Client, writes *testkit.Writes, queue v1alpha1.Queue) *kedaWorld {
	w := &world{T: t, Client: c, writes: writes, applier: &apply.Applier{Client: c, Live: c}}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "keda-"}}
	w.must(c.Create(t.Context(), ns))
	w.env = testkit.MakeEnvironment(ns.Name, "blue", "v1", func(e *v1alpha1.Environment) {
		e.Spec.Tier, e.Spec.Worker = v1alpha1.TierWorker, &v1alpha1.Worker{Queue: queue}
		e.Spec.Capacity = &v1alpha1.Capacity{Min: ptr.To[int32](0), Autoscaling: &v1alpha1.Autoscaling{
			Engine: v1alpha1.ScalingKEDA, Triggers: []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerQueueDepth, Target: 30}, {Type: v1alpha1.TriggerCPU, Target: 60}},
		}}
	})
	w.must(c.Create(t.Context(), w.env))
	var problems []settings.Problem
	w.cfg, problems = settings.Resolve(settings.Layers{
		Environment: w.env, Version: testkit.MakeVersion(ns.Name, "v1", "shop:1"),
		Operator: settings.Operator{Queue: "nats://nats:4222", QueueMonitoring: "http://nats:8222", BundleImage: "beanpod:1"},
	})
	if len(problems) > 0 || w.cfg.Scaler != settings.ScalerKEDA {
		t.Fatalf("scaler %s, problems %v", w.cfg.Scaler, problems)
	}
	return &kedaWorld{w}
}

func (w *kedaWorld) read(kind naming.Kind) *unstructured.Unstructured {
	w.Helper()
	out := observe.NewObject(kind).(*unstructured.Unstructured)
	w.must(w.Get(w.ctx(), client.ObjectKey{Namespace: w.env.Namespace, Name: "blue"}, out))
	return out
}

// collected plays the garbage collector, which lets go of a ScaledObject when what belongs to it is gone.
func (w *kedaWorld) collected() {
	w.Helper()
	so := w.read(naming.ScaledObject)
	if got := so.GetFinalizers(); !slices.Equal(got, []string{metav1.FinalizerDeleteDependents}) {
		w.Fatalf("the ScaledObject waits for %v, want its autoscaler alone", got)
	}
	so.SetFinalizers(nil)
	w.must(w.Update(w.ctx(), so))
}

func (w *kedaWorld) want() []object.Object {
	w.Helper()
	var out []object.Object
	add := func(o object.Object, err error) {
		w.must(err)
		out = append(out, o)
	}
	scaler := plan.Scaler{Slot: "a"}
	switch w.cfg.Scaler {
	case settings.ScalerHPA:
		add(scaling.HorizontalPodAutoscaler(w.cfg, plan.Scaler{Slot: "a", Hold: 1}))
	case settings.ScalerKEDA:
		if scaling.Authenticates(w.cfg) {
			add(scaling.TriggerAuthentication(w.cfg))
		}
		add(scaling.ScaledObject(w.cfg, scaler))
	}
	return out
}

func (w *kedaWorld) have() snapshot.Children {
	w.Helper()
	out := snapshot.Children{}
	for _, kind := range []naming.Kind{naming.HorizontalPodAutoscaler, naming.ScaledObject, naming.TriggerAuthentication} {
		obj := observe.NewObject(kind)
		if err := w.Get(w.ctx(), client.ObjectKey{Namespace: w.env.Namespace, Name: "blue"}, obj); err == nil {
			obj.SetManagedFields(nil)
			if hpa, ok := obj.(*autoscalingv2.HorizontalPodAutoscaler); ok && len(hpa.Spec.Metrics) == 0 {
				w.Error("an autoscaler without metrics")
			}
			out[naming.Child{Kind: kind, Name: "blue"}] = obj
		}
	}
	return out
}

// passes is one pass: these writes, and what it waits for.
func (w *kedaWorld) passes(waits []string, writes ...string) {
	w.Helper()
	w.writes.Take()
	err := w.applier.Apply(w.ctx(), w.env, w.want(), w.have())
	got := w.writes.Take()
	slices.Sort(got)
	slices.Sort(writes)
	if diff := cmp.Diff(writes, got, cmpopts.EquateEmpty()); diff != "" {
		w.Errorf("writes (-want +got):\n%s", diff)
	}
	var wait *outcome.Wait
	if errors.As(err, &wait) != (len(waits) > 0) || wait == nil && err != nil {
		w.Fatalf("Apply() = %v, want a wait for %v", err, waits)
	}
	for _, text := range waits {
		if !strings.Contains(wait.Message, text) || wait.Reason != v1alpha1.ReasonScalerChanging {
			w.Errorf("%s: %q does not name %q", wait.Reason, wait.Message, text)
		}
	}
}
