// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

// transitions are the events of a change of status. They depend on nothing else, so none is told twice.
func transitions(before, after *v1alpha1.Environment) []shell.Event {
	var out []shell.Event
	add := func(bad bool, reason, action, format string, args ...any) {
		out = append(out, shell.Event{Type: eventType(bad), Reason: reason, Action: action, Message: condition.Cut(fmt.Sprintf(format, args...))})
	}
	deploymentEvents(before.Status.Deployment, after, add)
	healthEvents(before.Status.Health, after.Status.Health, add)
	capacityEvents(before.Status.Capacity, after.Status.Capacity, add)
	was, is := before.Status.Conditions, after.Status.Conditions
	// What stalls because its deployment failed was told as that.
	if c := condition.Turned(was, is, v1alpha1.ConditionStalled); c != nil && c.Reason != reasonOf(is, v1alpha1.ConditionVersionDeployed) {
		add(true, c.Reason, "Reconcile", "%s", c.Message)
	}
	if c := condition.Turned(was, is, v1alpha1.ConditionInputsResolved); c != nil && c.Status == "False" && !condition.IsTrue(is, v1alpha1.ConditionStalled) {
		add(false, c.Reason, "Resolve", "%s", c.Message)
	}
	databaseEvents(before, after, add)
	if c := condition.Find(is, v1alpha1.ConditionInputsResolved); c != nil && c.Reason == v1alpha1.ReasonPlatformDeprecated && reasonOf(was, c.Type) != c.Reason {
		add(true, c.Reason, "Resolve", "%s", c.Message)
	}
	if c := condition.Turned(was, is, v1alpha1.ConditionFieldsSupported); c != nil && c.Status == "False" {
		add(true, c.Reason, "Resolve", "%s", c.Message)
	}
	if c := condition.Turned(was, is, v1alpha1.ConditionTerminating); c != nil {
		add(c.Reason != v1alpha1.ReasonWaitingForChildren, c.Reason, "Terminate", "%s", c.Message)
	}
	if c := condition.Find(is, v1alpha1.ConditionReady); c != nil && c.Reason == v1alpha1.ReasonPaused && condition.Turned(was, is, v1alpha1.ConditionReady) != nil {
		add(false, c.Reason, "Pause", "%s", c.Message)
	}
	return out
}

type adder func(bad bool, reason, action, format string, args ...any)

func deploymentEvents(was *v1alpha1.DeploymentStatus, after *v1alpha1.Environment, add adder) {
	is := after.Status.Deployment
	if is == nil {
		return
	}
	version := targetName(&after.Status)
	if was == nil || was.ID != is.ID {
		add(false, "DeploymentStarted", "Deploy", "Deployment %d (%s, %s) of %s started", is.ID, is.Type, is.Policy, version)
	}
	known := was != nil && was.ID == is.ID
	if is.Reason != "" && (!known || was.Reason == "") && is.State == v1alpha1.DeploymentInProgress {
		add(true, "DeploymentFailed", "Deploy", "Deployment %d of %s", is.ID, is.Message)
	}
	if known && was.State == is.State {
		return
	}
	switch is.State {
	case v1alpha1.DeploymentSucceeded:
		add(false, "DeploymentSucceeded", "Deploy", "Deployment %d of %s succeeded: %d instances", is.ID, version, is.Desired)
	case v1alpha1.DeploymentFailed, v1alpha1.DeploymentAborted:
		if known && was.Reason != "" {
			c := condition.Find(after.Status.Conditions, v1alpha1.ConditionVersionDeployed)
			back := c != nil && c.Reason == v1alpha1.ReasonRolledBack
			reason := v1alpha1.ReasonRollbackFailed
			if back {
				reason = v1alpha1.ReasonRolledBack
			}
			add(!back, reason, "RollBack", "Deployment %d of %s", is.ID, is.Message)
			return
		}
		add(true, "DeploymentFailed", "Deploy", "Deployment %d of %s failed: %s", is.ID, version, is.Message)
	}
}

func healthEvents(was, is *v1alpha1.Health, add adder) {
	if is == nil || (was == nil && is.Color == v1alpha1.ColorGrey) || (was != nil && was.Status == is.Status) {
		return
	}
	from := v1alpha1.HealthUnknown
	if was != nil {
		from = was.Status
	}
	cause := ""
	if len(is.Causes) > 0 {
		cause = ": " + is.Causes[0].Message
	}
	add(is.Color == v1alpha1.ColorRed || is.Color == v1alpha1.ColorYellow, "HealthChanged", "Assess", "Health changed from %s to %s%s", from, is.Status, cause)
}

func reasonOf(conditions []metav1.Condition, kind string) string {
	if c := condition.Find(conditions, kind); c != nil {
		return c.Reason
	}
	return ""
}

// pace says how soon a change of status must be seen. While work goes on, and goes on as before, a change is progress.
func pace(before, after *v1alpha1.Environment) shell.Pace {
	was, is := before.Status.Conditions, after.Status.Conditions
	busy := condition.IsTrue(is, v1alpha1.ConditionReconciling)
	wasBusy := condition.IsTrue(was, v1alpha1.ConditionReconciling)
	same := sameDeployment(before.Status.Deployment, after.Status.Deployment) && reason(before) == reason(after)
	switch {
	case reason(after) != "" && reason(before) != reason(after):
		return shell.Immediately
	case reasonOf(is, v1alpha1.ConditionInputsResolved) == v1alpha1.ReasonVersionNotReady && !slices.Equal(platformsOf(before), platformsOf(after)):
		// The build begins with this write.
		return shell.Immediately
	case busy && !wasBusy:
		return shell.Beginning
	case busy && same && !worse(before.Status.Health, after.Status.Health):
		return shell.Progress
	case !turned(was, is) && same && sameHealth(before.Status.Health, after.Status.Health) &&
		before.Status.URL == after.Status.URL:
		return shell.Progress
	default:
		return shell.Immediately
	}
}

// platformsOf is the platform version that status names, if it names one.
func platformsOf(env *v1alpha1.Environment) []v1alpha1.PlatformStatusSummary {
	if env.Status.Platform == nil {
		return nil
	}
	return []v1alpha1.PlatformStatusSummary{*env.Status.Platform}
}

// turned says whether any condition came, went, or changed its status or reason.
func turned(was, is []metav1.Condition) bool {
	return !slices.EqualFunc(was, is, func(a, b metav1.Condition) bool {
		return a.Type == b.Type && a.Status == b.Status && a.Reason == b.Reason && a.ObservedGeneration == b.ObservedGeneration
	})
}

// reason why the deployment failed; empty while it has not.
func reason(env *v1alpha1.Environment) string {
	if env.Status.Deployment == nil {
		return ""
	}
	return env.Status.Deployment.Reason
}

func sameDeployment(a, b *v1alpha1.DeploymentStatus) bool {
	return (a == nil) == (b == nil) && (a == nil || (a.ID == b.ID && a.State == b.State))
}

func sameHealth(a, b *v1alpha1.Health) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Status == b.Status)
}

// worse says whether health has turned red, which nobody should wait for.
func worse(a, b *v1alpha1.Health) bool {
	return b != nil && b.Color == v1alpha1.ColorRed && (a == nil || a.Color != v1alpha1.ColorRed)
}
