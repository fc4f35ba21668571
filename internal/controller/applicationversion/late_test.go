// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

var _ = Describe("a build whose end comes late", func() {
	var w *world
	BeforeEach(func(ctx context.Context) { w = newWorld(ctx) })

	It("is noted down, and confined no more, when nobody asks any more once it ends", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		job := w.jobs(ctx)[0]
		Expect(bench.Client.Delete(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""))).To(Succeed())
		w.play(ctx, &job, fetched(), fetched(), pushed())
		w.mustPass(ctx, "shop-41")
		Expect(w.version(ctx, "shop-41").Status.Artifacts).To(ConsistOf(And(HaveField("State", v1alpha1.ArtifactBuilt), HaveField("SHA256", artifactSum))))
		var policies networkingv1.NetworkPolicyList
		Expect(bench.Client.List(ctx, &policies, client.InNamespace(w.namespace))).To(Succeed())
		Expect(policies.Items).To(BeEmpty())
	})

	It("is made again by whoever asks again, when its Job went and nobody asked", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		job := w.jobs(ctx)[0]
		Expect(bench.Client.Delete(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""))).To(Succeed())
		Expect(bench.Client.Delete(ctx, &job, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		w.mustPass(ctx, "shop-41")
		Expect(w.version(ctx, "shop-41").Status.Artifacts[0].State).To(BeEmpty())
		Expect(w.jobs(ctx)).To(BeEmpty())
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		Expect(w.jobs(ctx)).To(ConsistOf(HaveField("Name", job.Name)))
	})

	It("keeps the log of a failure later, when it cannot be kept at once", func(ctx context.Context) {
		w.bundles(ctx)
		w.ask(ctx, "blue", "3.11.2")
		w.mustPass(ctx, "shop-41")
		job := w.jobs(ctx)[0]
		stranger := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: job.Name}}
		w.create(ctx, stranger)
		w.play(ctx, &job, fetched(), report.Report{Reason: report.BuildFailed, Error: "pip ended with exit code 1."})
		after, _ := w.mustPass(ctx, "shop-41")
		Expect(after).To(Equal(time.Minute))
		Expect(w.version(ctx, "shop-41").Status.Artifacts[0].LogsRef).To(BeNil())
		Expect(bench.Client.Delete(ctx, stranger)).To(Succeed())
		after, _ = w.mustPass(ctx, "shop-41")
		Expect(after).To(BeZero())
		Expect(w.version(ctx, "shop-41").Status.Artifacts[0].LogsRef).To(Equal(&v1alpha1.LocalReference{Name: job.Name}))
	})
})
