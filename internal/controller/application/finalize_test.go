// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

const terminating = v1alpha1.ConditionTerminating

var _ = Describe("deleting an Application", func() {
	var w *world
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		w.create(ctx, testkit.MakeApplication(w.namespace))
		DeferCleanup(func() { bench.Writes.Refuse(nil) })
	})
	begin := func(ctx context.Context) {
		GinkgoHelper()
		w.mustPass(ctx)
		w.told()
		Expect(bench.Client.Delete(ctx, w.application(ctx))).To(Succeed())
	}
	force := func(a *v1alpha1.Application) {
		metav1.SetMetaDataAnnotation(&a.ObjectMeta, v1alpha1.AnnotationForceDelete, "true")
	}
	held := func(e *v1alpha1.Environment) { e.Finalizers = []string{"example.com/busy"} }
	letGo := func(ctx context.Context, name string) {
		GinkgoHelper()
		env := &v1alpha1.Environment{}
		Expect(bench.Live.Get(ctx, w.key(name), env)).To(Succeed())
		env.Finalizers = nil
		Expect(bench.Client.Update(ctx, env)).To(Succeed())
		// The cache waits for the update that was answered, not for the removal that it led to.
		Eventually(func() bool {
			return apierrors.IsNotFound(bench.Client.Get(ctx, w.key(name), &v1alpha1.Environment{}))
		}).WithContext(ctx).Should(BeTrue())
	}

	It("that is empty waits for nothing", func(ctx context.Context) {
		begin(ctx)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
		Expect(w.exists(ctx, "shop", &v1alpha1.Application{})).To(BeFalse())
	})

	It("deletes its versions, and those only", func(ctx context.Context) {
		other := func(v *v1alpha1.ApplicationVersion) { v.Spec.ApplicationRef.Name = "toys" }
		w.create(ctx, testkit.MakeVersion(w.namespace, "v1", "x"), testkit.MakeVersion(w.namespace, "v2", "x"), testkit.MakeVersion(w.namespace, "w1", "x", other))
		begin(ctx)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(ConsistOf("DELETE applicationversions/v1", "DELETE applicationversions/v2", metaWrite))
		Expect(writes[2]).To(Equal(metaWrite), "the finalizer goes last")
		Expect(w.versions(ctx)).To(Equal([]string{"w1"}))
		Expect(w.exists(ctx, "shop", &v1alpha1.Application{})).To(BeFalse())
	})

	It("waits for its Environments and says what to do", func(ctx context.Context) {
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "green", ""), testkit.MakeEnvironment(w.namespace, "blue", ""), testkit.MakeVersion(w.namespace, "v1", "x"))
		begin(ctx)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{statusWrite}))
		app := w.application(ctx)
		want := `EnvironmentsExist: Deletion waits for its Environments: blue, green. Delete them, or set the annotation beanpod.dev/force-delete: "true" to have them deleted.`
		Expect(shows(app, terminating)).To(Equal("True " + want))
		Expect(shows(app, ready)).To(Equal("False Terminating" + strings.TrimPrefix(want, "EnvironmentsExist")))
		Expect(w.told()).To(HaveExactElements(HavePrefix("Warning EnvironmentsExist ")))
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())

		By("deleting them")
		for _, name := range []string{"blue", "green"} {
			Expect(w.versions(ctx)).To(Equal([]string{"v1"}))
			Expect(bench.Client.Delete(ctx, testkit.MakeEnvironment(w.namespace, name, ""))).To(Succeed())
			w.mustPass(ctx)
		}
		Expect(w.versions(ctx)).To(BeEmpty())
		Expect(w.exists(ctx, "shop", &v1alpha1.Application{})).To(BeFalse())
		Expect(w.told()).To(BeEmpty())
	})

	It("deletes the Environments first when it is forced", func(ctx context.Context) {
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", "", held), testkit.MakeEnvironment(w.namespace, "green", ""), testkit.MakeVersion(w.namespace, "v1", "x"))
		begin(ctx)
		w.change(ctx, force)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{"DELETE environments/blue", "DELETE environments/green", statusWrite}))
		Expect(shows(w.application(ctx), terminating)).To(Equal("True EnvironmentsExist: Deletion waits for its Environments: blue, green."))
		w.clock.Ahead = 6 * time.Second
		_, writes = w.mustPass(ctx)
		Expect(writes).To(Equal([]string{statusWrite}), "nothing is deleted twice")
		Expect(shows(w.application(ctx), terminating)).To(Equal("True EnvironmentsExist: Deletion waits for its Environments: blue."))
		Expect(w.versions(ctx)).To(Equal([]string{"v1"}), "versions go after the Environments")
		letGo(ctx, "blue")
		w.mustPass(ctx)
		Expect(w.versions(ctx)).To(BeEmpty())
		Expect(w.exists(ctx, "shop", &v1alpha1.Application{})).To(BeFalse())
	})

	DescribeTable("ignores other values of the annotation", func(ctx context.Context, value string) {
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""))
		begin(ctx)
		w.change(ctx, func(a *v1alpha1.Application) {
			metav1.SetMetaDataAnnotation(&a.ObjectMeta, v1alpha1.AnnotationForceDelete, value)
		})
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{statusWrite}))
	}, Entry(nil, "false"), Entry(nil, ""), Entry(nil, "yes"), Entry(nil, "True"))

	It("does nothing about the annotation as long as the Application is not deleted", func(ctx context.Context) {
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""))
		w.change(ctx, force)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{metaWrite, statusWrite}))
	})

	It("never deletes a protected Environment, but names it", func(ctx context.Context) {
		protect := func(e *v1alpha1.Environment) { e.Spec.TerminationProtection = true }
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""), testkit.MakeEnvironment(w.namespace, "prod", "", protect))
		begin(ctx)
		w.change(ctx, force)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{"DELETE environments/blue", statusWrite}))
		Expect(shows(w.application(ctx), terminating)).To(HaveSuffix("blue, prod. Set spec.terminationProtection to false first in prod."))
		env := &v1alpha1.Environment{}
		Expect(bench.Live.Get(ctx, w.key("prod"), env)).To(Succeed())
		env.Spec.TerminationProtection = false
		Expect(bench.Client.Update(ctx, env)).To(Succeed())
		w.mustPass(ctx)
		w.mustPass(ctx)
		Expect(w.exists(ctx, "shop", &v1alpha1.Application{})).To(BeFalse())
	})

	It("does not delete an Environment that took another's name meanwhile", func(ctx context.Context) {
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""))
		begin(ctx)
		w.change(ctx, force)
		Expect(bench.Settle(ctx)).To(Succeed())
		bench.Writes.Refuse(func(write string) error {
			if write == "DELETE environments/blue" { // between the decision and the request
				bench.Writes.Refuse(nil)
				Expect(bench.Client.Delete(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""))).To(Succeed())
				Expect(bench.Client.Create(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""))).To(Succeed())
			}
			return nil
		})
		w.mustPass(ctx)
		env := &v1alpha1.Environment{}
		Expect(bench.Live.Get(ctx, w.key("blue"), env)).To(Succeed())
		Expect(env.DeletionTimestamp).To(BeNil())
	})

	It("deletes many versions 100 at a time", func(ctx context.Context) {
		for i := range 105 {
			w.create(ctx, testkit.MakeVersion(w.namespace, fmt.Sprintf("v%03d", i), "x"))
		}
		begin(ctx)
		after, _ := w.mustPass(ctx)
		Expect(after).To(Equal(time.Second))
		Expect(shows(w.application(ctx), terminating)).To(HavePrefix("True WaitingForChildren"))
		Expect(w.versions(ctx)).To(HaveLen(5))
		w.mustPass(ctx)
		Expect(w.exists(ctx, "shop", &v1alpha1.Application{})).To(BeFalse())
	})

	It("does not wait for a version that somebody else still holds", func(ctx context.Context) {
		w.create(ctx, testkit.MakeVersion(w.namespace, "v1", "x", func(v *v1alpha1.ApplicationVersion) { v.Finalizers = []string{v1alpha1.FinalizerInUse} }))
		begin(ctx)
		w.mustPass(ctx)
		Expect(w.exists(ctx, "shop", &v1alpha1.Application{})).To(BeFalse())
		Expect(w.versions(ctx)).To(Equal([]string{"v1"}))
	})

	It("survives an interruption at every write", func(ctx context.Context) {
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", ""), testkit.MakeVersion(w.namespace, "v1", "x"), testkit.MakeVersion(w.namespace, "v2", "x"))
		w.change(ctx, force)
		seen := map[string]bool{}
		bench.Writes.Refuse(func(write string) error {
			if strings.HasPrefix(write, "PATCH applications/") || write == "DELETE environments/blue" || strings.HasPrefix(write, "DELETE applicationversions/") {
				if !seen[write] {
					seen[write] = true
					return errors.New("connection lost")
				}
			}
			return nil
		})
		Eventually(func() bool { _, _, err := w.pass(ctx); w.restart(); return err == nil }).Should(BeTrue())
		Expect(bench.Client.Delete(ctx, w.application(ctx))).To(Succeed())
		Eventually(func() bool {
			_, _, _ = w.pass(ctx)
			w.restart()
			return w.exists(ctx, "shop", &v1alpha1.Application{})
		}).Should(BeFalse())
		Expect(seen).To(HaveLen(5), "%v", seen)
		Expect(w.versions(ctx)).To(BeEmpty())
		Expect(w.exists(ctx, "blue", &v1alpha1.Environment{})).To(BeFalse())
	})

	It("in a terminating namespace unwinds in any order", func(ctx context.Context) {
		w.create(ctx, testkit.MakeEnvironment(w.namespace, "blue", "v1", held), testkit.MakeVersion(w.namespace, "v1", "x"))
		w.mustPass(ctx)
		// No namespace controller runs here, so the test plays it: the namespace first, then every object, the Application before
		// what it waits for.
		Expect(bench.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})).To(Succeed())
		for _, o := range []client.Object{testkit.MakeApplication(w.namespace), testkit.MakeVersion(w.namespace, "v1", "x"), testkit.MakeEnvironment(w.namespace, "blue", "")} {
			Expect(bench.Client.Delete(ctx, o)).To(Succeed())
			w.mustPass(ctx)
		}
		Expect(w.exists(ctx, "shop", &v1alpha1.Application{})).To(BeTrue())
		letGo(ctx, "blue")
		w.mustPass(ctx)
		Expect(w.exists(ctx, "shop", &v1alpha1.Application{})).To(BeFalse())
	})
})
