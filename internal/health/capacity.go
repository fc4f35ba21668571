// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

func findNodeLost(_ Input, pod snapshot.Instance) finding {
	if pod.Lost {
		return finding{status: v1alpha1.HealthNoData}
	}
	return finding{}
}

func tellNodeLost(g group) string {
	return g.some("is", "are") + " on a node that does not answer. Kubernetes replaces what was on a node that stays away; " +
		"see which one with `kubectl get nodes`."
}

// findUnschedulable gives an instance its time, because an autoscaler may be adding a node.
func findUnschedulable(in Input, pod snapshot.Instance) finding {
	if pod.Unschedulable == "" {
		return finding{}
	}
	status := v1alpha1.HealthSevere
	if inTime(in, pod) {
		status = v1alpha1.HealthPending
	}
	// What the scheduler says about preemption only repeats the nodes.
	detail, _, _ := strings.Cut(pod.Unschedulable, " preemption:")
	return finding{status: status, detail: detail}
}

func tellUnschedulable(g group) string {
	return fmt.Sprintf("%s Add a node, or ask for less with spec.capacity.resources.requests or spec.capacity.placement.",
		sentence(g.some("finds no node", "find no node")+": "+Clean(g.first().detail)))
}

// creationRefused tells what the API server says when instances may not be created. Those that are missing count by their
// share, but as somebody must act it is never less than a Warning.
func creationRefused(all census) *v1alpha1.HealthCause {
	if all.refused == "" {
		return nil
	}
	missing := max(0, all.whole-len(all.findings))
	severity := worse(v1alpha1.HealthWarning, share(missing, all.whole))
	if all.in.Wanted.Launching {
		severity = worse(v1alpha1.HealthDegraded, severity)
	}
	detail := Clean(all.refused)
	return &v1alpha1.HealthCause{
		Code: CauseCreationRefused, Severity: severity, Count: count(missing),
		Message: fmt.Sprintf("%s %s", sentence("New instances are refused: "+detail), refusalStep(detail)),
	}
}

func refusalStep(detail string) string {
	text := strings.ToLower(detail)
	switch {
	case strings.Contains(text, "quota"):
		return "Raise the namespace's ResourceQuota, or ask for less with spec.capacity."
	case strings.Contains(text, "podsecurity"):
		return "Remove from spec.podTemplate what the namespace's Pod Security level forbids, or choose another level."
	case strings.Contains(text, "usage per"):
		return "Keep spec.capacity.resources within the namespace's LimitRange."
	default:
		return "Change what the message names; the refusal comes from the cluster, not from Beanpod."
	}
}

// belowMinimum compares the instances that have passed the health gate with the fewest that there should be. While a
// deployment has time, instances that are on their way count as if they were there: a policy may go below the minimum on
// purpose, but failures and refusals may not.
func belowMinimum(all census) *v1alpha1.HealthCause {
	if all.in.Wanted.Desired <= 0 {
		return nil // none is wanted
	}
	need := max(1, int(all.in.Wanted.Min))
	usable, serving := all.available, all.available+all.ready
	if all.in.grace() {
		expected := all.whole
		if all.refused != "" {
			expected = len(all.findings)
		}
		usable = max(usable, expected-countFailing(all.findings))
		serving = max(serving, usable)
	}
	if usable >= need {
		return nil
	}
	next := "The other causes say why; if there is none, look at `kubectl get pods`."
	if all.ready > all.available {
		next = "Others are ready, but have not passed the health gate yet."
	}
	out := &v1alpha1.HealthCause{
		Code: CauseBelowMinimum, Severity: v1alpha1.HealthDegraded, Count: count(need - usable),
		Message: fmt.Sprintf("%d %s available, at least %d should be. %s",
			all.available, number(all.available, "instance is", "instances are"), need, next),
	}
	if serving == 0 {
		out.Severity = v1alpha1.HealthSevere
	}
	return out
}
