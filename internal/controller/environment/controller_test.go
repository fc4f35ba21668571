// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"errors"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

const status = "PATCH environments/blue/status"

var _ = Describe("Launching", func() {
	It("makes the children first, and tells nobody for a second", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.create(ctx, w.web())
		after, writes := w.mustPass(ctx)
		Expect(writes).To(ConsistOf("PATCH deployments/blue-a", "PATCH services/blue", "PATCH serviceaccounts/blue",
			"PATCH networkpolicies/blue", "PATCH poddisruptionbudgets/blue", Equal("POST controllerrevisions")))
		Expect(after).To(And(BeNumerically(">", 0), BeNumerically("<=", time.Second)))
		Expect(w.told()).To(BeEmpty())

		w.later(time.Second)
		_, writes = w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("Unknown Launching"))
		Expect(w.shows(ctx, v1alpha1.ConditionReconciling)).To(HavePrefix("True Launching"))
		Expect(w.told()).To(ContainSubstring("DeploymentStarted Deployment 1 (Version, RollingWithAdditionalBatch) of v1 started"))
	})

	It("is over with one write once every instance is available", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.create(ctx, w.web())
		w.mustPass(ctx)
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))
		env := w.environment(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		Expect(env.Status.DeployedVersion.Name).To(Equal("v1"))
		Expect(env.Status.Deployment.State).To(Equal(v1alpha1.DeploymentSucceeded))
		Expect(env.Status.History).To(HaveLen(1))
		Expect(env.Status.Selector).To(ContainSubstring(string(env.UID)))
		Expect(w.told()).To(ContainSubstring("DeploymentSucceeded Deployment 1 of v1 succeeded: 2 instances"))
	})

	It("goes on while a seeded instance is missing", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.create(ctx, w.web())
		w.mustPass(ctx)
		w.later(time.Second)
		w.rollout(ctx, 1, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		w.later(time.Second)
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(Equal("Unknown Launching: launching: 1 of 2 instances are available"))
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
	})
})

var _ = Describe("An environment at rest", func() {
	It("costs nothing, not even after a restart", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
		w.restart()
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
		Expect(w.told()).To(BeEmpty())
	})

	It("corrects a child without telling", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx)
		d := w.deployment(ctx)
		d.Labels[v1alpha1.LabelApplication] = "other"
		Expect(bench.Client.Update(ctx, d)).To(Succeed())
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{"PATCH deployments/blue-a"}))
	})

	It("is not there any more", func(ctx SpecContext) {
		w := newWorld(ctx)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
	})
})

