// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// start runs the controller as the manager does, in the spec's namespace, and records what it writes.
func (w *world) start() *testkit.Writes {
	GinkgoHelper()
	writes := &testkit.Writes{}
	testkit.StartManager(GinkgoTB(), writes.Watch(bench.Config), w.namespace, func(mgr ctrl.Manager) error {
		return New(Dependencies{Client: mgr.GetClient(), Recorder: events.NewFakeRecorder(100), Now: w.clock.Now}).
			SetupWithManager(mgr, controller.Options{})
	})
	return writes
}

var _ = Describe("the running controller", func() {
	var w *world
	BeforeEach(func(ctx context.Context) { w = newWorld(ctx) })

	It("refuses missing dependencies", func() {
		Expect(New(Dependencies{}).SetupWithManager(nil, controller.Options{})).To(MatchError("application: a dependency is missing"))
	})

	It("follows versions and Environments", func(ctx context.Context) {
		w.start()
		w.create(ctx, testkit.MakeApplication(w.namespace), testkit.MakeVersion(w.namespace, "v1", "x"), testkit.MakeEnvironment(w.namespace, "blue", "v1"))
		counts := func() v1alpha1.VersionCounts {
			if c := w.application(ctx).Status.Versions; c != nil {
				return *c
			}
			return v1alpha1.VersionCounts{}
		}
		Eventually(counts).Should(Equal(v1alpha1.VersionCounts{Total: 1, InUse: 1, Newest: "v1"}))
		status(ctx, w, "v1", &v1alpha1.ApplicationVersion{}, func(v *v1alpha1.ApplicationVersion) {
			v.Status.Conditions = []metav1.Condition{{Type: ready, Status: "False", Reason: v1alpha1.ReasonFailed, LastTransitionTime: metav1.Now()}}
		})
		status(ctx, w, "blue", &v1alpha1.Environment{}, func(e *v1alpha1.Environment) {
			e.Status.Health = &v1alpha1.Health{Status: v1alpha1.HealthSevere, Color: v1alpha1.ColorRed}
		})
		Eventually(counts).Should(Equal(v1alpha1.VersionCounts{Total: 1, InUse: 1, Failed: 1, Newest: "v1"}))
		Eventually(func() v1alpha1.HealthStatus { return w.application(ctx).Status.Environments[0].Health }).Should(Equal(v1alpha1.HealthSevere))
	})

	It("sweeps when a version comes, deletes when it is forced, and is silent otherwise", func(ctx context.Context) {
		writes := w.start()
		w.create(ctx, testkit.MakeApplication(w.namespace, lifecycleOf(1, 0)), testkit.MakeVersion(w.namespace, "v1", "x"),
			testkit.MakeVersion(w.namespace, "v2", "x"), testkit.MakeEnvironment(w.namespace, "blue", ""))
		Eventually(func() int { return len(w.application(ctx).Status.Environments) }).Should(Equal(1))
		w.create(ctx, testkit.MakeVersion(w.namespace, "v3", "x"))
		Eventually(func() []string { return w.versions(ctx) }).Should(Equal([]string{"v2", "v3"}))
		Eventually(func() string { return w.application(ctx).Status.Versions.Newest }).Should(Equal("v3"))

		time.Sleep(500 * time.Millisecond)
		writes.Take()
		again := w.start()
		time.Sleep(time.Second)
		Expect(append(writes.Take(), again.Take()...)).To(BeEmpty())

		Expect(bench.Client.Delete(ctx, w.application(ctx))).To(Succeed())
		Eventually(func() string { return shows(w.application(ctx), terminating) }).Should(HavePrefix("True EnvironmentsExist"))
		w.change(ctx, func(a *v1alpha1.Application) {
			metav1.SetMetaDataAnnotation(&a.ObjectMeta, v1alpha1.AnnotationForceDelete, "true")
		})
		Eventually(func() bool { return w.exists(ctx, "shop", &v1alpha1.Application{}) }).Should(BeFalse())
		Expect(w.versions(ctx)).To(BeEmpty())
	})
})
