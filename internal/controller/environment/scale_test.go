// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/queues"
	"github.com/beanpod-dev/beanpod/internal/scaling"
	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// depths has one queue, of which the test says how much waits in it.
type depths struct {
	clock   *testkit.Clock
	waiting int64
	history []scaling.Recommendation
	last    queues.Request
	watched bool
	failing error
	at      time.Time
}

func (d *depths) Watch(_ types.NamespacedName, r queues.Request) queues.Reading {
	d.last, d.watched = r, true
	waiting := d.waiting
	if d.failing != nil {
		waiting = scaling.Unknown
	} else {
		d.at = d.clock.Now()
	}
	decision := scaling.Next(d.clock.Now(), scaling.Observed{Waiting: waiting, Current: r.Current, History: d.history}, *r.Wanted)
	d.history = decision.History
	return queues.Reading{Decision: decision, Err: d.failing, At: d.at}
}

func (d *depths) Forget(types.NamespacedName) {
	d.watched, d.history = false, nil
}

func (d *depths) Events() <-chan event.GenericEvent { return nil }

// holding are daemons by what they hold.
type holding map[string]contract.Status

func (h holding) Ask(_ context.Context, addresses []string) map[string]contract.Status {
	out := map[string]contract.Status{}
	for _, a := range addresses {
		if s, ok := h[a]; ok {
			out[a] = s
		}
	}
	return out
}

// scaled makes an environment a worker that scales by its queue.
func scaled(least, most int32, policy v1alpha1.DeploymentPolicy) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Capacity = &v1alpha1.Capacity{Min: &least, Max: &most, Autoscaling: &v1alpha1.Autoscaling{
			Triggers:                      []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerQueueDepth, Target: 100}},
			ScaleDownStabilizationSeconds: ptr.To(int32(120)),
		}}
		e.Spec.Deployment.Version.Policy = policy
	}
}

