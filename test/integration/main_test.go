// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration starts the operator, as its own ServiceAccount, against a real API server and a real controller manager,
// and follows whole stories. Tests that count requests or restart the operator run one after another; the others share one
// operator.
package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

const (
	// patience is for a slow machine; nothing is measured with it.
	patience = 60 * time.Second
	step     = 50 * time.Millisecond
	// domain is the operator's base domain.
	domain = "apps.example.com"
	// lease is what its leader holds.
	lease = "beanpod.beanpod.dev"
)

// fixture is the one cluster of this package, started by the first test.
var fixture struct {
	once     sync.Once
	cluster  *testkit.Cluster
	registry *testkit.Registry
	admin    client.Client
	err      error
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	if os.Getenv("BEANPOD_TEST_LOG") != "" {
		log.SetLogger(funcr.New(func(prefix, args string) { fmt.Fprintln(os.Stderr, prefix, args) }, funcr.Options{}))
	}
	code := m.Run()
	if fixture.registry != nil {
		fixture.registry.Close()
	}
	if fixture.cluster != nil {
		if err := fixture.cluster.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the cluster:", err)
		}
	}
	os.Exit(code)
}

// world is what one story works with: a namespace of its own, and an administrator's client.
type world struct {
	Gomega
	t         testing.TB
	ctx       context.Context
	namespace string
	client.Client
	cluster  *testkit.Cluster
	registry *testkit.Registry
	// private keeps environments without a host, because many stories use the same names.
	private bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	if os.Getenv(testkit.AssetsVariable) == "" {
		t.Skipf("%s is not set: no API server to test against (make test-integration sets it)", testkit.AssetsVariable)
	}
	fixture.once.Do(func() {
		if fixture.cluster, fixture.err = testkit.StartCluster(); fixture.err != nil {
			return
		}
		scheme, err := controller.Scheme()
		if err != nil {
			fixture.err = err
			return
		}
		fixture.admin, fixture.err = client.New(fixture.cluster.Config, client.Options{Scheme: scheme})
		fixture.registry = testkit.StartRegistry()
	})
	if fixture.err != nil {
		t.Fatalf("starting the cluster: %v", fixture.err)
	}
	w := &world{
		Gomega: NewWithT(t), t: t, ctx: context.Background(), Client: fixture.admin, cluster: fixture.cluster, registry: fixture.registry,
	}
	w.SetDefaultEventuallyTimeout(patience)
	w.SetDefaultEventuallyPollingInterval(step)
	w.namespace = w.makeNamespace("story-")
	return w
}

// makeNamespace makes a namespace that holds pods to the strictest level.
func (w *world) makeNamespace(prefix string) string {
	w.t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: prefix, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	w.Expect(w.Create(w.ctx, ns)).To(Succeed())
	return ns.Name
}

// operator is a started manager.
type operator struct {
	t    testing.TB
	stop context.CancelFunc
	done chan error
	// Elected is closed once it leads.
	elected <-chan struct{}
	// synced waits until its caches are filled.
	synced func(context.Context) bool
}

// startOperator starts the operator with production options and waits until it leads and its caches are filled.
func startOperator(t testing.TB, config *rest.Config) *operator {
	t.Helper()
	o := launchOperator(t, config)
	o.lead()
	return o
}

// launchOperator starts it, and does not wait.
func launchOperator(t testing.TB, config *rest.Config) *operator {
	t.Helper()
	return launchIn(t, config, "")
}

// launchIn starts one that looks after a single namespace, so that several can live side by side; empty: after all.
func launchIn(t testing.TB, config *rest.Config, namespace string, tweaks ...func(*controller.Options)) *operator {
	t.Helper()
	scheme, err := controller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	options := controller.Options{Operator: settings.Operator{BaseDomain: domain}, AllowLoopbackRegistry: true}
	for _, tweak := range tweaks {
		tweak(&options)
	}
	lease := lease
	if namespace != "" {
		options.Namespaces, lease = []string{namespace}, namespace+"."+lease
	}
	base, err := controller.ManagerOptions(options, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		LeaderElection: true, LeaderElectionID: lease, LeaderElectionNamespace: testkit.OperatorNamespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	// Several operators live in this process, one after another.
	skip := true
	base.Controller.SkipNameValidation = &skip
	mgr, err := ctrl.NewManager(config, base)
	if err != nil {
		t.Fatalf("making the manager: %v", err)
	}
	if err := controller.Setup(mgr, options); err != nil {
		t.Fatalf("setting up the controllers: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := &operator{t: t, stop: cancel, done: make(chan error, 1), elected: mgr.Elected(), synced: mgr.GetCache().WaitForCacheSync}
	go func() {
		o.done <- mgr.Start(ctx)
		close(o.done)
	}()
	t.Cleanup(o.Stop)
	return o
}

func (o *operator) lead() {
	o.t.Helper()
	select {
	case <-o.elected:
	case err := <-o.done:
		o.t.Fatalf("the operator ended: %v", err)
	case <-time.After(patience):
		o.t.Fatal("the operator was not elected")
	}
}

// Stop ends it and waits until it is gone.
func (o *operator) Stop() {
	o.stop()
	<-o.done
}

// forgetLeader takes the lease from an operator of one namespace that crashed, so that nobody waits until it expires.
func (w *world) forgetLeader() {
	w.t.Helper()
	held := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: testkit.OperatorNamespace, Name: w.namespace + "." + lease}}
	w.Expect(client.IgnoreNotFound(w.Delete(w.ctx, held))).To(Succeed())
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, o := range objects {
		w.Expect(w.Create(w.ctx, o)).To(Succeed())
	}
}

// shop makes the Application and two versions of it, and waits until both can be deployed.
func (w *world) shop() {
	w.t.Helper()
	w.create(testkit.MakeApplication(w.namespace), w.version("v1"), w.version("v2"))
	for _, name := range []string{"v1", "v2"} {
		w.Eventually(func() bool {
			var ver v1alpha1.ApplicationVersion
			return w.Get(w.ctx, w.key(name), &ver) == nil && condition.IsTrue(ver.Status.Conditions, v1alpha1.ConditionReady)
		}).Should(BeTrue(), "version %s is processed", name)
	}
}

// version is one whose image the node has.
func (w *world) version(name string) *v1alpha1.ApplicationVersion {
	return testkit.MakeVersion(w.namespace, name, "shop:"+name, func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source.Image.PullPolicy = v1alpha1.PullNever
	})
}