var _ = Describe("A deployment", func() {
	It("is told at its start and its end, and in between at most every five seconds", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx)
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
		_, writes := w.mustPass(ctx)
		Expect(writes).To(ConsistOf("PATCH deployments/blue-a", Equal("POST controllerrevisions")))
		w.later(time.Second)
		_, writes = w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("Unknown Updating"))
		Expect(w.shows(ctx, v1alpha1.ConditionAvailable)).To(HavePrefix("True MinimumMet"))

		w.rollout(ctx, 1, "ReplicaSetUpdated")
		after, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
		Expect(after).To(And(BeNumerically(">", 0), BeNumerically("<=", 5*time.Second)))
		w.later(5 * time.Second)
		_, writes = w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))

		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		_, writes = w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))
		env := w.environment(ctx)
		Expect(env.Status.DeployedVersion.Name).To(Equal("v2"))
		Expect(env.Status.History).To(HaveLen(2))
		Expect(env.Status.History[0].ID).To(Equal(int64(2)))
	})

	It("that misses its time fails where onFailure is Pause, and another version ends the failure", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx)
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.VersionRef.Name = "v2"
			e.Spec.Deployment = &v1alpha1.Deployment{Version: &v1alpha1.DeploymentSettings{OnFailure: v1alpha1.OnFailurePause}}
		})
		w.mustPass(ctx)
		w.later(11 * time.Minute)
		w.rollout(ctx, 1, "ProgressDeadlineExceeded")
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(And(HavePrefix("False TimedOut"), ContainSubstring("v2"), ContainSubstring("name another version")))
		Expect(w.shows(ctx, v1alpha1.ConditionStalled)).To(HavePrefix("True TimedOut"))
		Expect(w.shows(ctx, v1alpha1.ConditionVersionDeployed)).To(HavePrefix("False TimedOut"))
		env := w.environment(ctx)
		Expect(env.Status.FailedVersions).To(HaveLen(1))
		Expect(env.Status.FailedVersions[0].Name).To(Equal("v2"))
		Expect(env.Status.DeployedVersion.Name).To(Equal("v1"))
		Expect(strings.Count(w.told(), "DeploymentFailed")).To(Equal(1))

		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v1" })
		w.mustPass(ctx)
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		Expect(w.shows(ctx, v1alpha1.ConditionStalled)).To(BeEmpty())
	})

	It("that misses its time brings back what ran, remembers what failed, and tries nothing until the spec changes", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx)
		first := w.deployment(ctx).Annotations[v1alpha1.AnnotationRevision]
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
		w.mustPass(ctx)
		w.later(11 * time.Minute)
		w.rollout(ctx, 1, "ProgressDeadlineExceeded")
		_, writes := w.mustPass(ctx)
		Expect(writes).To(ContainElement("PATCH deployments/blue-a"))
		Expect(writes).To(ContainElement("POST configmaps"))
		Expect(w.shows(ctx, v1alpha1.ConditionVersionDeployed)).To(And(HavePrefix("False RollingBack"), ContainSubstring("going back to v1")))
		Expect(w.deployment(ctx).Annotations).To(And(
			HaveKeyWithValue(v1alpha1.AnnotationRevision, first), HaveKeyWithValue(v1alpha1.AnnotationFailedVersion, "v2"), HaveKeyWithValue(v1alpha1.AnnotationRolloutID, "2")))
		w.later(time.Second)
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(And(HavePrefix("False RolledBack"), ContainSubstring("v1 runs again")))
		Expect(w.shows(ctx, v1alpha1.ConditionStalled)).To(HavePrefix("True RolledBack"))
		env := w.environment(ctx)
		Expect(env.Spec.VersionRef.Name).To(Equal("v2"))
		Expect(env.Status.DeployedVersion.Name).To(Equal("v1"))
		Expect(env.Status.FailedVersions).To(Equal([]v1alpha1.FailedVersion{{Name: "v2", Reason: v1alpha1.ReasonTimedOut}}))
		Expect(env.Status.History[0]).To(And(HaveField("ID", int64(2)), HaveField("Version", "v2"), HaveField("Result", v1alpha1.DeploymentFailed),
			HaveField("Reason", v1alpha1.ReasonTimedOut), HaveField("LogsRef.Name", "blue-deployment-2")))
		Expect(w.told()).To(And(ContainSubstring("DeploymentFailed Deployment 2 of v2 failed"), ContainSubstring("RolledBack Deployment 2 of v2")))
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())

		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Annotations = map[string]string{v1alpha1.AnnotationRestartRequested: "again"}
		})
		w.mustPass(ctx)
		w.later(time.Second)
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		Expect(w.deployment(ctx).Annotations).To(And(HaveKeyWithValue(v1alpha1.AnnotationVersion, "v1"), HaveKeyWithValue(v1alpha1.AnnotationRestart, "again")))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("False RolledBack"))
		Expect(w.environment(ctx).Status.Operations.Restart.Completed).To(BeTrue())

		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v1" })
		w.mustPass(ctx)
		w.later(time.Second)
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		Expect(w.deployment(ctx).Annotations).NotTo(HaveKey(v1alpha1.AnnotationFailedVersion))
	})

	It("that is overtaken is remembered as superseded", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx)
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
		w.mustPass(ctx)
		w.later(time.Second)
		w.mustPass(ctx)
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v3" })
		w.mustPass(ctx)
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		env := w.environment(ctx)
		Expect(env.Status.DeployedVersion.Name).To(Equal("v3"))
		var results []v1alpha1.DeploymentState
		for _, h := range env.Status.History {
			results = append(results, h.Result)
		}
		Expect(results).To(Equal([]v1alpha1.DeploymentState{v1alpha1.DeploymentSucceeded, v1alpha1.DeploymentSuperseded, v1alpha1.DeploymentSucceeded}))
	})
})

var _ = Describe("Errors of the API server", func() {
	refuse := func(part string) {
		bench.Writes.Refuse(func(write string) error {
			if strings.Contains(write, part) {
				return errors.New("the network is down")
			}
			return nil
		})
	}
	AfterEach(func() { bench.Writes.Refuse(nil) })

	It("in a child are told and retried", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.create(ctx, w.web())
		refuse("services/blue")
		_, _, err := w.pass(ctx)
		if err == nil {
			w.later(time.Second)
			_, _, err = w.pass(ctx)
		}
		Expect(err).To(MatchError(ContainSubstring("the network is down")))
		bench.Writes.Refuse(nil)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(ContainElement("PATCH services/blue"))
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"))
		Expect(w.shows(ctx, v1alpha1.ConditionReconciling)).To(BeEmpty())
	})

	It("in the status lose no event and tell none twice", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.create(ctx, w.web())
		w.mustPass(ctx)
		w.rollout(ctx, 2, "NewReplicaSetAvailable")
		refuse("/status")
		_, _, err := w.pass(ctx)
		Expect(err).To(MatchError(ContainSubstring("the network is down")))
		Expect(w.told()).To(BeEmpty())
		bench.Writes.Refuse(nil)
		w.mustPass(ctx)
		Expect(strings.Count(w.told(), "DeploymentSucceeded")).To(Equal(1))
		w.mustPass(ctx)
		Expect(w.told()).To(BeEmpty())
	})
})

