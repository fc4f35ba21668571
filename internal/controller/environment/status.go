// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/lifecycle"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// summarize writes what a pass found into the status, in memory.
func summarize(env *v1alpha1.Environment, p pass) {
	st := &env.Status
	if p.observed {
		st.Selector = labels.SelectorFromSet(naming.EnvironmentSelector(env.UID)).String()
		st.URL = p.cfg.Routing.URL
		recordHealth(st, p)
		recordDeployment(env, p)
		st.Capacity = capacityStatus(p, st.Capacity)
		st.Operations = operations(env, p)
		st.Queue = queueStatus(p, st.Queue)
		st.Worker = workerStatus(p)
		st.Databases = databaseStatus(env, p)
		st.Platform = onPlatform(shown(p), st.Platform, p.unread)
	}
	st.Conditions = condition.Summarize(st.Conditions, env.Generation, metav1.NewTime(p.at), summary(env, p))
	st.ObservedGeneration = env.Generation
}

// onPlatform says which platform version is wanted, for people and for whoever builds versions for it. What could not be read stays.
func onPlatform(p settings.Platform, before *v1alpha1.PlatformStatusSummary, unread bool) *v1alpha1.PlatformStatusSummary {
	switch {
	case p.Name != "":
		return &v1alpha1.PlatformStatusSummary{
			Name: p.Name, Branch: p.Branch, Version: p.Version, State: string(p.State), UpdateAvailable: newer(p),
		}
	case unread:
		return before
	default:
		return nil
	}
}

// workerStatus says who enqueues the periodic tasks.
func workerStatus(p pass) *v1alpha1.WorkerStatus {
	if p.now.Queue.Leader == "" {
		return nil
	}
	return &v1alpha1.WorkerStatus{Leader: p.now.Queue.Leader}
}

// queueStatus names the queue of a worker. What could not be read stays.
func queueStatus(p pass, before *v1alpha1.QueueStatus) *v1alpha1.QueueStatus {
	switch {
	case p.unread:
		return before
	case p.cfg.Worker == nil || p.cfg.Worker.Config.Queue.URL == "":
		return nil
	default:
		return settings.QueueStatus(p.cfg.Worker.Config.Queue)
	}
}

func summary(env *v1alpha1.Environment, p pass) condition.Summary {
	s := condition.Summary{
		Err: p.err, Done: v1alpha1.ReasonReady, DoneMessage: done(p),
		Verdicts: []condition.Verdict{available(p), deployed(env, p), resolved(p), applied(p), supported(p)},
	}
	s.Verdicts = append(append(s.Verdicts, databaseReady(env, p)...), append(scalerReady(p), upToDate(p)...)...)
	switch {
	case leaving(env):
		s.Err, s.Busy, s.BusyMessage = nil, v1alpha1.ReasonTerminating, "waiting until everything that was made for the environment is gone"
		if p.ending.message != "" {
			s.BusyMessage = p.ending.message
		}
		s.Verdicts = append(s.Verdicts, terminating(p))
	case env.DeletionTimestamp != nil:
		s.Verdicts = append(s.Verdicts, condition.True(v1alpha1.ConditionTerminating, v1alpha1.ReasonTerminationProtected,
			"spec.terminationProtection is true, so the deletion waits and everything keeps running; set it to false to let it go on"))
	}
	switch {
	case len(p.waiting) > 0:
		s.Hold, s.HoldMessage = v1alpha1.ReasonPaused, pausedMessage(p)
	case (p.step.State == plan.InProgress || p.step.State == plan.RollingBack) && s.Busy == "":
		s.Busy, s.BusyMessage = busy(env, p), p.step.Reason
	case p.step.State == plan.Idle && s.Busy == "" && missing(p) > 0:
		s.Busy, s.BusyMessage = v1alpha1.ReasonUpdating, growing(p)
	}
	return s
}

// missing is how many instances are wanted and do not exist yet.
func missing(p pass) int32 {
	slot := p.relied()
	return slot.Wanted - slot.Total
}

// growing tells that instances are being added, and why they are not there.
func growing(p pass) string {
	slot := p.relied()
	text := fmt.Sprintf("scaling: %d of %d instances exist", slot.Total, slot.Wanted)
	if slot.Refused != "" {
		text += "; more are refused: " + slot.Refused
	}
	return text
}

// busy is Beanstalk's status word for work that is under way.
func busy(env *v1alpha1.Environment, p pass) string {
	switch {
	case p.step.Failure != nil && p.step.Failure.Reason == v1alpha1.ReasonAborted:
		return v1alpha1.ReasonAborting
	case env.Status.DeployedVersion == nil:
		return v1alpha1.ReasonLaunching
	default:
		return v1alpha1.ReasonUpdating
	}
}

func done(p pass) string {
	switch {
	case p.cfg.Worker != nil && p.cfg.Worker.Config.Queue.URL != "":
		return "consuming " + settings.QueueStatus(p.cfg.Worker.Config.Queue).URL
	case p.cfg.Routing.Missing != "":
		return "running; " + p.cfg.Routing.Missing
	case p.cfg.Routing.URL != "":
		return "serving at " + p.cfg.Routing.URL
	default:
		return "running"
	}
}

func pausedMessage(p pass) string {
	return "spec.paused is true; changes to " + strings.Join(p.waiting, ", ") + " wait until it is false"
}

func remaining(p pass) string {
	if n := len(p.now.Instances); n > 0 {
		return fmt.Sprintf("%d instances are still stopping", n)
	}
	return "children are still going away"
}

