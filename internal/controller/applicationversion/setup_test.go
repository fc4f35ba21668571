// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// start runs the controller as the manager does, in the spec's namespace, and records what it writes.
func (w *world) start() *testkit.Writes {
	GinkgoHelper()
	writes := &testkit.Writes{}
	testkit.StartManager(GinkgoTB(), writes.Watch(bench.Config), w.namespace, func(mgr ctrl.Manager) error {
		return New(Dependencies{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: events.NewFakeRecorder(100), Registry: resolver, Logs: logs{}, Operator: w.operator, Now: w.clock.Now,
			Store: w.store, Images: w.images,
		}).SetupWithManager(mgr, controller.Options{MaxConcurrentReconciles: 4})
	})
	return writes
}

var _ = Describe("the running controller", func() {
	var w *world
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		w.create(ctx, testkit.MakeApplication(w.namespace))
	})

	show := func(ctx context.Context, name, kind string) func() string {
		return func() string { return shows(w.version(ctx, name), kind) }
	}

	It("refuses missing dependencies", func() {
		Expect(New(Dependencies{}).SetupWithManager(nil, controller.Options{})).To(MatchError("applicationversion: a dependency is missing"))
	})

	It("wakes a version when its pull Secret comes, and only then", func(ctx context.Context) {
		reference, _ := w.push("41")
		w.start()
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", reference, withSecret("regcred")))
		Eventually(show(ctx, "shop-41", ready)).Should(HavePrefix("False Failed: Secret regcred"))
		w.create(ctx, w.secret("other", corev1.SecretTypeOpaque, "x", "y"))
		Consistently(show(ctx, "shop-41", ready)).WithTimeout(300 * time.Millisecond).Should(HavePrefix("False Failed"))
		secret := w.secret("regcred", corev1.SecretTypeOpaque, "x", "y")
		w.create(ctx, secret)
		Eventually(show(ctx, "shop-41", ready)).Should(ContainSubstring(`has type "Opaque"`))
		Expect(bench.Client.Delete(ctx, secret)).To(Succeed())
		w.create(ctx, w.secret("regcred", corev1.SecretTypeDockerConfigJson, corev1.DockerConfigJsonKey, `{"auths":{}}`))
		Eventually(show(ctx, "shop-41", ready)).Should(HavePrefix("True Processed"))
	})

	It("wakes versions when their Application comes", func(ctx context.Context) {
		reference, _ := w.push("41")
		w.start()
		w.create(ctx, testkit.MakeVersion(w.namespace, "toys-1", reference, func(v *v1alpha1.ApplicationVersion) { v.Spec.ApplicationRef.Name = "toys" }))
		Eventually(show(ctx, "toys-1", ready)).Should(HavePrefix("False ApplicationNotFound"))
		w.create(ctx, testkit.MakeApplication(w.namespace, func(a *v1alpha1.Application) { a.Name = "toys" }))
		Eventually(show(ctx, "toys-1", ready)).Should(HavePrefix("True Processed"))
	})

	It("wakes the next version when a label becomes free", func(ctx context.Context) {
		reference, _ := w.push("41")
		w.start()
		w.create(ctx, testkit.MakeVersion(w.namespace, "a", reference, withLabel("41")), testkit.MakeVersion(w.namespace, "b", reference, withLabel("41")))
		states := func() []string {
			var out []string
			for _, name := range []string{"a", "b"} {
				state, _, _ := strings.Cut(show(ctx, name, ready)(), ":")
				out = append(out, state)
			}
			return out
		}
		Eventually(states).Should(ConsistOf("True Processed", "False LabelConflict"))
		holder, other := "a", "b"
		if states()[1] == "True Processed" {
			holder, other = other, holder
		}
		Expect(bench.Client.Delete(ctx, w.version(ctx, holder))).To(Succeed())
		Eventually(show(ctx, other, ready)).Should(HavePrefix("True Processed"))
	})

	It("follows Environments, and lets a deleted version go after the last", func(ctx context.Context) {
		reference, _ := w.push("41")
		w.start()
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", reference), testkit.MakeEnvironment(w.namespace, "blue", "shop-41"))
		Eventually(func() []v1alpha1.VersionUse { return w.version(ctx, "shop-41").Status.UsedBy }).Should(HaveLen(1))
		Expect(bench.Client.Delete(ctx, w.version(ctx, "shop-41"))).To(Succeed())
		Eventually(show(ctx, "shop-41", v1alpha1.ConditionTerminating)).Should(HavePrefix("True InUse"))
		Expect(bench.Client.Delete(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""))).To(Succeed())
		Eventually(func() bool {
			return apierrors.IsNotFound(bench.Live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: "shop-41"}, &v1alpha1.ApplicationVersion{}))
		}).Should(BeTrue())
	})

	It("costs two writes for a used version, and none when idle or restarted", func(ctx context.Context) {
		reference, _ := w.push("41")
		writes := w.start()
		w.create(ctx, testkit.MakeVersion(w.namespace, "shop-41", reference), testkit.MakeVersion(w.namespace, "missing", w.image("42")))
		Eventually(show(ctx, "shop-41", ready)).Should(HavePrefix("True"))
		Eventually(show(ctx, "missing", ready)).Should(HavePrefix("False Failed"))
		Expect(writes.Take()).To(ConsistOf(statusOf("shop-41"), statusOf("missing")))
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", "shop-41"))
		Eventually(func() []v1alpha1.VersionUse { return w.version(ctx, "shop-41").Status.UsedBy }).Should(HaveLen(1))
		w.setEnvironmentStatus(ctx, "blue", func(s *v1alpha1.EnvironmentStatus) { s.TargetVersion = &v1alpha1.LocalReference{Name: "shop-41"} })
		time.Sleep(500 * time.Millisecond)
		Expect(writes.Take()).To(Equal([]string{"PATCH applicationversions/shop-41", statusOf("shop-41")}))

		again := w.start()
		time.Sleep(time.Second)
		Expect(append(writes.Take(), again.Take()...)).To(BeEmpty())
	})
})
