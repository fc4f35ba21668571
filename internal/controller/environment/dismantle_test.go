// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/queues"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// natsServer is a broker, with a function that stops it.
func natsServer() (string, func()) {
	GinkgoHelper()
	program := os.Getenv("NATS_SERVER")
	if program == "" {
		if os.Getenv("CI") == "true" {
			Fail("NATS_SERVER does not say where the server is; make test-integration does")
		}
		Skip("NATS_SERVER does not say where the server is; make test-integration does")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	address := listener.Addr().String()
	Expect(listener.Close()).To(Succeed())
	_, port, err := net.SplitHostPort(address)
	Expect(err).NotTo(HaveOccurred())
	command := exec.Command(program, "-a", "127.0.0.1", "-p", port, "-js", "-sd", GinkgoT().TempDir())
	Expect(command.Start()).To(Succeed())
	stop := func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	DeferCleanup(stop)
	Eventually(func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}, "20s", "20ms").Should(Succeed())
	return "nats://" + address, stop
}

// departing is a worker that runs one instance and whose generated queue goes with it.
func departing(ctx context.Context, broker string, tweaks ...func(*v1alpha1.Environment)) *world {
	GinkgoHelper()
	w := working(ctx)
	w.operator.Queue, w.deleter = broker, queues.NewDeleter(queues.Brokers, bench.Live)
	w.restart()
	w.create(ctx, w.web(append(tweaks, consuming(v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{DeletionPolicy: "Delete"}}))...))
	w.mustPass(ctx)
	w.later(2 * time.Second)
	w.mustPass(ctx)
	w.told()
	return w
}

// stream is the environment's queue; a missing one is nil.
func (w *world) stream(ctx context.Context, generate bool) queue.Queue {
	GinkgoHelper()
	q, err := queues.Brokers(ctx, settings.Generated(w.environment(ctx), w.operator), queue.Options{Existing: !generate}, nil)
	if err != nil {
		Expect(err).To(MatchError(queue.ErrMissing))
		return nil
	}
	DeferCleanup(q.Close)
	return q
}

// left plays the garbage collector: the Deployment that waits for its instances is gone.
func (w *world) left(ctx context.Context) {
	GinkgoHelper()
	d := w.deployment(ctx)
	Expect(d.DeletionTimestamp).NotTo(BeNil())
	Expect(d.Finalizers).To(ContainElement(metav1.FinalizerDeleteDependents))
	d.Finalizers = nil
	Expect(bench.Client.Update(ctx, d)).To(Succeed())
	unseen(ctx, d)
}

// unseen waits until the cache knows that an object is gone.
func unseen(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Eventually(func() error { return bench.Client.Get(ctx, client.ObjectKeyFromObject(o), o) }, "10s", "10ms").ShouldNot(Succeed())
}

func (w *world) delete(ctx context.Context) {
	GinkgoHelper()
	Expect(bench.Client.Delete(ctx, w.environment(ctx))).To(Succeed())
}

func (w *world) isGone(ctx context.Context) bool {
	return client.IgnoreNotFound(bench.Live.Get(ctx, w.key("blue"), &v1alpha1.Environment{})) == nil &&
		bench.Live.Get(ctx, w.key("blue"), &v1alpha1.Environment{}) != nil
}

func annotate(value string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		metav1.SetMetaDataAnnotation(&e.ObjectMeta, v1alpha1.AnnotationDeleteQueueMessages, value)
	}
}

func policy(p string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) { e.Spec.Worker.Queue.Generated.DeletionPolicy = p }
}

// look is passes until what they find is in the status, which has its pace.
func (w *world) look(ctx context.Context) (time.Duration, []string) {
	GinkgoHelper()
	w.later(2 * time.Second)
	w.mustPass(ctx)
	w.later(2 * time.Second)
	return w.mustPass(ctx)
}

