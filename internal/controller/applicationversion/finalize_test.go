// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

var _ = Describe("using a version", func() {
	var w *world
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		reference, _ := w.push("41")
		w.create(ctx, testkit.MakeApplication(w.namespace), testkit.MakeVersion(w.namespace, "shop-41", reference))
		w.mustPass(ctx, "shop-41")
		w.told()
	})

	gone := func(ctx context.Context) {
		GinkgoHelper()
		err := bench.Live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: "shop-41"}, &v1alpha1.ApplicationVersion{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the version is still there: %v", err)
	}
	point := func(ctx context.Context, name, version string) {
		GinkgoHelper()
		env := &v1alpha1.Environment{}
		Expect(bench.Live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, env)).To(Succeed())
		env.Spec.VersionRef = &v1alpha1.LocalReference{Name: version}
		Expect(bench.Client.Update(ctx, env)).To(Succeed())
	}

	It("is held before it is reported, and released after", func(ctx context.Context) {
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", "shop-41"))
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(Equal([]string{"PATCH applicationversions/shop-41", statusOf("shop-41")}))
		ver := w.version(ctx, "shop-41")
		Expect(ver.Finalizers).To(Equal([]string{v1alpha1.FinalizerInUse}))
		Expect(ver.Status.UsedBy).To(Equal([]v1alpha1.VersionUse{{Environment: "blue"}}))
		Expect(ver.Status.Retention).To(Equal(&v1alpha1.VersionRetention{State: "InUse", Reason: "used by blue"}))
		_, writes = w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())

		By("taking the finalizer away")
		ver.Finalizers = nil
		Expect(bench.Client.Update(ctx, ver)).To(Succeed())
		_, writes = w.mustPass(ctx, "shop-41")
		Expect(writes).To(Equal([]string{"PATCH applicationversions/shop-41"}))

		By("using it no more")
		point(ctx, "blue", "shop-42")
		_, writes = w.mustPass(ctx, "shop-41")
		Expect(writes).To(Equal([]string{"PATCH applicationversions/shop-41", statusOf("shop-41")}))
		ver = w.version(ctx, "shop-41")
		Expect(ver.Finalizers).To(BeEmpty())
		Expect(ver.Status.UsedBy).To(BeEmpty())
		Expect(ver.Status.Retention.State).To(Equal(v1alpha1.RetentionKept))
		Expect(w.told()).To(BeEmpty(), "nothing happened to the version itself")
	})

	It("counts whatever an Environment names, runs, deploys or would return to", func(ctx context.Context) {
		w.create(ctx,
			testkit.MakeEnvironment(w.namespace, "e-names", "shop-41"), testkit.MakeEnvironment(w.namespace, "d-runs", "shop-42"),
			testkit.MakeEnvironment(w.namespace, "c-deploys", "shop-42"), testkit.MakeEnvironment(w.namespace, "b-returns", ""),
			testkit.MakeEnvironment(w.namespace, "a-other", "shop-42"))
		w.setEnvironmentStatus(ctx, "d-runs", func(s *v1alpha1.EnvironmentStatus) { s.DeployedVersion = &v1alpha1.DeployedVersion{Name: "shop-41"} })
		w.setEnvironmentStatus(ctx, "c-deploys", func(s *v1alpha1.EnvironmentStatus) { s.TargetVersion = &v1alpha1.LocalReference{Name: "shop-41"} })
		w.setEnvironmentStatus(ctx, "b-returns", func(s *v1alpha1.EnvironmentStatus) { s.LastGoodVersion = &v1alpha1.LocalReference{Name: "shop-41"} })
		w.setEnvironmentStatus(ctx, "a-other", func(s *v1alpha1.EnvironmentStatus) {
			s.FailedVersions = []v1alpha1.FailedVersion{{Name: "shop-40", Reason: "x"}, {Name: "shop-41", Reason: "HealthGateTimeout"}}
		})
		w.mustPass(ctx, "shop-41")
		ver := w.version(ctx, "shop-41")
		Expect(ver.Status.UsedBy).To(Equal([]v1alpha1.VersionUse{
			{Environment: "b-returns"}, {Environment: "c-deploys"}, {Environment: "d-runs"}, {Environment: "e-names"},
		}))
		Expect(ver.Status.FailedIn).To(Equal([]v1alpha1.VersionFailure{{Environment: "a-other", Reason: "HealthGateTimeout"}}))
		Expect(ver.Status.Retention.Reason).To(Equal("used by b-returns, c-deploys, d-runs, e-names"))
	})

	It("lists at most 50 users", func(ctx context.Context) {
		for i := range 53 {
			w.create(ctx, testkit.MakeEnvironment(w.namespace, fmt.Sprintf("e%02d", i), "shop-41"))
		}
		w.mustPass(ctx, "shop-41")
		ver := w.version(ctx, "shop-41")
		Expect(ver.Status.UsedBy).To(HaveLen(50))
		Expect(ver.Status.UsedBy[49].Environment).To(Equal("e49"))
		Expect(ver.Status.Retention.Reason).To(Equal("used by e00, e01, e02, e03, e04 and 48 more"))
	})

	It("delays deletion, says why, and stays deployable meanwhile", func(ctx context.Context) {
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", "shop-41"), testkit.MakeEnvironment(w.namespace, "green", "shop-42"))
		w.setEnvironmentStatus(ctx, "green", func(s *v1alpha1.EnvironmentStatus) { s.DeployedVersion = &v1alpha1.DeployedVersion{Name: "shop-41"} })
		w.mustPass(ctx, "shop-41")
		Expect(bench.Client.Delete(ctx, w.version(ctx, "shop-41"))).To(Succeed())
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(Equal([]string{statusOf("shop-41")}))
		ver := w.version(ctx, "shop-41")
		Expect(shows(ver, v1alpha1.ConditionTerminating)).To(Equal("True InUse: Deletion waits because the version is in use. Name another " +
			"version in spec.versionRef of blue. In green it runs, or a rollback would return to it, until another version is deployed there."))
		Expect(shows(ver, ready)).To(HavePrefix("True Processed"))
		Expect(w.told()).To(HaveExactElements(HavePrefix("Warning InUse Deletion waits")))
		_, writes = w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())

		By("using it no more in one of the two")
		point(ctx, "blue", "shop-42")
		w.mustPass(ctx, "shop-41")
		Expect(shows(w.version(ctx, "shop-41"), v1alpha1.ConditionTerminating)).NotTo(ContainSubstring("blue"))
		Expect(w.told()).To(BeEmpty(), "waiting for fewer is no news")

		By("deleting the other")
		Expect(bench.Client.Delete(ctx, testkit.MakeEnvironment(w.namespace, "green", ""))).To(Succeed())
		_, writes = w.mustPass(ctx, "shop-41")
		Expect(writes).To(Equal([]string{"PATCH applicationversions/shop-41"}))
		gone(ctx)
	})

	It("is not needed for deletion of an unused version, which is not delayed at all", func(ctx context.Context) {
		Expect(bench.Client.Delete(ctx, w.version(ctx, "shop-41"))).To(Succeed())
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())
		gone(ctx)
	})

	It("cannot begin once somebody else holds a deleted version", func(ctx context.Context) {
		ver := w.version(ctx, "shop-41")
		ver.Finalizers = []string{"example.com/backup"}
		Expect(bench.Client.Update(ctx, ver)).To(Succeed())
		Expect(bench.Client.Delete(ctx, ver)).To(Succeed())
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", "shop-41"))
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())
		Expect(w.version(ctx, "shop-41").Finalizers).To(Equal([]string{"example.com/backup"}))
	})
})