var _ = Describe("Scaling by the depth of a queue", func() {
	generated := v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}}
	var w *world
	var queue *depths

	launched := func(ctx SpecContext, least, most int32, policy v1alpha1.DeploymentPolicy) {
		GinkgoHelper()
		w = working(ctx)
		queue = &depths{clock: w.clock}
		w.scaler = &Scaler{Depths: queue, Daemons: holding{}}
		w.restart()
		w.create(ctx, w.web(consuming(generated), scaled(least, most, policy)))
		w.mustPass(ctx)
		w.mustPass(ctx)
		w.rollout(ctx, *w.deployment(ctx).Spec.Replicas, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		w.told()
	}
	replicas := func(ctx SpecContext) int32 {
		GinkgoHelper()
		return *w.deployment(ctx).Spec.Replicas
	}
	// settled plays the Deployment controller and passes until nothing is written any more.
	settled := func(ctx SpecContext) {
		GinkgoHelper()
		w.rollout(ctx, replicas(ctx), "NewReplicaSetAvailable")
		w.mustPass(ctx)
		w.later(3 * time.Second)
		w.mustPass(ctx)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
	}

	It("starts with one instance to prove the version, goes to zero, and back up in one write", func(ctx SpecContext) {
		launched(ctx, 0, 20, v1alpha1.PolicyRolling)
		Expect(replicas(ctx)).To(Equal(int32(1)))
		Expect(w.deployment(ctx).Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationScaler, "BuiltIn"))
		Expect(bench.Live.Get(ctx, w.key("blue"), &autoscalingv2.HorizontalPodAutoscaler{})).NotTo(Succeed())
		Expect(queue.last.Wanted).To(HaveValue(Equal(scaling.Wanted{Min: 0, Max: 20, Target: 100, Stabilization: 2 * time.Minute, Connections: 50})))
		Expect(queue.last.Source.Coordinates.Generated).To(BeTrue())

		w.later(time.Minute)
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(1)))
		w.later(time.Minute)
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(0)))
		Expect(w.told()).To(ContainSubstring("Scaled From 1 to 0 instances: 0 messages wait"))
		settled(ctx)
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthSuspended))

		queue.waiting = 1000
		_, writes := w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(10)))
		Expect(slices.DeleteFunc(writes, func(w string) bool { return !strings.Contains(w, "deployments") })).To(HaveLen(1), "%q", writes)
		Expect(w.told()).To(ContainSubstring("Scaled From 0 to 10 instances: 1000 messages wait"))
		settled(ctx)
	})

	It("owns the number alone, and hands it over", func(ctx SpecContext) {
		launched(ctx, 1, 20, v1alpha1.PolicyRolling)
		queue.waiting = 700
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(7)))
		Expect(owners(w.deployment(ctx))).To(ConsistOf("beanpod-scale"))
		settled(ctx)

		By("taking back what somebody else changed")
		w.sized(ctx, 3)
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(7)))
		settled(ctx)

		By("leaving it to the HorizontalPodAutoscaler")
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Capacity.Autoscaling.Engine = v1alpha1.ScalingHPA })
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(7)))
		Expect(bench.Live.Get(ctx, w.key("blue"), &autoscalingv2.HorizontalPodAutoscaler{})).To(Succeed())
		Expect(queue.watched).To(BeFalse())
		queue.waiting = 2000
		settled(ctx)
		Expect(replicas(ctx)).To(Equal(int32(7)))

		By("taking it from the HorizontalPodAutoscaler")
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Capacity.Autoscaling.Engine = v1alpha1.ScalingBuiltIn })
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(20)))
		Expect(bench.Live.Get(ctx, w.key("blue"), &autoscalingv2.HorizontalPodAutoscaler{})).NotTo(Succeed())
		settled(ctx)

		By("fixing it")
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.Capacity.Autoscaling.Engine, e.Spec.Capacity.Desired = v1alpha1.ScalingNone, ptr.To(int32(2))
		})
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(2)))
		Expect(owners(w.deployment(ctx))).To(ConsistOf("beanpod"))
		settled(ctx)

		By("scaling again from where it is")
		queue.waiting = 0
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.Capacity.Autoscaling.Engine, e.Spec.Capacity.Desired = v1alpha1.ScalingAuto, nil
		})
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(2)))
		Expect(owners(w.deployment(ctx))).NotTo(ContainElement("beanpod"))
		settled(ctx)
	})

	It("spares the instances that hold messages", func(ctx SpecContext) {
		launched(ctx, 1, 20, v1alpha1.PolicyRolling)
		queue.waiting = 400
		w.mustPass(ctx)
		settled(ctx)
		var pods corev1.PodList
		Expect(bench.Client.List(ctx, &pods, client.InNamespace(w.namespace))).To(Succeed())
		Expect(pods.Items).To(HaveLen(4))
		for i := range pods.Items {
			pods.Items[i].Status.PodIP = fmt.Sprintf("10.0.0.%d", i+1)
			pods.Items[i].Status.PodIPs = []corev1.PodIP{{IP: pods.Items[i].Status.PodIP}}
			Expect(bench.Client.Status().Update(ctx, &pods.Items[i])).To(Succeed())
		}
		w.scaler.Daemons = holding{"10.0.0.1": {}, "10.0.0.2": {InFlight: 7}, "10.0.0.3": {Leader: true}} // the fourth does not answer
		w.mustPass(ctx)
		Expect(queue.last.Daemons).To(ConsistOf("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"))
		queue.waiting = 150
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(4)))
		w.later(2 * time.Minute)
		w.mustPass(ctx)
		Expect(replicas(ctx)).To(Equal(int32(2)))
		Expect(bench.Live.List(ctx, &pods, client.InNamespace(w.namespace))).To(Succeed())
		costs := map[string]string{}
		for _, pod := range pods.Items {
			costs[pod.Status.PodIP] = pod.Annotations[corev1.PodDeletionCost]
		}
		Expect(costs).To(Equal(map[string]string{"10.0.0.1": "", "10.0.0.2": "14", "10.0.0.3": "1", "10.0.0.4": "2"}))
	})

	It("is held while two sets exist, and follows the new one", func(ctx SpecContext) {
		launched(ctx, 1, 20, v1alpha1.PolicyImmutable)
		queue.waiting = 300
		w.mustPass(ctx)
		settled(ctx)
		Expect(replicas(ctx)).To(Equal(int32(3)))
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
		w.mustPass(ctx)
		fresh := &appsv1.Deployment{}
		Expect(bench.Live.Get(ctx, w.key("blue-b"), fresh)).To(Succeed())
		queue.waiting = 2000
		for range 10 {
			old := &appsv1.Deployment{}
			if apierrors.IsNotFound(bench.Live.Get(ctx, w.key("blue-a"), old)) {
				break
			}
			Expect(*old.Spec.Replicas).To(Equal(int32(3)))
			Expect(bench.Live.Get(ctx, w.key("blue-b"), fresh)).To(Succeed())
			Expect(*fresh.Spec.Replicas).To(BeNumerically("<=", 3))
			complete(ctx, fresh)
			w.later(time.Second)
			w.mustPass(ctx)
		}
		w.mustPass(ctx)
		w.mustPass(ctx)
		Expect(bench.Live.Get(ctx, w.key("blue-b"), fresh)).To(Succeed())
		Expect(*fresh.Spec.Replicas).To(Equal(int32(20)))
		Expect(owners(fresh)).To(ConsistOf("beanpod-scale"))
	})

	It("says so when the queue does not answer for three minutes, also without instances", func(ctx SpecContext) {
		launched(ctx, 0, 20, v1alpha1.PolicyRolling)
		w.later(2 * time.Minute)
		w.mustPass(ctx)
		settled(ctx)
		Expect(replicas(ctx)).To(Equal(int32(0)))
		queue.failing = errors.New("connection refused")
		again, _ := w.mustPass(ctx)
		Expect(again).To(BeNumerically("~", 3*time.Minute, 10*time.Second))
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthSuspended))
		w.later(3 * time.Minute)
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthSevere))
		Expect(w.environment(ctx).Status.Health.Causes).To(ContainElement(HaveField("Code", "QueueNotPolled")))
		Expect(replicas(ctx)).To(Equal(int32(0)))
		queue.failing = nil
		w.later(time.Minute)
		w.mustPass(ctx)
		w.later(3 * time.Second)
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthSuspended))
	})

	It("goes on while something else does not resolve", func(ctx SpecContext) {
		launched(ctx, 1, 20, v1alpha1.PolicyRolling)
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.EnvironmentProperties = []v1alpha1.EnvironmentProperty{{Name: "KEY", ValueFrom: &v1alpha1.PropertySource{
				SecretKeyRef: &v1alpha1.KeyReference{Name: "none", Key: "key"}}}}
		})
		queue.waiting = 500
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(HavePrefix("False SecretNotFound"))
		Expect(replicas(ctx)).To(Equal(int32(5)))
	})
})

// owners are the managers of spec.replicas.
func owners(d *appsv1.Deployment) []string {
	var out []string
	for _, f := range d.ManagedFields {
		if f.FieldsV1 != nil && strings.Contains(string(f.FieldsV1.Raw), `"f:replicas"`) && f.Subresource == "" {
			out = append(out, f.Manager)
		}
	}
	return out
}

// complete plays the Deployment controller for one set.
func complete(ctx context.Context, d *appsv1.Deployment) {
	GinkgoHelper()
	n, now := *d.Spec.Replicas, metav1.Now()
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
		Conditions: []appsv1.DeploymentCondition{{
			Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable", LastUpdateTime: now, LastTransitionTime: now,
		}},
	}
	Expect(bench.Client.Status().Update(ctx, d)).To(Succeed())
}

// sized is somebody with kubectl.
func (w *world) sized(ctx context.Context, n int32) {
	GinkgoHelper()
	d := w.deployment(ctx)
	before := d.DeepCopy()
	d.Spec.Replicas = &n
	Expect(bench.Client.Patch(ctx, d, client.MergeFrom(before), client.FieldOwner("kubectl"))).To(Succeed())
}