var _ = Describe("Generated queues that go with their Environment", func() {
	terminating := v1alpha1.ConditionTerminating

	It("have a finalizer while the policy is Delete, and only then", func(ctx SpecContext) {
		w := departing(ctx, "nats://nowhere.invalid:4222")
		Expect(w.environment(ctx).Finalizers).To(Equal([]string{v1alpha1.FinalizerQueue}))
		Expect(w.shows(ctx, v1alpha1.ConditionFieldsSupported)).To(HavePrefix("True"))
		w.change(ctx, policy("Retain"))
		w.look(ctx)
		Expect(w.environment(ctx).Finalizers).To(BeEmpty())
		w.change(ctx, policy("Delete"))
		w.look(ctx)
		Expect(w.environment(ctx).Finalizers).To(HaveLen(1))
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.Worker.Queue = v1alpha1.Queue{NATS: &v1alpha1.NATSQueue{URL: "nats://nats:4222", Stream: "mine"}}
		})
		w.look(ctx)
		Expect(w.environment(ctx).Finalizers).To(BeEmpty())
	})

	It("go after the instances", func(ctx SpecContext) {
		broker, _ := natsServer()
		w := departing(ctx, broker)
		Expect(w.stream(ctx, true)).NotTo(BeNil())
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "blue-a-1", Labels: w.deployment(ctx).Spec.Template.Labels}}
		pod.Spec.Containers = []corev1.Container{{Name: "web", Image: "shop:v1"}}
		w.create(ctx, pod)
		w.delete(ctx)
		w.look(ctx)
		w.left(ctx)
		w.look(ctx)
		Expect(w.shows(ctx, terminating)).To(Equal("True WaitingForChildren: 1 instances are still stopping; the queue is deleted after them"))
		Expect(w.stream(ctx, false)).NotTo(BeNil())
		Expect(bench.Client.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
		unseen(ctx, pod)
		again := w.environment(ctx)
		w.look(ctx)
		Expect(w.isGone(ctx)).To(BeTrue())
		Expect(w.told()).To(ContainSubstring("QueueDeleted"))
		again.ResourceVersion, again.UID, again.Finalizers, again.DeletionTimestamp = "", "", nil, nil
		w.create(ctx, again)
		Expect(w.stream(ctx, false)).To(BeNil())
	})

	It("stay with messages in them, until told twice", func(ctx SpecContext) {
		broker, _ := natsServer()
		w := departing(ctx, broker, func(e *v1alpha1.Environment) { e.Spec.Paused = true })
		q := w.stream(ctx, true)
		for range 3 {
			Expect(q.Send(ctx, "", []byte("{}"), nil)).To(Succeed())
		}
		held, err := q.Receive(ctx, 1, time.Second)
		Expect(err).NotTo(HaveOccurred())
		Expect(held).To(HaveLen(1))
		poison, err := q.Receive(ctx, 1, time.Second)
		Expect(err).NotTo(HaveOccurred())
		Expect(q.DeadLetter(ctx, poison[0], "It was poison")).To(Succeed())
		uid := string(w.environment(ctx).UID)
		w.change(ctx, annotate("true"))
		w.delete(ctx)
		w.look(ctx)
		if err := bench.Live.Get(ctx, w.key("blue-a"), w.emptyDeployment()); err == nil {
			w.left(ctx)
		}
		after, _ := w.look(ctx)
		Expect(after).To(Equal(30 * time.Second))
		Expect(w.shows(ctx, terminating)).To(And(HavePrefix("True QueueNotEmpty"), ContainSubstring("1 waiting, 1 in flight, 1 in the dead-letter queue"),
			ContainSubstring("beanpod.dev/delete-queue-messages="+uid), ContainSubstring("deletionPolicy to Retain")))
		Expect(w.told()).To(And(ContainSubstring("Warning QueueNotEmpty"), ContainSubstring("1 in the dead-letter queue")))
		_, writes := w.look(ctx)
		Expect(writes).To(BeEmpty())
		w.change(ctx, annotate(uid))
		w.change(ctx, annotate(""))
		w.look(ctx)
		Expect(w.isGone(ctx)).To(BeFalse())
		w.change(ctx, annotate(uid))
		w.look(ctx)
		Expect(w.isGone(ctx)).To(BeTrue())
		Expect(w.told()).To(ContainSubstring("1 waiting, 1 in flight, 1 in the dead-letter queue"))
	})

	It("wait for a broker that does not answer, and for one that is named no more; Retain lets go", func(ctx SpecContext) {
		broker, stop := natsServer()
		w := departing(ctx, broker)
		Expect(w.stream(ctx, true)).NotTo(BeNil())
		stop()
		w.delete(ctx)
		w.look(ctx)
		w.left(ctx)
		after, _ := w.look(ctx)
		Expect(after).To(Equal(30 * time.Second))
		Expect(w.shows(ctx, terminating)).To(And(HavePrefix("True QueueDeletionFailed"), ContainSubstring("connecting to NATS at "+broker)))
		Expect(w.told()).To(ContainSubstring("Warning QueueDeletionFailed"))
		w.operator.Queue = ""
		w.restart()
		w.look(ctx)
		Expect(w.shows(ctx, terminating)).To(And(HavePrefix("True QueueNotConfigured"), ContainSubstring("queue.url")))
		w.change(ctx, policy("Retain"))
		w.look(ctx)
		Expect(w.isGone(ctx)).To(BeTrue())
	})

	It("are not deleted for an Environment that somebody made again meanwhile", func(ctx SpecContext) {
		broker, _ := natsServer()
		w := departing(ctx, broker)
		Expect(w.stream(ctx, true)).NotTo(BeNil())
		w.delete(ctx)
		w.look(ctx)
		w.left(ctx)
		w.deleter = &meanwhile{Deleter: w.deleter, do: sync.OnceFunc(func() {
			w.change(ctx, func(e *v1alpha1.Environment) { e.Finalizers = nil })
			w.create(ctx, w.web(consuming(v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{DeletionPolicy: "Delete"}})))
		})}
		w.restart()
		w.look(ctx)
		Expect(w.environment(ctx).DeletionTimestamp).To(BeNil())
		Expect(w.stream(ctx, false)).NotTo(BeNil())
	})
})

// meanwhile lets something happen after the operator decided to delete a queue.
type meanwhile struct {
	Deleter
	do func()
}

func (m *meanwhile) Delete(ctx context.Context, s queues.Source, consent queues.Consent) (queue.Depth, error) {
	m.do()
	return m.Deleter.Delete(ctx, s, consent)
}
