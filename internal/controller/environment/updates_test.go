// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

var _ = Describe("a managed update", func() {
	var w *world
	BeforeEach(func(ctx context.Context) {
		w = newWorld(ctx)
		w.platform(ctx)
		w.bundled(ctx, "b1")
		w.artifact(ctx, "b1", builtAs("3.11.1", "1"))
		w.launched(ctx, func(e *v1alpha1.Environment) {
			e.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: w.namespace}
			e.Spec.VersionRef = &v1alpha1.LocalReference{Name: "b1"}
			e.Spec.Deployment.Version.Policy, e.Spec.Deployment.Version.OnFailure = v1alpha1.PolicyAllAtOnce, v1alpha1.OnFailureIgnore
		})
	})
	// newer makes the platform recommend another version.
	newer := func(ctx context.Context, version, digit string) {
		GinkgoHelper()
		w.list(ctx, func(b *v1alpha1.PlatformBranch) {
			b.Versions = append([]v1alpha1.PlatformVersion{{Version: version, RunImage: "localhost/python:" + digit}}, b.Versions...)
		})
	}
	// managed opens a window every week, for the first time after a while.
	managed := func(ctx context.Context, after time.Duration) {
		GinkgoHelper()
		start := w.clock.Now().Add(after).UTC()
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.ManagedUpdates = &v1alpha1.ManagedUpdates{
				Enabled: true, Window: &v1alpha1.MaintenanceWindow{Day: start.Format("Mon"), Start: start.Format("15:04")},
			}
		})
	}
	slot := func(ctx context.Context, name string) *appsv1.Deployment {
		GinkgoHelper()
		d := &appsv1.Deployment{}
		err := bench.Live.Get(ctx, w.key(name), d)
		if apierrors.IsNotFound(err) {
			return nil
		}
		Expect(err).NotTo(HaveOccurred())
		return d
	}
	// plays the Deployment controller for one slot.
	plays := func(ctx context.Context, name string, available int32, reason string) {
		GinkgoHelper()
		d := slot(ctx, name)
		word, now := corev1.ConditionTrue, metav1.NewTime(w.clock.Now())
		if reason == "ProgressDeadlineExceeded" {
			word = corev1.ConditionFalse
		}
		d.Status = appsv1.DeploymentStatus{
			ObservedGeneration: d.Generation, Replicas: *d.Spec.Replicas, UpdatedReplicas: *d.Spec.Replicas, ReadyReplicas: available, AvailableReplicas: available,
			Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: word, Reason: reason, LastUpdateTime: now, LastTransitionTime: now}},
		}
		Expect(bench.Client.Status().Update(ctx, d)).To(Succeed())
	}
	// succeeds plays the new set in one slot until the other is gone.
	succeeds := func(ctx context.Context, fresh, old string) {
		GinkgoHelper()
		for range 12 {
			if slot(ctx, old) == nil {
				w.mustPass(ctx)
				return
			}
			w.later(11 * time.Second)
			d := slot(ctx, fresh)
			plays(ctx, fresh, *d.Spec.Replicas, "NewReplicaSetAvailable")
			if w.environment(ctx).Status.Deployment.Updated < 2 {
				d = slot(ctx, fresh)
				w.pods(ctx, d)
			}
			w.mustPass(ctx)
		}
		Fail("the old set is still there: " + w.environment(ctx).Status.Deployment.Message)
	}

	It("begins in its window, comes back when it fails, and is tried again in the next one", func(ctx context.Context) {
		newer(ctx, "3.11.2", "2")
		managed(ctx, 24*time.Hour)
		w.mustPass(ctx)
		w.later(2 * time.Hour) // until health has nothing to wait for
		after, _ := w.mustPass(ctx)
		Expect(after).To(And(BeNumerically(">", 21*time.Hour), BeNumerically("<=", 22*time.Hour)))
		Expect(slot(ctx, "blue-b")).To(BeNil())
		Expect(w.shows(ctx, v1alpha1.ConditionPlatformUpToDate)).To(HavePrefix("False UpdateScheduled: Platform version 3.11.2 is installed in the window that opens "))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))

		By("opening the window before the version is built")
		w.later(22*time.Hour + time.Minute)
		w.mustPass(ctx)
		Expect(slot(ctx, "blue-b")).To(BeNil())
		Expect(w.shows(ctx, v1alpha1.ConditionPlatformUpToDate)).To(Equal("False UpdateWaits: Platform version 3.11.2 is due and waits until the version is built for it; 3.11.1 keeps running."))
		Expect(w.environment(ctx).Status.Platform).To(And(HaveField("Version", "3.11.1"), HaveField("UpdateAvailable", "3.11.2")))

		By("building it")
		w.artifact(ctx, "b1", builtAs("3.11.2", "2"))
		w.mustPass(ctx)
		d := slot(ctx, "blue-b")
		Expect(d).NotTo(BeNil())
		Expect(d.Annotations).To(And(HaveKeyWithValue(v1alpha1.AnnotationRolloutType, "PlatformUpdate"), HaveKeyWithValue(v1alpha1.AnnotationPolicy, "Immutable"),
			HaveKeyWithValue(v1alpha1.AnnotationPlatform, w.namespace+"/3.11/3.11.2"), HaveKey(v1alpha1.AnnotationPlatformStamp)))
		Expect(d.Spec.Template.Spec.Containers[0].Image).To(Equal("localhost/python:2"))
		Expect(d.Spec.Template.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationArtifact, "sha256:"+strings.Repeat("2", 64)))
		first := d.Annotations[v1alpha1.AnnotationPlatformStamp]

		By("failing")
		w.later(11 * time.Minute)
		plays(ctx, "blue-b", 0, "ProgressDeadlineExceeded")
		w.mustPass(ctx)
		w.mustPass(ctx)
		w.later(time.Second)
		w.mustPass(ctx)
		Expect(slot(ctx, "blue-b")).To(BeNil())
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		Expect(w.shows(ctx, v1alpha1.ConditionVersionDeployed)).To(Equal("True Deployed: all instances run b1"))
		Expect(w.shows(ctx, v1alpha1.ConditionPlatformUpToDate)).To(HavePrefix("False UpdateFailed: b1 on platform " + w.namespace + "/3.11/3.11.2 failed: "))
		env := w.environment(ctx)
		Expect(env.Status.Deployment).To(And(HaveField("ID", int64(2)), HaveField("Type", v1alpha1.DeploymentPlatformUpdate), HaveField("State", v1alpha1.DeploymentFailed)))
		Expect(env.Status.FailedVersions).To(BeEmpty())
		Expect(env.Status.Platform).To(And(HaveField("Version", "3.11.1"), HaveField("UpdateAvailable", "3.11.2")))

		By("waiting for the next window")
		for range 3 {
			w.later(time.Hour)
			_, writes := w.mustPass(ctx)
			Expect(strings.Join(writes, " ")).NotTo(ContainSubstring("POST"))
			Expect(slot(ctx, "blue-b")).To(BeNil())
		}
		Expect(w.environment(ctx).Status.Platform.Version).To(Equal("3.11.1"))
		Expect(w.shows(ctx, v1alpha1.ConditionPlatformUpToDate)).To(HavePrefix("False UpdateFailed"))
		_, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
		w.later(7*24*time.Hour - 3*time.Hour)
		w.mustPass(ctx)
		d = slot(ctx, "blue-b")
		Expect(d).NotTo(BeNil())
		Expect(d.Annotations).To(And(HaveKeyWithValue(v1alpha1.AnnotationRolloutType, "PlatformUpdate"), HaveKeyWithValue(v1alpha1.AnnotationRolloutID, "3"),
			Not(HaveKeyWithValue(v1alpha1.AnnotationPlatformStamp, first))))
		succeeds(ctx, "blue-b", "blue-a")
		Expect(w.shows(ctx, v1alpha1.ConditionPlatformUpToDate)).To(Equal("True UpToDate: The newest platform version runs."))
		Expect(w.environment(ctx).Status.History[0]).To(And(HaveField("Type", v1alpha1.DeploymentPlatformUpdate), HaveField("Result", v1alpha1.DeploymentSucceeded)))
		w.later(8 * time.Hour)
		w.mustPass(ctx)
		Expect(slot(ctx, "blue-a")).To(BeNil())
	})

	It("comes on request outside the window, once", func(ctx context.Context) {
		newer(ctx, "3.11.2", "2")
		w.artifact(ctx, "b1", builtAs("3.11.2", "2"))
		w.mustPass(ctx)
		Expect(slot(ctx, "blue-b")).To(BeNil())
		Expect(w.shows(ctx, v1alpha1.ConditionPlatformUpToDate)).To(HavePrefix("False UpdateAvailable: Platform version 3.11.2 is available."))
		managed(ctx, 24*time.Hour)
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Annotations = map[string]string{v1alpha1.AnnotationUpdateRequested: "now"}
		})
		w.mustPass(ctx)
		d := slot(ctx, "blue-b")
		Expect(d).NotTo(BeNil())
		Expect(d.Annotations).To(And(HaveKeyWithValue(v1alpha1.AnnotationRolloutType, "PlatformUpdate"), HaveKeyWithValue(v1alpha1.AnnotationPolicy, "Immutable"),
			HaveKeyWithValue(v1alpha1.AnnotationPlatformRequest, "now")))
		w.later(2 * time.Second)
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Operations.Update).To(Equal(&v1alpha1.Operation{Token: "now"}))
		succeeds(ctx, "blue-b", "blue-a")
		Expect(w.environment(ctx).Status.Operations.Update).To(Equal(&v1alpha1.Operation{Token: "now", Completed: true}))

		By("recommending another one, which nobody asked for")
		newer(ctx, "3.11.3", "3")
		w.artifact(ctx, "b1", builtAs("3.11.3", "3"))
		w.mustPass(ctx)
		Expect(slot(ctx, "blue-a")).To(BeNil())
	})
})
