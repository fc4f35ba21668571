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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

const (
	ready       = v1alpha1.ConditionReady
	limit       = v1alpha1.ConditionVersionsWithinLimit
	metaWrite   = "PATCH applications/shop"
	statusWrite = "PATCH applications/shop/status"
)

// lifecycleOf sets a version lifecycle; zero leaves a rule out.
func lifecycleOf(maxCount, maxAgeDays int32) func(*v1alpha1.Application) {
	return func(a *v1alpha1.Application) {
		a.Spec.VersionLifecycle = &v1alpha1.VersionLifecycle{}
		if maxCount > 0 {
			a.Spec.VersionLifecycle.MaxCount = &maxCount
		}
		if maxAgeDays > 0 {
			a.Spec.VersionLifecycle.MaxAgeDays = &maxAgeDays
		}
	}
}

var _ = Describe("an Application", func() {
	var w *world
	BeforeEach(func(ctx context.Context) { w = newWorld(ctx) })

	It("that is empty costs one write", func(ctx context.Context) {
		w.create(ctx, testkit.MakeApplication(w.namespace))
		after, writes := w.mustPass(ctx)
		Expect(after).To(BeZero())
		Expect(writes).To(Equal([]string{statusWrite}))
		app := w.application(ctx)
		Expect(shows(app, ready)).To(Equal("True Accepted: Versions and Environments can name this Application."))
		Expect(shows(app, limit)).To(Equal("True NoLimit: spec.versionLifecycle is not set: every version is kept."))
		Expect(app.Status.ObservedGeneration).To(Equal(app.Generation))
		Expect(app.Status.Versions).To(Equal(&v1alpha1.VersionCounts{}))
		Expect(app.Finalizers).To(BeEmpty())
		w.restart()
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
	})

	It("counts its versions and lists its Environments", func(ctx context.Context) {
		other := func(v *v1alpha1.ApplicationVersion) { v.Spec.ApplicationRef.Name = "toys" }
		w.create(ctx, testkit.MakeApplication(w.namespace),
			testkit.MakeVersion(w.namespace, "v1", "x"), testkit.MakeVersion(w.namespace, "v2", "x"), testkit.MakeVersion(w.namespace, "v3", "x"),
			testkit.MakeVersion(w.namespace, "v4", "x"), testkit.MakeVersion(w.namespace, "w1", "x", other),
			testkit.MakeEnvironment(w.namespace, "green", "v2"), testkit.MakeEnvironment(w.namespace, "blue", "v2"),
			testkit.MakeEnvironment(w.namespace, "toys", "v3", func(e *v1alpha1.Environment) { e.Spec.ApplicationRef.Name = "toys" }))
		status(ctx, w, "v1", &v1alpha1.ApplicationVersion{}, func(v *v1alpha1.ApplicationVersion) {
			v.Status.Conditions = []metav1.Condition{{Type: ready, Status: "False", Reason: v1alpha1.ReasonFailed, LastTransitionTime: metav1.Now()}}
		})
		status(ctx, w, "v3", &v1alpha1.ApplicationVersion{}, func(v *v1alpha1.ApplicationVersion) {
			v.Status.UsedBy = []v1alpha1.VersionUse{{Environment: "toys"}}
		})
		status(ctx, w, "blue", &v1alpha1.Environment{}, func(e *v1alpha1.Environment) {
			e.Status.DeployedVersion = &v1alpha1.DeployedVersion{Name: "v1"}
			e.Status.Health = &v1alpha1.Health{Status: v1alpha1.HealthOk, Color: v1alpha1.ColorGreen}
		})
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{metaWrite, statusWrite}))
		app := w.application(ctx)
		Expect(app.Finalizers).To(Equal([]string{v1alpha1.FinalizerApplication}))
		Expect(app.Status.Versions).To(Equal(&v1alpha1.VersionCounts{Total: 4, InUse: 3, Failed: 1, Newest: "v4"}))
		Expect(app.Status.Environments).To(Equal([]v1alpha1.EnvironmentSummary{
			{Name: "blue", Tier: v1alpha1.TierBackground, Version: "v1", Health: v1alpha1.HealthOk}, {Name: "green", Tier: v1alpha1.TierBackground},
		}))
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
	})

	It("lists at most 50 Environments, by name", func(ctx context.Context) {
		w.create(ctx, testkit.MakeApplication(w.namespace))
		for i := range 52 {
			w.create(ctx, testkit.MakeEnvironment(w.namespace, fmt.Sprintf("e%02d", 51-i), ""))
		}
		w.mustPass(ctx)
		listed := w.application(ctx).Status.Environments
		Expect(listed).To(HaveLen(50))
		Expect(listed[0].Name + listed[49].Name).To(Equal("e00e49"))
	})

	It("lets counts wait 5 seconds after a write, but not transitions", func(ctx context.Context) {
		w.clock.Stopped = time.Now()
		w.create(ctx, testkit.MakeApplication(w.namespace))
		w.mustPass(ctx)
		w.create(ctx, testkit.MakeVersion(w.namespace, "v1", "x"))
		w.clock.Ahead = 2 * time.Second
		after, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{metaWrite}))
		Expect(after).To(Equal(3 * time.Second))
		w.change(ctx, lifecycleOf(10, 0))
		_, writes = w.mustPass(ctx)
		Expect(writes).To(Equal([]string{statusWrite}))
		w.create(ctx, testkit.MakeVersion(w.namespace, "v2", "x"))
		w.clock.Ahead = 7 * time.Second
		_, writes = w.mustPass(ctx)
		Expect(writes).To(Equal([]string{statusWrite}))
		Expect(w.application(ctx).Status.Versions.Total).To(BeEquivalentTo(2))
	})
})

