// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// The API server and its cache are shared; every spec has a namespace of its own.
var bench *testkit.Bench

func TestApplication(t *testing.T) {
	bench = testkit.StartBench(t, func(mgr ctrl.Manager) error {
		return addIndexes(context.Background(), mgr.GetFieldIndexer())
	})
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(20 * time.Second) // two busy cores are enough
	RunSpecs(t, "Application")
}

// world is what one spec works with.
type world struct {
	namespace string
	clock     *testkit.Clock
	events    chan string
	reconcile reconcile.Reconciler
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	namespace, err := bench.MakeNamespace(ctx)
	Expect(err).NotTo(HaveOccurred())
	w := &world{namespace: namespace, clock: &testkit.Clock{}}
	w.restart()
	return w
}

// restart forgets everything that the operator remembers.
func (w *world) restart() {
	recorder := events.NewFakeRecorder(100)
	w.events = recorder.Events
	w.reconcile = reconcile.AsReconciler(bench.Client, New(Dependencies{Client: bench.Client, Recorder: recorder, Now: w.clock.Now}))
}

func (w *world) create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(bench.Client.Create(ctx, o)).To(Succeed())
	}
}

func (w *world) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespace, Name: name}
}

// pass is one pass over the Application shop: its result, its error, and what it wrote.
func (w *world) pass(ctx context.Context) (time.Duration, []string, error) {
	GinkgoHelper()
	Expect(bench.Settle(ctx)).To(Succeed())
	bench.Writes.Take()
	result, err := w.reconcile.Reconcile(ctx, ctrl.Request{NamespacedName: w.key("shop")})
	return result.RequeueAfter, bench.Writes.Take(), err
}

// mustPass is a pass that must succeed.
func (w *world) mustPass(ctx context.Context) (time.Duration, []string) {
	GinkgoHelper()
	after, writes, err := w.pass(ctx)
	Expect(err).NotTo(HaveOccurred())
	return after, writes
}

func (w *world) application(ctx context.Context) *v1alpha1.Application {
	GinkgoHelper()
	out := &v1alpha1.Application{}
	Expect(bench.Live.Get(ctx, w.key("shop"), out)).To(Succeed())
	return out
}

// change edits the Application as a user would.
func (w *world) change(ctx context.Context, edit func(*v1alpha1.Application)) {
	GinkgoHelper()
	app := w.application(ctx)
	edit(app)
	Expect(bench.Client.Update(ctx, app)).To(Succeed())
}

// status changes the status of an object as its own controller would.
func status[T client.Object](ctx context.Context, w *world, name string, obj T, edit func(T)) {
	GinkgoHelper()
	Expect(bench.Live.Get(ctx, w.key(name), obj)).To(Succeed())
	edit(obj)
	Expect(bench.Client.Status().Update(ctx, obj)).To(Succeed())
}

// exists says whether an object is there, deleted or not.
func (w *world) exists(ctx context.Context, name string, obj client.Object) bool {
	GinkgoHelper()
	err := bench.Live.Get(ctx, w.key(name), obj)
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	return !apierrors.IsNotFound(err)
}

// versions lists the names of the versions that exist.
func (w *world) versions(ctx context.Context) []string {
	GinkgoHelper()
	var list v1alpha1.ApplicationVersionList
	Expect(bench.Live.List(ctx, &list, client.InNamespace(w.namespace))).To(Succeed())
	var out []string
	for _, v := range list.Items {
		out = append(out, v.Name)
	}
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

// shows is a condition's status, reason and message in one line, or empty.
func shows(app *v1alpha1.Application, kind string) string {
	c := condition.Find(app.Status.Conditions, kind)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason + ": " + c.Message
}
