// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// daily comes every day a while from now; a negative while is an hour that has come already.
func (w *world) daily(name string, in time.Duration, least, most int32) v1alpha1.ScalingSchedule {
	at := w.clock.Now().UTC().Truncate(time.Minute).Add(in)
	return v1alpha1.ScalingSchedule{Name: name, Cron: fmt.Sprintf("%d %d * * *", at.Minute(), at.Hour()), Min: &least, Max: &most}
}

// scheduling gives an environment schedules, and an engine.
func scheduling(engine v1alpha1.ScalingEngine, list ...v1alpha1.ScalingSchedule) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Capacity = &v1alpha1.Capacity{Autoscaling: &v1alpha1.Autoscaling{Engine: engine, Schedules: list}}
	}
}

// cached is the environment as the controller sees it.
func (w *world) cached(ctx context.Context) *v1alpha1.Environment {
	GinkgoHelper()
	out := &v1alpha1.Environment{}
	Expect(bench.Client.Get(ctx, w.key("blue"), out)).To(Succeed())
	return out
}

var _ = Describe("Schedules", func() {
	var w *world
	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	// settled plays the Deployment controller until nothing moves.
	settled := func(ctx SpecContext) {
		GinkgoHelper()
		w.rollout(ctx, *w.deployment(ctx).Spec.Replicas, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		w.later(6 * time.Second)
		w.mustPass(ctx)
		w.mustPass(ctx)
		_, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
	}
	started := func(ctx SpecContext, tweak func(*v1alpha1.Environment)) {
		GinkgoHelper()
		w.create(ctx, w.web(tweak))
		w.mustPass(ctx)
		w.mustPass(ctx)
		settled(ctx)
	}
	// bounds are the autoscaler's, or the number of instances where there is no autoscaler.
	bounds := func(ctx SpecContext) string {
		GinkgoHelper()
		var hpa autoscalingv2.HorizontalPodAutoscaler
		if err := bench.Live.Get(ctx, w.key("blue"), &hpa); err != nil || hpa.DeletionTimestamp != nil {
			return fmt.Sprint(*w.deployment(ctx).Spec.Replicas)
		}
		return fmt.Sprintf("%d..%d", *hpa.Spec.MinReplicas, hpa.Spec.MaxReplicas)
	}
	budget := func(ctx SpecContext) bool {
		return bench.Live.Get(ctx, w.key("blue"), &policyv1.PodDisruptionBudget{}) == nil
	}
	capacity := func(ctx SpecContext) string {
		GinkgoHelper()
		c := w.environment(ctx).Status.Capacity
		if c == nil {
			return "none"
		}
		last, next := "none", "none"
		if c.Schedule != nil {
			last = c.Schedule.Name
		}
		if c.Next != nil {
			next = c.Next.Name
		}
		return fmt.Sprintf("%d..%d, %s, then %s", c.Min, c.Max, last, next)
	}
	// firing goes to the moment at which the controller wants to wake.
	firing := func(ctx SpecContext) []string {
		GinkgoHelper()
		after, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
		next := w.environment(ctx).Status.Capacity.Next.Time
		Expect(w.clock.Now().Add(after)).To(BeTemporally("~", next.Time, 2*time.Second), "the controller wakes when the next schedule comes")
		w.later(after - 3*time.Second)
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty(), "before its time nothing happens")
		w.later(4 * time.Second)
		_, writes = w.mustPass(ctx)
		return writes
	}

	It("change the autoscaler and nothing else, at their time, and tell once", func(ctx SpecContext) {
		started(ctx, scheduling("", w.daily("day", -2*time.Hour, 4, 12), w.daily("night", 3*time.Hour, 1, 2)))
		Expect(bounds(ctx)).To(Equal("4..12"))
		Expect(budget(ctx)).To(BeTrue())
		Expect(capacity(ctx)).To(Equal("4..12, day, then night"))
		Expect(w.shows(ctx, v1alpha1.ConditionFieldsSupported)).To(HavePrefix("True"))
		Expect(strings.Count(w.told(), "ScheduleInForce Schedule day of ")).To(Equal(1))
		w.later(15 * time.Minute) // until health has nothing to wait for
		w.mustPass(ctx)
		before := w.deployment(ctx)

		writes := firing(ctx)
		Expect(writes).To(HaveLen(3), "the autoscaler, the budget and status: %q", writes)
		Expect(bounds(ctx)).To(Equal("1..2"))
		Expect(budget(ctx)).To(BeFalse())
		Expect(capacity(ctx)).To(Equal("1..2, night, then day"))
		Expect(w.told()).To(MatchRegexp(`^Normal ScheduleInForce Schedule night of .* UTC: 1 to 2 instances; day comes next, .* UTC$`))
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())

		By("coming back after an outage of days, in which both came several times")
		w.later(5*24*time.Hour - 4*time.Hour)
		w.restart()
		w.mustPass(ctx)
		w.mustPass(ctx)
		Expect(bounds(ctx)).To(Equal("4..12"))
		Expect(budget(ctx)).To(BeTrue())
		Expect(capacity(ctx)).To(Equal("4..12, day, then night"))
		Expect(strings.Count(w.told(), "ScheduleInForce")).To(Equal(1))
		_, writes = w.mustPass(ctx)
		Expect(writes).To(BeEmpty())

		after := w.deployment(ctx)
		Expect(after.Generation).To(Equal(before.Generation), "no schedule touches what runs")
		Expect(after.Annotations).To(Equal(before.Annotations))
	})

	It("tell nothing when the same one comes again", func(ctx SpecContext) {
		started(ctx, scheduling("", w.daily("only", -2*time.Hour, 2, 3)))
		Expect(strings.Count(w.told(), "ScheduleInForce")).To(Equal(1))
		w.later(15 * time.Minute)
		w.mustPass(ctx)
		Expect(firing(ctx)).To(HaveLen(1), "status alone")
		Expect(w.told()).To(BeEmpty())
	})

	It("take an environment to zero and bring it back", func(ctx SpecContext) {
		started(ctx, scheduling("", w.daily("day", -2*time.Hour, 3, 6), w.daily("closed", 3*time.Hour, 0, 0)))
		w.later(15 * time.Minute)
		w.mustPass(ctx)
		firing(ctx)
		w.mustPass(ctx)
		Expect(bounds(ctx)).To(Equal("0"))
		settled(ctx)
		Expect(w.environment(ctx).Status.Health.Status).To(Equal(v1alpha1.HealthSuspended))
		Expect(w.shows(ctx, v1alpha1.ConditionAvailable)).To(HavePrefix("True ScaledToZero"))
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(HavePrefix("True"))

		firing(ctx)
		w.mustPass(ctx)
		Expect(bounds(ctx)).To(Equal("3..6"))
		Expect(*w.deployment(ctx).Spec.Replicas).To(Equal(int32(3)), "an autoscaler leaves what has no instance alone")
		settled(ctx)
		Expect(w.environment(ctx).Status.History).To(HaveLen(1), "no deployment came of it")
	})

	It("bound the number that people set with kubectl scale", func(ctx SpecContext) {
		scale := func(n int32) {
			GinkgoHelper()
			env := w.environment(ctx)
			Expect(bench.Client.SubResource("scale").Update(ctx, env, client.WithSubResourceBody(&autoscalingv1.Scale{
				ObjectMeta: env.ObjectMeta, Spec: autoscalingv1.ScaleSpec{Replicas: n},
			}))).To(Succeed())
			Eventually(func() *int32 { return w.cached(ctx).Spec.Capacity.Desired }).Should(HaveValue(Equal(n)))
			w.mustPass(ctx)
		}
		started(ctx, scheduling(v1alpha1.ScalingNone, w.daily("day", -2*time.Hour, 2, 6), w.daily("night", 3*time.Hour, 1, 3)))
		Expect(bounds(ctx)).To(Equal("2"))
		scale(5)
		Expect(bounds(ctx)).To(Equal("5"))
		scale(9)
		Expect(bounds(ctx)).To(Equal("6"), "the schedule's max wins")
		scale(0)
		Expect(bounds(ctx)).To(Equal("2"), "the schedule's min wins")
		scale(5)
		settled(ctx)
		w.later(15 * time.Minute)
		w.mustPass(ctx)

		firing(ctx)
		Expect(bounds(ctx)).To(Equal("3"))
		Expect(*w.environment(ctx).Spec.Capacity.Desired).To(Equal(int32(5)), "what people asked for is kept")
		settled(ctx)
		w.later(15 * time.Minute)
		w.mustPass(ctx)
		firing(ctx)
		Expect(bounds(ctx)).To(Equal("5"), "and counts again when the bounds allow it")

		By("leaving the schedules out")
		w.change(ctx, func(e *v1alpha1.Environment) {
			for i := range e.Spec.Capacity.Autoscaling.Schedules {
				e.Spec.Capacity.Autoscaling.Schedules[i].Suspend = true
			}
			e.Spec.Capacity.Desired = ptr.To(int32(9))
		})
		w.mustPass(ctx)
		Expect(bounds(ctx)).To(Equal("9"))
		w.later(6 * time.Second)
		w.mustPass(ctx)
		Expect(capacity(ctx)).To(Equal("1..4, none, then none"))
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Capacity.Autoscaling.Schedules = nil })
		w.later(6 * time.Second)
		w.mustPass(ctx)
		Expect(capacity(ctx)).To(Equal("none"))
	})

	It("leave the size alone when they contradict the spec, until somebody corrects them", func(ctx SpecContext) {
		day, peak := w.daily("day", -2*time.Hour, 2, 4), w.daily("peak", 3*time.Hour, 6, 0)
		peak.Max = nil
		started(ctx, scheduling("", day, peak))
		w.later(15 * time.Minute)
		w.mustPass(ctx)
		w.told()
		firing(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionReady)).To(And(HavePrefix("False InvalidSettings"), ContainSubstring("spec.capacity.autoscaling.schedules[peak].min: since "),
			ContainSubstring("the min is 6 (schedule peak) and the max is 4 (schedule day); set max in this schedule too")))
		Expect(bounds(ctx)).To(Equal("2..4"))
		Expect(capacity(ctx)).To(Equal("2..4, day, then peak"), "what is in force")
		Expect(w.told()).To(And(ContainSubstring("Warning InvalidSettings"), Not(ContainSubstring("ScheduleInForce"))))
		after, writes := w.mustPass(ctx)
		Expect(writes).To(BeEmpty())
		Expect(after).To(BeNumerically("~", 19*time.Hour, time.Minute), "the next schedule may put it right")

		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Capacity.Autoscaling.Schedules[1].Max = ptr.To(int32(8)) })
		w.mustPass(ctx)
		Expect(bounds(ctx)).To(Equal("6..8"))
		Expect(capacity(ctx)).To(Equal("6..8, peak, then day"))
		Expect(w.told()).To(ContainSubstring("ScheduleInForce Schedule peak"))
	})

	It("are refused by name when they cannot be read", func(ctx SpecContext) {
		started(ctx, scheduling("", w.daily("day", -2*time.Hour, 2, 4)))
		w.change(ctx, func(e *v1alpha1.Environment) {
			e.Spec.Capacity.Autoscaling.Schedules = []v1alpha1.ScalingSchedule{
				{Name: "never", Cron: "0 0 30 2 *", Min: ptr.To(int32(1))}, {Name: "there", Cron: "0 0 1 * *", TimeZone: "Mars/Base", Min: ptr.To(int32(1))},
			}
		})
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(And(HavePrefix("False InvalidSettings"), ContainSubstring("schedules[never].cron: "),
			ContainSubstring("never comes"), ContainSubstring(`schedules[there].timeZone: timeZone "Mars/Base" is not known`)))
		Expect(bounds(ctx)).To(Equal("2..4"))
	})

	It("wait for the end of a deployment with two sets, whose autoscaler is held", func(ctx SpecContext) {
		started(ctx, func(e *v1alpha1.Environment) {
			scheduling("", w.daily("day", -2*time.Hour, 2, 8), w.daily("night", 20*time.Minute, 4, 12))(e)
			e.Spec.Deployment.Version.Policy, e.Spec.Deployment.Version.HoldSeconds = v1alpha1.PolicyImmutable, ptr.To(int32(0))
		})
		w.later(15 * time.Minute)
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
		w.mustPass(ctx)
		Expect(bounds(ctx)).To(Equal("2..2"))
		w.later(6 * time.Minute)
		fresh := &appsv1.Deployment{}
		for i := range 12 {
			w.mustPass(ctx)
			if i == 0 {
				Expect(capacity(ctx)).To(Equal("4..12, night, then day"))
			}
			if apierrors.IsNotFound(bench.Live.Get(ctx, w.key("blue-a"), w.emptyDeployment())) {
				break
			}
			Expect(bounds(ctx)).To(Equal("2..2"))
			Expect(w.environment(ctx).Status.Deployment.Desired).To(Equal(int32(2)))
			Expect(bench.Live.Get(ctx, w.key("blue-b"), fresh)).To(Succeed())
			complete(ctx, fresh)
			w.later(time.Second)
		}
		w.mustPass(ctx)
		w.mustPass(ctx)
		Expect(bounds(ctx)).To(Equal("4..12"))
		Expect(w.environment(ctx).Status.DeployedVersion.Name).To(Equal("v2"))
		Expect(w.environment(ctx).Status.Deployment).To(And(HaveField("ID", int64(2)), HaveField("State", v1alpha1.DeploymentSucceeded)))
	})

	It("change a number of ours in the middle of a deployment in place, which goes on", func(ctx SpecContext) {
		started(ctx, func(e *v1alpha1.Environment) {
			scheduling(v1alpha1.ScalingNone, w.daily("day", -2*time.Hour, 2, 2), w.daily("night", 20*time.Minute, 4, 4))(e)
			e.Spec.Deployment.Version.Policy = v1alpha1.PolicyRolling
		})
		w.later(15 * time.Minute)
		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
		w.mustPass(ctx)
		w.rollout(ctx, 1, "ReplicaSetUpdated")
		w.mustPass(ctx)
		w.later(6 * time.Minute)
		w.mustPass(ctx)
		Expect(bounds(ctx)).To(Equal("4"))
		Expect(w.environment(ctx).Status.Deployment).To(And(HaveField("ID", int64(2)), HaveField("State", v1alpha1.DeploymentInProgress)))
		w.rollout(ctx, 4, "NewReplicaSetAvailable")
		w.mustPass(ctx)
		w.later(6 * time.Second)
		w.mustPass(ctx)
		Expect(w.environment(ctx).Status.Deployment).To(And(HaveField("ID", int64(2)), HaveField("State", v1alpha1.DeploymentSucceeded), HaveField("Desired", int32(4))))
		Expect(w.environment(ctx).Status.History).To(HaveLen(2))
	})

	It("bound the operator's own scaler, which stands still while they contradict", func(ctx SpecContext) {
		w = working(ctx)
		queue := &depths{clock: w.clock, waiting: 5000}
		w.scaler = &Scaler{Depths: queue, Daemons: holding{}}
		w.restart()
		started(ctx, func(e *v1alpha1.Environment) {
			consuming(v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}})(e)
			scaled(1, 20, v1alpha1.PolicyRolling)(e)
			e.Spec.Capacity.Autoscaling.Schedules = []v1alpha1.ScalingSchedule{w.daily("day", -2*time.Hour, 1, 10), w.daily("night", 3*time.Hour, 0, 3)}
		})
		settled(ctx)
		Expect(bounds(ctx)).To(Equal("10"))
		w.later(time.Hour)
		w.mustPass(ctx)
		firing(ctx)
		Expect(bounds(ctx)).To(Equal("3"))
		Expect(queue.last.Wanted).To(HaveValue(And(HaveField("Min", int32(0)), HaveField("Max", int32(3)))))
		settled(ctx)

		w.change(ctx, func(e *v1alpha1.Environment) { e.Spec.Capacity.Autoscaling.Schedules[1].TimeZone = "Mars" })
		w.mustPass(ctx)
		Expect(w.shows(ctx, v1alpha1.ConditionInputsResolved)).To(HavePrefix("False InvalidSettings"))
		queue.waiting = 0
		w.later(time.Hour)
		w.mustPass(ctx)
		Expect(bounds(ctx)).To(Equal("3"))
		Expect(owners(w.deployment(ctx))).To(ConsistOf("beanpod-scale"))
	})
})
