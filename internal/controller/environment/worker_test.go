// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// working is a world whose operator can run workers.
func working(ctx context.Context) *world {
	GinkgoHelper()
	w := newWorld(ctx)
	w.operator.BundleImage, w.operator.Queue, w.operator.Namespace = "localhost/operator:1", "nats://nats.queues:4222", "beanpod-system"
	w.restart()
	return w
}

// consuming makes an environment a worker.
func consuming(q v1alpha1.Queue) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Tier, e.Spec.Routing, e.Spec.Worker = v1alpha1.TierWorker, nil, &v1alpha1.Worker{Queue: q}
	}
}

var _ = Describe("Workers", func() {
	generated := v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}}

	It("get a Deployment with the daemon in front, and say which queue they consume", func(ctx SpecContext) {
		w := working(ctx)
		w.create(ctx, w.web(consuming(generated)))
		w.mustPass(ctx)
		spec := w.deployment(ctx).Spec.Template.Spec
		Expect(spec.Containers).To(HaveLen(1))
		Expect(spec.Containers[0].Name).To(Equal(pod.Daemon))
		Expect(spec.InitContainers).To(HaveLen(1))
		Expect(*spec.InitContainers[0].RestartPolicy).To(Equal(corev1.ContainerRestartPolicyAlways))
		Expect(bench.Live.Get(ctx, w.key("blue"), &corev1.Service{})).NotTo(Succeed())
		w.later(2 * time.Second)
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Queue.URL).To(HavePrefix("nats://nats.queues:4222#beanpod-" + w.namespace + "-blue-"))
		Expect(w.environment(ctx).Status.Queue.DeadLetterURL).To(HaveSuffix("-dead"))
		_, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
	})

	DescribeTable("whose inputs do not fit",
		func(ctx SpecContext, condition, message string, queue v1alpha1.Queue, url string) {
			w := working(ctx)
			w.operator.Queue = url
			w.restart()
			w.create(ctx, w.web(consuming(queue)))
			w.mustPass(ctx)
			Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(And(HavePrefix(condition), ContainSubstring(message)))
			Expect(bench.Live.Get(ctx, w.key("blue-a"), w.emptyDeployment())).NotTo(Succeed())
		},
		Entry("no broker", "False QueueNotConfigured", "queue.url", generated, ""),
		Entry("a password in the URL", "False InvalidSettings", "credentialsRef", v1alpha1.Queue{Redis: &v1alpha1.RedisQueue{URL: "redis://a:b@redis:6379", Stream: "x"}}, ""),
		Entry("another scheme", "False InvalidSettings", "amqp:// or amqps://", v1alpha1.Queue{RabbitMQ: &v1alpha1.RabbitMQQueue{URL: "http://rabbit", Queue: "x"}}, ""),
		Entry("no Secret", "False SecretNotFound", "spec.worker.queue.sqs.credentialsRef", v1alpha1.Queue{SQS: &v1alpha1.SQSQueue{
			URL: "https://sqs.eu-central-1.amazonaws.com/1/x", CredentialsRef: &v1alpha1.LocalReference{Name: "none"}}}, ""),
	)

	It("elect by a Lease who enqueues periodic tasks, where the broker elects nobody", func(ctx SpecContext) {
		w := working(ctx)
		w.create(ctx, w.web(consuming(v1alpha1.Queue{RabbitMQ: &v1alpha1.RabbitMQQueue{URL: "amqp://rabbit:5672", Queue: "orders"}}), func(e *v1alpha1.Environment) {
			e.Spec.Worker.PeriodicTasks = []v1alpha1.PeriodicTask{{Name: "nightly", Path: "/nightly", Schedule: "0 23 * * *"}}
		}))
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).NotTo(HavePrefix("False"))
		name := w.key("blue-periodic-tasks")
		lease, role, binding := &coordinationv1.Lease{}, &rbacv1.Role{}, &rbacv1.RoleBinding{}
		Expect(bench.Live.Get(ctx, name, lease)).To(Succeed())
		Expect(bench.Live.Get(ctx, name, role)).To(Succeed())
		Expect(bench.Live.Get(ctx, name, binding)).To(Succeed())
		Expect(role.Rules).To(ConsistOf(rbacv1.PolicyRule{
			APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{name.Name}, Verbs: []string{"get", "update"},
		}))
		Expect(binding.Subjects).To(ConsistOf(rbacv1.Subject{Kind: "ServiceAccount", Namespace: w.namespace, Name: "blue"}))
		spec := w.deployment(ctx).Spec.Template.Spec
		Expect(spec.Containers[0].VolumeMounts).To(ContainElement(HaveField("MountPath", contract.TokenDir)))
		Expect(spec.InitContainers[0].VolumeMounts).NotTo(ContainElement(HaveField("MountPath", contract.TokenDir)))
		Expect(spec.Containers[0].Env).To(ContainElement(HaveField("Value", ContainSubstring(`"lease":"`+w.namespace+`/blue-periodic-tasks"`))))

		By("leaving to the daemons what they write")
		holder := "blue-a-1"
		lease.Spec.HolderIdentity = &holder
		Expect(bench.Client.Update(ctx, lease)).To(Succeed())
		w.later(2 * time.Second)
		w.mustPass(ctx)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())

		By("taking everything away when nothing is to be elected")
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Worker.PeriodicTasks = nil })
		w.mustPass(ctx)
		for _, o := range []client.Object{lease, role, binding} {
			Expect(bench.Live.Get(ctx, name, o)).NotTo(Succeed())
		}
	})

	It("leave a stranger's Lease alone", func(ctx SpecContext) {
		w := working(ctx)
		w.create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "blue-periodic-tasks"}},
			w.web(consuming(v1alpha1.Queue{SQS: &v1alpha1.SQSQueue{URL: "https://sqs.eu-central-1.amazonaws.com/1/x"}}), func(e *v1alpha1.Environment) {
				e.Spec.Worker.PeriodicTasks = []v1alpha1.PeriodicTask{{Name: "nightly", Path: "/nightly", Schedule: "0 23 * * *"}}
			}))
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionApplied)).To(And(HavePrefix("False NotOwned"), ContainSubstring("Lease blue-periodic-tasks")))
	})

	It("keep what runs while KEDA is asked for and not installed", func(ctx SpecContext) {
		w := working(ctx)
		w.launched(ctx)
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.Capacity.Desired, e.Spec.Capacity.Autoscaling = nil, &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingHPA}
		})
		w.mustPass(ctx)
		was := w.deployment(ctx).Generation
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Capacity.Autoscaling.Engine = v1alpha1.ScalingKEDA })
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionApplied)).To(And(HavePrefix("False KEDANotInstalled"), ContainSubstring("install KEDA 2"), ContainSubstring("spec.capacity.autoscaling.engine")))
		Expect(w.deployment(ctx).Generation).To(Equal(was))
		Expect(bench.Live.Get(ctx, w.key("blue"), &autoscalingv2.HorizontalPodAutoscaler{})).To(Succeed(), "the scaler before still scales")
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Capacity.Autoscaling.Engine = v1alpha1.ScalingAuto })
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionApplied)).To(HavePrefix("True"))
	})

	It("are linked to by those that put messages", func(ctx SpecContext) {
		w := working(ctx)
		w.create(ctx, w.web(func(e *v1alpha1.Environment) {
			e.Spec.Links = []v1alpha1.Link{{Variable: "JOBS", EnvironmentRef: v1alpha1.LocalReference{Name: "jobs"}}}
		}))
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(And(HavePrefix("False LinkNotFound"), ContainSubstring(`spec.links[JOBS] links to Environment "jobs"`)))
		w.create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "rabbit"}, StringData: map[string]string{"username": "a", "password": "b"}},
			testkit.MakeEnvironment(w.namespace, "jobs", "v1", consuming(v1alpha1.Queue{RabbitMQ: &v1alpha1.RabbitMQQueue{
				URL: "amqp://rabbit:5672", Queue: "orders", CredentialsRef: &v1alpha1.LocalReference{Name: "rabbit"}}})))
		w.mustPass(ctx)
		env := w.deployment(ctx).Spec.Template.Spec.Containers[0].Env
		Expect(env).To(ContainElements(corev1.EnvVar{Name: "JOBS", Value: "amqp://rabbit:5672"}, corev1.EnvVar{Name: "JOBS_NAME", Value: "orders"},
			corev1.EnvVar{Name: "JOBS_PROVIDER", Value: "rabbitmq"}, HaveField("ValueFrom.SecretKeyRef.Key", "password")))
	})
})
