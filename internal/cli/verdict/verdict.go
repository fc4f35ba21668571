// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

// Until is how far a deployment must have come.
type Until string

// What can be waited for.
const (
	// Accepted means that every input resolves and the deployment has begun.
	Accepted Until = "accepted"
	// RolledOut means that all instances run the version, and passed the health gate.
	RolledOut Until = "rolled-out"
	// Healthy means that, besides, the environment is ready and its health green.
	Healthy Until = "healthy"
)

// Goal is a change that somebody made and waits for.
type Goal struct {
	// Version that spec.versionRef names.
	Version string
	// Generation of the Environment once the change was written. What the status says of an earlier one is about something else.
	Generation int64
	Until      Until
}

// State is what became of a goal.
type State string

// The states.
const (
	// Waiting means that the operator is at work.
	Waiting State = "Waiting"
	// Succeeded means that the goal is reached.
	Succeeded State = "Succeeded"
	// Failed means that the deployment failed, was rolled back or aborted.
	Failed State = "Failed"
	// Stuck means that nothing happens until somebody changes something. An operator that has not yet seen what was written a moment
	// ago says so too, so callers ask again for some seconds.
	Stuck State = "Stuck"
	// Paused means that spec.paused holds the change back.
	Paused State = "Paused"
	// Superseded means that somebody else asked for another version, or deletes the environment.
	Superseded State = "Superseded"
)

// Verdict is what is known of a goal.
type Verdict struct {
	State State
	// Reason is one word of the API; empty where the API has none.
	Reason string
	// Message for people.
	Message string
}

// Why deployments end badly. Each is final: the same change is not tried again.
var failures = []string{
	v1alpha1.ReasonRolledBack, v1alpha1.ReasonRollbackFailed, v1alpha1.ReasonTimedOut, v1alpha1.ReasonInstancesCrashed,
	v1alpha1.ReasonHealthBelowMinimum, v1alpha1.ReasonReleaseCommandFailed, v1alpha1.ReasonAborted,
}

// Judge says what became of a goal. Events are never asked, only the status, and only what it says of the goal's generation or a later one.
func Judge(env *v1alpha1.Environment, goal Goal) Verdict {
	switch named := wanted(env); {
	case env.DeletionTimestamp != nil:
		return Verdict{Superseded, v1alpha1.ReasonTerminating, "the environment is being deleted"}
	case env.Generation >= goal.Generation && named != goal.Version:
		return Verdict{Superseded, string(v1alpha1.DeploymentSuperseded), fmt.Sprintf("somebody changed spec.versionRef to %s", orNothing(named))}
	case env.Status.ObservedGeneration < goal.Generation:
		return Verdict{Waiting, v1alpha1.ReasonNotYetObserved, "waiting for the operator to see the change"}
	}
	return judgeStatus(env, goal)
}

// judgeStatus judges a status that speaks of the goal's generation.
func judgeStatus(env *v1alpha1.Environment, goal Goal) Verdict {
	deployed := find(env, v1alpha1.ConditionVersionDeployed)
	ready := find(env, v1alpha1.ConditionReady)
	switch {
	case deployed.Status == metav1.ConditionTrue:
		return arrived(env, goal, ready)
	case failed(env, goal) && slices.Contains(failures, deployed.Reason):
		return Verdict{Failed, deployed.Reason, deployed.Message}
	case ready.Reason == v1alpha1.ReasonPaused:
		return Verdict{Paused, ready.Reason, ready.Message}
	case condition.IsTrue(env.Status.Conditions, v1alpha1.ConditionStalled):
		return Verdict{Stuck, ready.Reason, ready.Message}
	case deployed.Reason == v1alpha1.ReasonDeploying && goal.Until == Accepted:
		return Verdict{Succeeded, deployed.Reason, deployed.Message}
	case deployed.Reason == v1alpha1.ReasonDeploying, deployed.Reason == v1alpha1.ReasonRollingBack:
		return Verdict{Waiting, deployed.Reason, deployed.Message}
	default:
		return Verdict{Waiting, ready.Reason, ready.Message}
	}
}

// arrived judges an environment in which all instances run the version.
func arrived(env *v1alpha1.Environment, goal Goal, ready metav1.Condition) Verdict {
	if goal.Until != Healthy || (ready.Status == metav1.ConditionTrue && Green(env)) {
		return Verdict{Succeeded, v1alpha1.ReasonDeployed, "all instances run " + goal.Version}
	}
	if ready.Status != metav1.ConditionTrue {
		return Verdict{Waiting, ready.Reason, ready.Message}
	}
	message := "all instances run " + goal.Version + ", waiting for green health"
	if hs := env.Status.Health; hs != nil {
		message += fmt.Sprintf("; it is %s (%s)", hs.Status, hs.Color)
	}
	return Verdict{Waiting, v1alpha1.ReasonDeployed, message}
}

// failed says whether the deployment that the status tells of is the goal's: an older one may have failed as well.
func failed(env *v1alpha1.Environment, goal Goal) bool {
	return env.Status.TargetVersion != nil && env.Status.TargetVersion.Name == goal.Version
}

// Green says whether the health of an environment is green.
func Green(env *v1alpha1.Environment) bool {
	return env.Status.Health != nil && env.Status.Health.Color == v1alpha1.ColorGreen
}

func wanted(env *v1alpha1.Environment) string {
	if env.Spec.VersionRef == nil {
		return ""
	}
	return env.Spec.VersionRef.Name
}

func orNothing(name string) string {
	if name == "" {
		return "nothing"
	}
	return name
}

func find(env *v1alpha1.Environment, kind string) metav1.Condition {
	if c := condition.Find(env.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{Type: kind, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonNotYetObserved, Message: "waiting for the operator"}
}
