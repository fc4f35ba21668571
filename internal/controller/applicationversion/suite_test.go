// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/registry"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/store"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// The API server, its cache and the image registry are shared; every spec has a namespace and a repository of its own.
var (
	bench    *testkit.Bench
	images   *testkit.Registry
	resolver = registry.New(registry.Options{AllowLoopback: true})
)

func TestApplicationVersion(t *testing.T) {
	bench = testkit.StartBench(t, func(mgr ctrl.Manager) error {
		return addIndexes(context.Background(), mgr.GetFieldIndexer())
	})
	images = testkit.StartRegistry()
	t.Cleanup(images.Close)
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(20 * time.Second) // two busy cores are enough
	RunSpecs(t, "ApplicationVersion")
}

// world is what one spec works with.
type world struct {
	namespace string
	clock     *testkit.Clock
	events    chan string
	operator  settings.Operator
	// store and images are nil unless artifacts become images.
	store  store.Store
	images *registry.Appender
	// crash, when not nil, says before each write whether it fails.
	crash     func() error
	reconcile reconcile.Reconciler
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	namespace, err := bench.MakeNamespace(ctx)
	Expect(err).NotTo(HaveOccurred())
	images.Gate(nil)
	images.Asked()
	w := &world{namespace: namespace, clock: &testkit.Clock{}}
	w.restart()
	return w
}

// restart forgets everything that the operator remembers.
func (w *world) restart() {
	recorder := events.NewFakeRecorder(100)
	w.events = recorder.Events
	c := bench.Client
	if w.crash != nil {
		c = crashing{c, w.crash}
	}
	w.reconcile = reconcile.AsReconciler(bench.Client, New(Dependencies{
		Client: c, Live: bench.Live, Recorder: recorder, Registry: resolver, Logs: logs{}, Operator: w.operator, Now: w.clock.Now,
		Store: w.store, Images: w.images,
	}))
}

func (w *world) create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(bench.Client.Create(ctx, o)).To(Succeed())
	}
}

// push makes an image in the spec's repository and returns its reference and digest.
func (w *world) push(tag string) (reference, digest string) {
	GinkgoHelper()
	digest, err := images.Push(w.namespace + ":" + tag)
	Expect(err).NotTo(HaveOccurred())
	return w.image(tag), digest
}

func (w *world) image(tag string) string { return images.Host + "/" + w.namespace + ":" + tag }

// pass is one pass over one version: its result, its error, and what it wrote.
func (w *world) pass(ctx context.Context, name string) (time.Duration, []string, error) {
	GinkgoHelper()
	Expect(bench.Settle(ctx)).To(Succeed())
	bench.Writes.Take()
	result, err := w.reconcile.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKey{Namespace: w.namespace, Name: name}})
	return result.RequeueAfter, bench.Writes.Take(), err
}

// mustPass is a pass that must succeed.
func (w *world) mustPass(ctx context.Context, name string) (time.Duration, []string) {
	GinkgoHelper()
	after, writes, err := w.pass(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	return after, writes
}

func (w *world) version(ctx context.Context, name string) *v1alpha1.ApplicationVersion {
	GinkgoHelper()
	out := &v1alpha1.ApplicationVersion{}
	Expect(bench.Live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, out)).To(Succeed())
	return out
}

// told returns the events since the last call.
func (w *world) told() []string {
	var out []string
	for {
		select {
		case e := <-w.events:
			out = append(out, e)
		default:
			return out
		}
	}
}

func (w *world) secret(name string, kind corev1.SecretType, key, content string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Type:       kind, Data: map[string][]byte{key: []byte(content)},
	}
}

// setEnvironmentStatus changes the status of an Environment as its own controller would.
func (w *world) setEnvironmentStatus(ctx context.Context, name string, change func(*v1alpha1.EnvironmentStatus)) {
	GinkgoHelper()
	env := &v1alpha1.Environment{}
	Expect(bench.Live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, env)).To(Succeed())
	change(&env.Status)
	Expect(bench.Client.Status().Update(ctx, env)).To(Succeed())
}

// shows is a condition's status, reason and message in one line, or empty.
func shows(ver *v1alpha1.ApplicationVersion, kind string) string {
	c := condition.Find(ver.Status.Conditions, kind)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason + ": " + c.Message
}

func withSecret(name string) func(*v1alpha1.ApplicationVersion) {
	return func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source.Image.PullSecretRef = &v1alpha1.LocalReference{Name: name}
	}
}

func withLabel(text string) func(*v1alpha1.ApplicationVersion) {
	return func(v *v1alpha1.ApplicationVersion) { v.Spec.Label = text }
}