var _ = Describe("Inputs", func() {
	DescribeTable("that do not fit",
		func(ctx SpecContext, ready, message string, edit func(*v1alpha1.Environment)) {
			w := newWorld(ctx)
			w.version(ctx, "bad", "False", v1alpha1.ReasonFailed)
			w.version(ctx, "raw", "Unknown", v1alpha1.ReasonProcessing)
			w.create(ctx, w.web(edit))
			w.mustPass(ctx)
			w.later(2 * time.Second)
			_, writes := w.mustPass(ctx)
			Expect(writes).To(Or(BeEmpty(), Equal([]string{status})))
			Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(And(HavePrefix(ready), ContainSubstring(message)))
			Expect(bench.Live.Get(ctx, w.key("blue-a"), w.emptyDeployment())).NotTo(Succeed())
		},
		Entry("no version", "False VersionNotSet", "name an ApplicationVersion", func(e *v1alpha1.Environment) { e.Spec.VersionRef = nil }),
		Entry("a failed version", "False VersionFailed", `"bad" cannot be deployed: so it is`, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "bad" }),
		Entry("a version that is still processed", "Unknown VersionNotReady", `"raw"`, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "raw" }),
		Entry("a worker", "False TierNotSupported", "spec.tier Worker", func(e *v1alpha1.Environment) { e.Spec.Tier, e.Spec.Routing = v1alpha1.TierWorker, nil }),
		Entry("a mount without a volume", "False InvalidSettings", `there is no volume "data"`, func(e *v1alpha1.Environment) {
			e.Spec.PodTemplate = &v1alpha1.PodTemplate{VolumeMounts: []v1alpha1.VolumeMount{{Name: "data", MountPath: "/data"}}}
		}),
	)

	It("that break later leave what runs alone, and are told once", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx)
		was := w.deployment(ctx)
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "gone" })
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))
		Expect(w.shows(ctx, v1alpha1.ConditionVersionDeployed)).To(Equal("False NotDeployed: the deployment of gone has not begun; v1 keeps running"))
		Expect(w.shows(ctx, v1alpha1.ConditionAvailable)).To(HavePrefix("True"))
		Expect(strings.Count(w.told(), "VersionNotFound")).To(Equal(1))
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
		Expect(w.deployment(ctx).ResourceVersion).To(Equal(was.ResourceVersion))
	})

	It("are not acted on while paused", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx)
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Paused = true })
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True Ready"), "nothing waits yet")
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{status}))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(And(HavePrefix("False Paused"), ContainSubstring("Deployment blue-a")))
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Paused = false })
		_, writes = w.mustPass(ctx)
		Expect(writes).To(ContainElement("PATCH deployments/blue-a"))
	})
})

var _ = Describe("Deletion", func() {
	It("of an unprotected environment needs no finalizer", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx)
		Expect(w.environment(ctx).Finalizers).To(BeEmpty())
	})

	It("of a protected one waits, and everything is cared for meanwhile", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx, func(e *v1alpha1.Environment) { e.Spec.TerminationProtection = true })
		Expect(w.environment(ctx).Finalizers).To(Equal([]string{v1alpha1.FinalizerProtection}))
		Expect(bench.Client.Delete(ctx, w.environment(ctx))).To(Succeed())
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionTerminating)).To(HavePrefix("True TerminationProtected"))
		d := w.deployment(ctx)
		d.Labels[v1alpha1.LabelApplication] = "other"
		Expect(bench.Client.Update(ctx, d)).To(Succeed())
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Equal([]string{"PATCH deployments/blue-a"}))

		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.TerminationProtection = false })
		_, writes = w.mustPass(ctx)
		Expect(writes).To(Equal([]string{"PATCH environments/blue"}))
		Expect(client.IgnoreNotFound(bench.Live.Get(ctx, w.key("blue"), &v1alpha1.Environment{}))).To(Succeed())
	})

	It("of one that somebody else keeps shows what it waits for, and makes nothing", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.launched(ctx, func(e *v1alpha1.Environment) { e.Finalizers = []string{"example.com/keep"} })
		Expect(bench.Client.Delete(ctx, w.environment(ctx))).To(Succeed())
		Expect(bench.Client.Delete(ctx, w.deployment(ctx))).To(Succeed())
		_, writes := w.mustPass(ctx)
		Expect(writes).To(Or(BeEmpty(), Equal([]string{status})))
		w.later(time.Second)
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionTerminating)).To(HavePrefix("True WaitingForChildren"))
		Expect(bench.Live.Get(ctx, w.key("blue-a"), w.emptyDeployment())).NotTo(Succeed())
	})
})