// available compares the instances that passed the health gate with the fewest that should run.
func available(p pass) condition.Verdict {
	const kind = v1alpha1.ConditionAvailable
	slot := p.relied()
	exists := slot.Name != ""
	switch least := min(p.cfg.Min, max(slot.Wanted, p.cfg.Desired)); {
	case !p.observed:
		return condition.Unknown(kind, v1alpha1.ReasonNotYetObserved, "the instances could not be read")
	case exists && slot.Wanted == 0:
		return condition.True(kind, v1alpha1.ReasonScaledToZero, "no instance is wanted")
	case slot.Available == 0:
		return condition.False(kind, v1alpha1.ReasonNoInstances, fmt.Sprintf("no instance is available, %d required", least))
	case slot.Available < least:
		return condition.False(kind, v1alpha1.ReasonTooFewInstances, fmt.Sprintf("%d instances are available, %d required", slot.Available, least))
	default:
		return condition.True(kind, v1alpha1.ReasonMinimumMet, "enough instances are available")
	}
}

// deployed compares the version that runs with the one that the spec names.
func deployed(env *v1alpha1.Environment, p pass) condition.Verdict {
	const kind = v1alpha1.ConditionVersionDeployed
	slot := p.relied()
	wanted := lifecycle.Wanted(env)
	switch {
	case !p.observed:
		return condition.Unknown(kind, v1alpha1.ReasonNotYetObserved, "the instances could not be read")
	case p.step.State == plan.Failed:
		return condition.False(kind, p.step.Failure.Reason, p.step.Reason)
	case p.step.State == plan.RollingBack:
		return condition.False(kind, v1alpha1.ReasonRollingBack, p.step.Reason)
	case p.step.State == plan.RolledBack && failedUpdate(p.step) == "":
		return condition.False(kind, v1alpha1.ReasonRolledBack, p.step.Reason)
	case p.step.State == plan.RollbackFailed:
		return condition.False(kind, v1alpha1.ReasonRollbackFailed, p.step.Reason)
	case wanted == "", p.err != nil && slot.Version != wanted, len(p.waiting) > 0 && slot.Version != wanted:
		return condition.False(kind, v1alpha1.ReasonNotDeployed, notDeployed(slot, wanted))
	case p.step.State == plan.InProgress:
		return condition.False(kind, v1alpha1.ReasonDeploying, p.step.Reason)
	default:
		return condition.True(kind, v1alpha1.ReasonDeployed, "all instances run "+slot.Version)
	}
}

func notDeployed(slot snapshot.Slot, wanted string) string {
	text := "the deployment has not begun"
	if wanted != "" {
		text = "the deployment of " + wanted + " has not begun"
	}
	if slot.Version != "" {
		text += "; " + slot.Version + " keeps running"
	}
	return text
}

func resolved(p pass) condition.Verdict {
	const kind = v1alpha1.ConditionInputsResolved
	switch about, reason, message := explain(p.err); {
	case about == kind:
		return condition.False(kind, reason, message)
	case !p.observed || p.unread:
		return condition.Unknown(kind, v1alpha1.ReasonLoadFailed, message)
	case p.cfg.Worker != nil && len(p.cfg.Worker.Warnings) > 0:
		return condition.True(kind, v1alpha1.ReasonRiskySettings, "every reference resolves, but "+strings.Join(p.cfg.Worker.Warnings, "; "))
	case p.cfg.Platform.Deprecation() != "":
		return condition.True(kind, v1alpha1.ReasonPlatformDeprecated, "every reference resolves, but "+p.cfg.Platform.Deprecation())
	default:
		return condition.True(kind, v1alpha1.ReasonAllFound, "every reference resolves")
	}
}

func applied(p pass) condition.Verdict {
	const kind = v1alpha1.ConditionApplied
	switch about, reason, message := explain(p.err); {
	case about == kind:
		return condition.False(kind, reason, message)
	case about == v1alpha1.ConditionInputsResolved:
		return condition.False(kind, v1alpha1.ReasonInputsNotResolved, "nothing is written until every input resolves")
	case len(p.waiting) > 0:
		return condition.False(kind, v1alpha1.ReasonPaused, pausedMessage(p))
	case p.unread:
		return condition.False(kind, v1alpha1.ReasonInputsNotResolved, "nothing is written until the inputs can be read")
	case p.err != nil && about == "":
		return condition.False(kind, v1alpha1.ReasonWriteFailed, message)
	default:
		return condition.True(kind, v1alpha1.ReasonAllApplied, "every child is as it should be")
	}
}

func supported(p pass) condition.Verdict {
	const kind = v1alpha1.ConditionFieldsSupported
	if len(p.cfg.Unsupported) == 0 {
		return condition.True(kind, v1alpha1.ReasonAllSupported, "every field that is set has its effect")
	}
	return condition.False(kind, v1alpha1.ReasonNotYetSupported,
		"without effect in this release (see docs/roadmap.md): "+strings.Join(p.cfg.Unsupported, ", "))
}

// explain takes an outcome apart: the condition that it is about, its reason and its message. A plain error is about none.
func explain(err error) (about, reason, message string) {
	if s := outcome.AsStall(err); s != nil {
		return s.Condition, s.Reason, s.Message
	}
	if w := outcome.AsWait(err); w != nil {
		return w.Condition, w.Reason, w.Message
	}
	if err != nil {
		return "", v1alpha1.ReasonRetrying, err.Error()
	}
	return "", "", ""
}