func (w *world) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespace, Name: name}
}

// web is a WebServer environment of a fixed size whose instances count as soon as they are ready.
func (w *world) web(name string, tweaks ...func(*v1alpha1.Environment)) *v1alpha1.Environment {
	zero := int32(0)
	return testkit.MakeEnvironment(w.namespace, name, "v1", append([]func(*v1alpha1.Environment){func(e *v1alpha1.Environment) {
		e.Spec.Tier = v1alpha1.TierWebServer
		e.Spec.Capacity = &v1alpha1.Capacity{Autoscaling: &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingNone}}
		e.Spec.Deployment = &v1alpha1.Deployment{Version: &v1alpha1.DeploymentSettings{HealthGate: &v1alpha1.HealthGate{Seconds: &zero}}}
		if w.private {
			e.Spec.Routing = &v1alpha1.Routing{Type: v1alpha1.RoutingNone}
		}
	}}, tweaks...)...)
}

// scaled lets an autoscaler own the number.
func scaled(least, most int32) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Capacity = &v1alpha1.Capacity{Min: &least, Max: &most}
	}
}

// fixed makes the number the user's.
func fixed(n int32) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Capacity = &v1alpha1.Capacity{Desired: &n, Autoscaling: &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingNone}}
	}
}

func (w *world) environment(name string) *v1alpha1.Environment {
	w.t.Helper()
	env := &v1alpha1.Environment{}
	w.Expect(w.Get(w.ctx, w.key(name), env)).To(Succeed())
	return env
}

// change edits an environment as a user would.
func (w *world) change(name string, edit func(*v1alpha1.Environment)) {
	w.t.Helper()
	w.Eventually(func() error {
		env := w.environment(name)
		edit(env)
		return w.Update(w.ctx, env)
	}).Should(Succeed())
}

// shows is a condition as "status reason: message", or what keeps it from being current.
func shows(env *v1alpha1.Environment, kind string) string {
	c := condition.Find(env.Status.Conditions, kind)
	switch {
	case env.Status.ObservedGeneration != env.Generation:
		return fmt.Sprintf("(of generation %d, now %d)", env.Status.ObservedGeneration, env.Generation)
	case c == nil:
		return "(absent)"
	default:
		return string(c.Status) + " " + c.Reason + ": " + c.Message
	}
}

// told is a function that reads a condition of an environment again and again.
func (w *world) told(name, kind string) func() string {
	return func() string {
		env := &v1alpha1.Environment{}
		if err := w.Get(w.ctx, w.key(name), env); err != nil {
			return err.Error()
		}
		return shows(env, kind)
	}
}

// ready waits until an environment is ready.
func (w *world) ready(name string) *v1alpha1.Environment {
	w.t.Helper()
	w.Eventually(w.told(name, v1alpha1.ConditionReady)).Should(HavePrefix("True Ready"), "environment %s", name)
	return w.environment(name)
}

// events are those about an environment, as "Reason: note".
func (w *world) events(name string) func() []string {
	return func() []string {
		var list eventsv1.EventList
		if err := w.List(w.ctx, &list, client.InNamespace(w.namespace)); err != nil {
			return []string{err.Error()}
		}
		var out []string
		for _, e := range list.Items {
			if e.Regarding.Name == name {
				out = append(out, e.Reason+": "+e.Note)
			}
		}
		return out
	}
}

// sweep deletes what a story made, so that the next operator finds nothing of it.
func (w *world) sweep() {
	w.t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	w.Expect(client.IgnoreNotFound(w.Delete(w.ctx, ns))).To(Succeed())
}

func oneLine(list []string) string { return strings.Join(list, "\n") }