var _ = Describe("the version lifecycle", func() {
	var w *world
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		DeferCleanup(func() { bench.Writes.Refuse(nil) })
	})
	make := func(ctx context.Context, n int) {
		GinkgoHelper()
		for i := range n {
			w.create(ctx, testkit.MakeVersion(w.namespace, fmt.Sprintf("v%03d", i+1), "x"))
		}
	}

	It("deletes what is over the limit, tells it once, and then rests", func(ctx context.Context) {
		w.create(ctx, testkit.MakeApplication(w.namespace, lifecycleOf(2, 0)), testkit.MakeEnvironment(w.namespace, "blue", "v001"))
		make(ctx, 6)
		after, writes := w.mustPass(ctx)
		Expect(after).To(BeZero(), "a count does not expire")
		Expect(writes).To(Equal([]string{
			metaWrite, "DELETE applicationversions/v002", "DELETE applicationversions/v003", "DELETE applicationversions/v004", statusWrite,
		}))
		Expect(w.versions(ctx)).To(Equal([]string{"v001", "v005", "v006"}))
		app := w.application(ctx)
		Expect(app.Status.Versions).To(Equal(&v1alpha1.VersionCounts{Total: 3, InUse: 1, Newest: "v006"}))
		Expect(shows(app, limit)).To(Equal("True WithinLimit: Versions are kept up to 2 besides the newest. The newest, those in use and the " +
			"last good ones stay in any case."))
		Expect(w.told()).To(Equal([]string{"Normal VersionsDeleted The version lifecycle deleted 3 versions: v002, v003, v004."}))
		w.restart()
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
	})

	It("looks again when the next version grows too old, at the latest after an hour", func(ctx context.Context) {
		w.create(ctx, testkit.MakeApplication(w.namespace, lifecycleOf(0, 1)))
		make(ctx, 1)
		after, _ := w.mustPass(ctx)
		Expect(after).To(BeZero(), "the newest stays for ever")
		time.Sleep(1100 * time.Millisecond)
		w.create(ctx, testkit.MakeVersion(w.namespace, "v002", "x"))
		first := &v1alpha1.ApplicationVersion{}
		Expect(bench.Live.Get(ctx, w.key("v001"), first)).To(Succeed())
		w.clock.Stopped = first.CreationTimestamp.Time
		w.clock.Ahead = 10 * time.Second
		after, _ = w.mustPass(ctx)
		Expect(after).To(Equal(time.Hour))
		w.clock.Ahead = 24*time.Hour - 30*time.Second
		after, _ = w.mustPass(ctx)
		Expect(after).To(Equal(30 * time.Second))
		Expect(w.versions(ctx)).To(Equal([]string{"v001", "v002"}))
		w.clock.Ahead = 24 * time.Hour
		w.mustPass(ctx)
		Expect(w.versions(ctx)).To(Equal([]string{"v002"}))
	})

	It("deletes at most 100 at a time", func(ctx context.Context) {
		w.create(ctx, testkit.MakeApplication(w.namespace, lifecycleOf(1, 0)))
		make(ctx, 105)
		w.mustPass(ctx)
		app := w.application(ctx)
		Expect(app.Status.Versions).To(Equal(&v1alpha1.VersionCounts{Total: 5, Evictable: 3, Newest: "v105"}))
		Expect(shows(app, limit)).To(HavePrefix("False OverLimit"))
		Expect(w.told()).To(HaveExactElements(HaveSuffix("v009, v010 and 90 more.")))
		w.mustPass(ctx)
		app = w.application(ctx)
		Expect(app.Status.Versions).To(Equal(&v1alpha1.VersionCounts{Total: 2, Newest: "v105"}))
		Expect(shows(app, limit)).To(HavePrefix("True WithinLimit"))
	})

	It("leaves a version alone that changed since it was judged", func(ctx context.Context) {
		w.create(ctx, testkit.MakeApplication(w.namespace, lifecycleOf(1, 0)))
		make(ctx, 3)
		w.mustPass(ctx)
		Expect(w.versions(ctx)).To(Equal([]string{"v002", "v003"}))
		w.create(ctx, testkit.MakeVersion(w.namespace, "v004", "x"))
		Expect(bench.Settle(ctx)).To(Succeed())
		bench.Writes.Refuse(func(write string) error {
			if strings.HasPrefix(write, "DELETE") { // somebody is quicker
				bench.Writes.Refuse(nil)
				v := &v1alpha1.ApplicationVersion{}
				Expect(bench.Live.Get(ctx, w.key("v002"), v)).To(Succeed())
				v.Labels = map[string]string{"touched": "true"}
				Expect(bench.Client.Update(ctx, v)).To(Succeed())
			}
			return nil
		})
		after, _ := w.mustPass(ctx)
		Expect(after).To(Equal(5 * time.Second))
		Expect(w.versions(ctx)).To(ContainElement("v002"))
		Expect(shows(w.application(ctx), limit)).To(HavePrefix("False OverLimit"))
		w.mustPass(ctx)
		Expect(w.versions(ctx)).To(Equal([]string{"v003", "v004"}))
	})

	It("tells when it cannot delete, and goes on later", func(ctx context.Context) {
		w.create(ctx, testkit.MakeApplication(w.namespace, lifecycleOf(1, 0)))
		make(ctx, 4)
		bench.Writes.Refuse(func(write string) error {
			if write == "DELETE applicationversions/v002" {
				return errors.New("not allowed")
			}
			return nil
		})
		_, _, err := w.pass(ctx)
		Expect(err).To(MatchError(ContainSubstring("deleting ApplicationVersion v002")))
		app := w.application(ctx)
		Expect(shows(app, ready)).To(HavePrefix("False Retrying: deleting ApplicationVersion v002"))
		Expect(app.Status.Versions).To(Equal(&v1alpha1.VersionCounts{Total: 3, Evictable: 1, Newest: "v004"}))
		bench.Writes.Refuse(nil)
		w.mustPass(ctx)
		Expect(shows(w.application(ctx), ready)).To(HavePrefix("True Accepted"))
		Expect(w.versions(ctx)).To(Equal([]string{"v003", "v004"}))
	})
})
