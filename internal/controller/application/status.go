// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/lifecycle"
)

// maxListed is the longest list in status.
const maxListed = 50

const reasonSwept = "VersionsDeleted"

// report fills everything in status but the conditions.
func report(app *v1alpha1.Application, have family, evictable int) {
	app.Status.ObservedGeneration = app.Generation
	app.Status.Versions = count(have)
	app.Status.Versions.Evictable = int32(evictable)
	app.Status.Environments = nil
	for i := range have.environments[:min(len(have.environments), maxListed)] {
		app.Status.Environments = append(app.Status.Environments, summarize(&have.environments[i]))
	}
}

func count(have family) *v1alpha1.VersionCounts {
	used := map[string]bool{}
	for i := range have.environments {
		for _, name := range lifecycle.Used(&have.environments[i]) {
			used[name] = true
		}
	}
	out := &v1alpha1.VersionCounts{Total: int32(len(have.versions))}
	for i := range have.versions {
		v := &have.versions[i]
		if used[v.Name] || len(v.Status.UsedBy) > 0 {
			out.InUse++
		}
		if failed(v) {
			out.Failed++
		}
	}
	if newest := lifecycle.Newest(have.versions); newest != nil {
		out.Newest = newest.Name
	}
	return out
}

// failed says whether processing a version failed.
func failed(v *v1alpha1.ApplicationVersion) bool {
	ready := condition.Find(v.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == v1alpha1.ReasonFailed
}

func summarize(env *v1alpha1.Environment) v1alpha1.EnvironmentSummary {
	out := v1alpha1.EnvironmentSummary{Name: env.Name, Tier: env.Spec.Tier}
	if env.Status.DeployedVersion != nil {
		out.Version = env.Status.DeployedVersion.Name
	}
	if env.Status.Health != nil {
		out.Health = env.Status.Health.Status
	}
	return out
}

// pace lets counts and health, which change often, wait a little for the next change; everything that somebody may wait
// for is written at once.
func pace(before, after *v1alpha1.Application, found findings) shell.Pace {
	if len(found.swept) > 0 || len(before.Status.Conditions) != len(after.Status.Conditions) ||
		before.Status.ObservedGeneration != after.Status.ObservedGeneration {
		return shell.Immediately
	}
	for _, c := range after.Status.Conditions {
		if condition.Turned(before.Status.Conditions, after.Status.Conditions, c.Type) != nil {
			return shell.Immediately
		}
	}
	return shell.Progress
}

// transitions turns the difference between two states of status into events, one for each.
func transitions(before, after *v1alpha1.Application, found findings) []shell.Event {
	var out []shell.Event
	if n := len(found.swept); n > 0 {
		out = append(out, shell.Event{
			Type: corev1.EventTypeNormal, Reason: reasonSwept, Action: "Sweep",
			Message: fmt.Sprintf("The version lifecycle deleted %d versions: %s.", n, shell.Names(found.swept, maxNamed)),
		})
	}
	if waiting := condition.Turned(before.Status.Conditions, after.Status.Conditions, v1alpha1.ConditionTerminating); waiting != nil {
		out = append(out, shell.Event{Type: corev1.EventTypeWarning, Reason: waiting.Reason, Action: "Delete", Message: waiting.Message})
	}
	return out
}
