// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package twoslot decides the steps of the policies that start a second set of instances beside the first: Immutable and
// TrafficSplitting. Pure; called by internal/rollout.
//
// With n instances there are never fewer than n that serve and never more than 2n; the old set is not touched until it is
// removed. The stages, each read from what exists:
//
//   - first: one new instance passes the health gate (Immutable), or as many as their share of the requests needs
//     (TrafficSplitting without a route that has weights);
//   - all: the new set has n instances, and all pass;
//   - evaluation (TrafficSplitting): they get a share of the requests for a time, while health is watched;
//   - switch: one write sends all requests to them;
//   - hold: the old set stays for a while, so that going back is one write too; then it is removed.
//
// Instances that get no requests have nothing to switch: they work from their start, and the old set goes as soon as all pass.
package twoslot

import (
	"fmt"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// introduction is the shortest health gate of a new set, in seconds: routers must know the instances before they are sent
// requests, and an evaluated or switched set gets them at once.
const introduction = 5

// upToDate is the reason of a rollout that is done.
const upToDate = "all instances are up to date"

// Sides are the two sets.
type Sides struct {
	// Fresh is the new set, Old the one before; Old.Name is empty when it is gone.
	Fresh, Old snapshot.Slot
	// Traffic is where requests go now.
	Traffic snapshot.Traffic
}

// Begin is the first step of a rollout. Some instances may run already, when the user goes back before the old set was removed.
func Begin(want plan.Target, r plan.Rollout, running int32, with settings.Rollout) plan.Progress {
	n := r.Instances
	first := min(n, max(running, initial(want, r, with)))
	p := base(r, with, first)
	p.State, p.Peak = plan.InProgress, 2*n
	p.Reason = fmt.Sprintf("deploying %s to %d new instances beside the old ones; at most %d run meanwhile", want.Version, n, p.Peak)
	if first < n {
		p.Reason = fmt.Sprintf("deploying %s to %d new instances beside the old ones, %d at first; at most %d run meanwhile", want.Version, n, first, p.Peak)
	}
	return p
}

// Next is the next step for a set whose rollout has begun.
func Next(want plan.Target, s Sides, with settings.Rollout, at time.Time) plan.Progress {
	r := plan.Recorded(s.Fresh)
	if !switched(s) && s.Old.Wanted > 0 {
		// The old set was given another size before the autoscaler was held, or by the settings: the new set follows.
		r.Instances = s.Old.Wanted
	}
	p := base(r, with, min(s.Fresh.Wanted, r.Instances))
	p.Peak = 2 * p.Desired
	if s.Fresh.Settled {
		p.Updated = min(plan.Fresh(s.Fresh, s.Fresh.Available), s.Fresh.Wanted, p.Desired)
	}
	if switched(s) {
		return hold(want, s, p, with, at)
	}
	ignore := with.OnFailure == v1alpha1.OnFailureIgnore
	if !ignore && want.Judged.Crash != "" {
		return failed(p, v1alpha1.ReasonInstancesCrashed, want.Judged.Crash)
	}
	if since, split := evaluating(want, s); split {
		return evaluate(want, s, p, since, with, at)
	}
	deadline := p.Rollout.StageAt.Add(plan.Limit(strict(with)))
	switch {
	case ready(s.Fresh) || (ignore && at.After(deadline)):
		return advance(want, s, p, with, at)
	case at.After(deadline):
		return failed(p, v1alpha1.ReasonTimedOut, late(s, p, with))
	default:
		p.State, p.Deadline, p.Wake = plan.InProgress, deadline, deadline.Add(time.Second)
		p.Reason = waiting(s, p, with)
		return p
	}
}

func base(r plan.Rollout, with settings.Rollout, replicas int32) plan.Progress {
	return plan.Progress{Rollout: r, Strategy: Strategy(with), Replicas: &replicas, Desired: r.Instances}
}

// Strategy is what a new set is told. Nobody relies on it, so when its revision changes it changes at once.
func Strategy(with settings.Rollout) plan.Strategy {
	with = strict(with)
	return plan.Strategy{
		MaxSurge: intstr.FromInt32(0), MaxUnavailable: intstr.FromString("100%"),
		MinReadySeconds: with.GateSeconds, ProgressDeadlineSeconds: with.GateSeconds + with.TimeoutSeconds,
	}
}

// strict has at least the introduction as health gate.
func strict(with settings.Rollout) settings.Rollout {
	with.GateSeconds = max(with.GateSeconds, introduction)
	return with
}

func failed(p plan.Progress, reason, message string) plan.Progress {
	p.State, p.Reason, p.Failure = plan.Failed, message, &plan.Failure{Reason: reason, Message: message}
	return p
}

// initial is how many new instances are started at first.
func initial(want plan.Target, r plan.Rollout, with settings.Rollout) int32 {
	switch {
	case r.Policy == v1alpha1.PolicyImmutable:
		return 1
	case want.Weighted || !want.Routed:
		return r.Instances
	default:
		return Share(r.Instances, with.Percent)
	}
}

// Share is how many new instances get about a percentage of the requests when n old ones share the rest, and every instance gets
// the same: at least one, at most n.
func Share(n, percent int32) int32 {
	if percent >= 100 {
		return n
	}
	k := math.Round(float64(n) * float64(percent) / float64(100-percent))
	return max(1, min(n, int32(k)))
}

// switched says whether all requests go to the new set.
func switched(s Sides) bool { return s.Old.Name == "" || s.Traffic.Slot == s.Fresh.Name }

// evaluating says whether the new set gets a share of the requests, and since when. A share that is older than the rollout is left
// over from the one that it pre-empted.
func evaluating(want plan.Target, s Sides) (time.Time, bool) {
	since, split := s.Traffic.ServiceSince, s.Traffic.Both
	if want.Weighted {
		since, split = s.Traffic.RouteSince, s.Traffic.Weight > 0
	}
	return since, split && !since.Before(s.Fresh.StartedAt)
}

func waiting(s Sides, p plan.Progress, with settings.Rollout) string {
	what := "all new instances"
	if s.Fresh.Wanted < p.Desired {
		what = fmt.Sprintf("the first %d of %d new instances", s.Fresh.Wanted, p.Desired)
		if s.Fresh.Wanted == 1 {
			what = fmt.Sprintf("the first of %d new instances", p.Desired)
		}
	}
	text := fmt.Sprintf("starting %s: %d of %d healthy", what, p.Updated, s.Fresh.Wanted)
	if more := min(plan.Fresh(s.Fresh, s.Fresh.Ready), s.Fresh.Wanted) - p.Updated; s.Fresh.Settled && more > 0 {
		text += fmt.Sprintf(", %d must stay so for %d s", more, strict(with).GateSeconds)
	}
	return text
}

// advance leaves a stage in which all instances passed, or whose failure is ignored.
func advance(want plan.Target, s Sides, p plan.Progress, with settings.Rollout, at time.Time) plan.Progress {
	splits := p.Rollout.Policy == v1alpha1.PolicyTrafficSplitting && want.Routed
	switch {
	case splits && (s.Fresh.Wanted >= p.Desired || !want.Weighted):
		p.State, p.Split, p.SplitSince = plan.InProgress, share(want, s, with), plan.Whole(at)
		p.Wake = p.SplitSince.Add(seconds(with.EvaluationSeconds))
		p.Reason = evaluated(want, s, p, with)
		return p
	case s.Fresh.Wanted < p.Desired:
		return grow(p, at)
	default:
		return promote(want, s, p, with, at)
	}
}

// grow starts the rest of the new set.
func grow(p plan.Progress, at time.Time) plan.Progress {
	n := p.Desired
	p.State, p.Replicas, p.Rollout.StageAt = plan.InProgress, &n, plan.Whole(at)
	p.Reason = fmt.Sprintf("%d of %d new instances are started and healthy; starting the others", p.Updated, n)
	return p
}

// evaluate watches the new set while it gets a share of the requests.
func evaluate(want plan.Target, s Sides, p plan.Progress, since time.Time, with settings.Rollout, at time.Time) plan.Progress {
	ignore := with.OnFailure == v1alpha1.OnFailureIgnore
	p.State, p.Split, p.SplitSince = plan.InProgress, share(want, s, with), since
	end := p.SplitSince.Add(seconds(with.EvaluationSeconds))
	deadline := plan.Later(end, p.Rollout.StageAt).Add(plan.Limit(strict(with)))
	switch {
	case !ignore && !plan.Passes(want.Judged.Status, with.MinStatus):
		return failed(p, v1alpha1.ReasonHealthBelowMinimum, fmt.Sprintf("the health of the new instances is %s with %d%% of the requests; at least %s is required",
			want.Judged.Status, p.Split, with.MinStatus))
	case at.Before(end):
		p.Wake, p.Reason = end, evaluated(want, s, p, with)
		return p
	case s.Fresh.Wanted < p.Desired:
		return grow(p, at)
	case ready(s.Fresh) || (ignore && at.After(deadline)):
		return promote(want, s, p, with, at)
	case at.After(deadline):
		return failed(p, v1alpha1.ReasonTimedOut, late(s, p, with))
	default:
		p.Deadline, p.Wake, p.Reason = deadline, deadline.Add(time.Second), waiting(s, p, with)
		return p
	}
}

// share is the percentage of the requests that the new set gets while it is evaluated: what was asked for where a route has
// weights, what the sizes make of it elsewhere.
func share(want plan.Target, s Sides, with settings.Rollout) int32 {
	if want.Weighted {
		return with.Percent
	}
	all := s.Fresh.Wanted + s.Old.Wanted
	return int32(math.Round(100 * float64(s.Fresh.Wanted) / float64(max(1, all))))
}

func evaluated(want plan.Target, s Sides, p plan.Progress, with settings.Rollout) string {
	how := fmt.Sprintf("%d%% of the requests, exactly, by the weights of the HTTPRoute", p.Split)
	if !want.Weighted {
		how = fmt.Sprintf("about %d%% of the requests (%d%% were asked for) as %d of %d instances; an exact share needs a Gateway",
			p.Split, with.Percent, s.Fresh.Wanted, s.Fresh.Wanted+s.Old.Wanted)
	}
	return fmt.Sprintf("the new instances get %s; their health is watched for %d s", how, with.EvaluationSeconds)
}

// promote sends all requests to the new set, unless its health is not good enough yet.
func promote(want plan.Target, s Sides, p plan.Progress, with settings.Rollout, at time.Time) plan.Progress {
	deadline := p.Rollout.StageAt.Add(plan.Limit(strict(with)))
	good := with.OnFailure == v1alpha1.OnFailureIgnore || plan.Passes(want.Judged.Status, with.MinStatus)
	switch {
	case !good && at.After(deadline):
		return failed(p, v1alpha1.ReasonHealthBelowMinimum, fmt.Sprintf("the new instances run, but their health is %s; at least %s is required",
			want.Judged.Status, with.MinStatus))
	case !good:
		p.State, p.Deadline, p.Wake = plan.InProgress, deadline, deadline.Add(time.Second)
		p.Reason = fmt.Sprintf("the new instances run; their health is %s, and at least %s is required", want.Judged.Status, with.MinStatus)
	case !want.Routed:
		// Nothing is moved, and so nothing records since when: they have been working since they were started.
		p.Moved = true
		return done(s, p, with)
	default:
		p.State, p.Moved, p.MovedSince = plan.InProgress, true, plan.Whole(at)
		p.Wake = p.MovedSince.Add(seconds(with.HoldSeconds))
		p.Reason = held(with)
	}
	return p
}

// hold keeps the old set for a while after the switch.
func hold(want plan.Target, s Sides, p plan.Progress, with settings.Rollout, at time.Time) plan.Progress {
	p.Moved, p.MovedSince = true, s.Traffic.ServiceSince
	until := p.MovedSince.Add(seconds(with.HoldSeconds))
	ignore := with.OnFailure == v1alpha1.OnFailureIgnore
	switch {
	case !ignore && want.Judged.Crash != "":
		return failed(p, v1alpha1.ReasonInstancesCrashed, want.Judged.Crash)
	case !ignore && !plan.Passes(want.Judged.Status, with.MinStatus):
		return failed(p, v1alpha1.ReasonHealthBelowMinimum, fmt.Sprintf("the health of the new instances is %s after they got all requests; at least %s is required",
			want.Judged.Status, with.MinStatus))
	case !at.Before(until) && !ignore && s.Old.Name != "" && !serving(s.Fresh):
		// The old instances are the only ones that can still take over.
		deadline := until.Add(plan.Limit(strict(with)))
		if at.After(deadline) {
			return failed(p, v1alpha1.ReasonTimedOut, late(s, p, with))
		}
		p.State, p.Deadline, p.Wake = plan.InProgress, deadline, deadline.Add(time.Second)
		p.Reason = "all requests go to the new instances, and not all of these are healthy; the old ones are kept"
	case !at.Before(until):
		return done(s, p, with)
	default:
		p.State, p.Wake, p.Reason = plan.InProgress, until, held(with)
	}
	return p
}

// done is the end. Where failures are ignored, it tells how many instances do not work: nobody writes it down later.
func done(s Sides, p plan.Progress, with settings.Rollout) plan.Progress {
	p.State, p.Settled, p.Reason = plan.Idle, true, upToDate
	if with.OnFailure == v1alpha1.OnFailureIgnore && s.Fresh.Settled && p.Updated < p.Desired {
		p.Reason = fmt.Sprintf("%d of %d instances are healthy; the others are ignored, as onFailure says", p.Updated, p.Desired)
		return p
	}
	p.Updated = p.Desired
	return p
}

func held(with settings.Rollout) string {
	if with.HoldSeconds == 0 {
		return "all requests go to the new instances"
	}
	return fmt.Sprintf("all requests go to the new instances; the old ones are kept for %d s", with.HoldSeconds)
}

func ready(s snapshot.Slot) bool {
	return s.Settled && s.Total == s.Wanted && s.Updated == s.Wanted && s.Available == s.Wanted
}

// serving says whether every instance of a set works now.
func serving(s snapshot.Slot) bool { return s.Settled && s.Available >= s.Wanted }

func late(s Sides, p plan.Progress, with settings.Rollout) string {
	return fmt.Sprintf("%d of %d new instances are healthy; the others were not within %d s", p.Updated, s.Fresh.Wanted, with.TimeoutSeconds)
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
