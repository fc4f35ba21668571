// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

const reasonOutdated = "BranchOutdated"

// branches says for each branch what new environments get and how many name it. An Environment that names no branch uses
// the first.
func branches(p *v1alpha1.Platform, users []v1alpha1.Environment) []v1alpha1.PlatformBranchStatus {
	count := map[string]int32{}
	for i := range users {
		branch := users[i].Spec.PlatformRef.Branch
		if branch == "" {
			branch = p.Spec.Branches[0].Name
		}
		count[branch]++
	}
	out := make([]v1alpha1.PlatformBranchStatus, 0, len(p.Spec.Branches))
	for _, b := range p.Spec.Branches {
		out = append(out, v1alpha1.PlatformBranchStatus{Name: b.Name, Recommended: b.Versions[0].Version, Environments: count[b.Name]})
	}
	return out
}

// outdated lists, in sentences without numbers, the branches that somebody uses and should leave, and says after how long
// time alone changes one of them.
func outdated(p *v1alpha1.Platform, now time.Time) (warnings []string, next time.Duration) {
	for i, b := range p.Spec.Branches {
		if p.Status.Branches[i].Environments == 0 {
			continue
		}
		switch b.State {
		case v1alpha1.PlatformRetired:
			warnings = append(warnings, fmt.Sprintf("Branch %q is retired and gets no updates, but Environments still use it.", b.Name))
		case v1alpha1.PlatformDeprecated:
			word := "is to be"
			if day, err := time.Parse(time.DateOnly, b.RetireOn); err == nil {
				if left := day.Sub(now); left <= 0 {
					word = "was to be"
				} else if next == 0 || left < next {
					next = left
				}
			}
			warnings = append(warnings, fmt.Sprintf("Branch %q is deprecated and %s retired on %s, but Environments still use it.", b.Name, word, b.RetireOn))
		}
	}
	return warnings, next
}

func summary(warnings []string) condition.Summary {
	message := "Environments can name this Platform and its branches."
	if len(warnings) > 0 {
		message += " " + strings.Join(warnings, " ") + " Change spec.platformRef.branch of those Environments."
	}
	return condition.Summary{Done: v1alpha1.ReasonAccepted, DoneMessage: message}
}

// pace lets counts wait for the next change; the first status and every transition are written at once.
func pace(before, after *v1alpha1.Platform) shell.Pace {
	ready := condition.Find(before.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || before.Status.ObservedGeneration != after.Status.ObservedGeneration ||
		ready.Message != condition.Find(after.Status.Conditions, v1alpha1.ConditionReady).Message {
		return shell.Immediately
	}
	return shell.Progress
}

// transitions tells of warnings that were not there before.
func transitions(before *v1alpha1.Platform, warnings []string) []shell.Event {
	told := ""
	if ready := condition.Find(before.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		told = ready.Message
	}
	var out []shell.Event
	for _, w := range warnings {
		if !strings.Contains(told, w) {
			out = append(out, shell.Event{Type: corev1.EventTypeWarning, Reason: reasonOutdated, Action: "Check", Message: w})
		}
	}
	return out
}
