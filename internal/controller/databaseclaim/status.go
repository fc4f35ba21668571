// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// standing are the conditions that every claim has. What a pass did not come to stays as it was.
func (r *Reconciler) standing(p *pass) []condition.Verdict {
	out := []condition.Verdict{p.protection()}
	found := func(kind string) bool {
		for _, v := range p.verdicts {
			if v.Type == kind {
				return true
			}
		}
		return false
	}
	if !found(v1alpha1.ConditionProvisioned) {
		out = append(out, p.provisioned())
	}
	out = append(out, p.credentials())
	if was := condition.Find(p.before.Status.Conditions, v1alpha1.ConditionReachable); was != nil && !p.unprobed && !found(v1alpha1.ConditionReachable) {
		out = append(out, condition.Verdict{Type: was.Type, Status: was.Status, Reason: was.Reason, Message: was.Message})
	}
	return out
}

func (p *pass) provisioned() condition.Verdict {
	switch was := condition.Find(p.before.Status.Conditions, v1alpha1.ConditionProvisioned); {
	case p.facts.Ready:
		return condition.True(v1alpha1.ConditionProvisioned, v1alpha1.ReasonProvisioned, orElse(p.facts.Message, "the provider says that the database takes connections"))
	case p.facts.Failed:
		return condition.False(v1alpha1.ConditionProvisioned, v1alpha1.ReasonProvisioningFailed, p.facts.Message)
	case p.have != nil || was == nil:
		return condition.False(v1alpha1.ConditionProvisioned, v1alpha1.ReasonProvisioning, orElse(p.facts.Message, "the database is not there yet"))
	default:
		return condition.Verdict{Type: was.Type, Status: was.Status, Reason: was.Reason, Message: was.Message}
	}
}

func (p *pass) credentials() condition.Verdict {
	was := condition.Find(p.before.Status.Conditions, v1alpha1.ConditionCredentialsPublished)
	switch {
	case p.published:
		return condition.True(v1alpha1.ConditionCredentialsPublished, v1alpha1.ReasonPublished, "Secret "+p.claim.Status.Binding.Name+" is complete")
	case was != nil:
		return condition.Verdict{Type: was.Type, Status: was.Status, Reason: was.Reason, Message: was.Message}
	default:
		return condition.False(v1alpha1.ConditionCredentialsPublished, v1alpha1.ReasonNotPublished, "the Secret is not complete yet")
	}
}

func (p *pass) protection() condition.Verdict {
	claim := p.claim
	if p.coupling != "" {
		return condition.True(v1alpha1.ConditionProtected, v1alpha1.ReasonEnvironmentEnded, p.coupling)
	}
	if database.Protected(claim) {
		return condition.True(v1alpha1.ConditionProtected, v1alpha1.ReasonDeletionProtected, "spec.deletionProtection is true: a deletion is refused")
	}
	return condition.False(v1alpha1.ConditionProtected, v1alpha1.ReasonNotProtected, "spec.deletionProtection is false: a deletion does as spec.deletionPolicy says, "+string(database.Policy(claim)))
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}

// pace writes everything at once but messages.
func pace(before, after *v1alpha1.DatabaseClaim) shell.Pace {
	if len(before.Status.Conditions) != len(after.Status.Conditions) || before.Status.ObservedGeneration != after.Status.ObservedGeneration ||
		(before.Status.Deletion == nil) != (after.Status.Deletion == nil) ||
		before.Status.Deletion != nil && before.Status.Deletion.Phase != after.Status.Deletion.Phase ||
		operations(before) != operations(after) || before.Status.CoupledUID != after.Status.CoupledUID || len(before.Status.UsedBy) != len(after.Status.UsedBy) {
		return shell.Immediately
	}
	for _, c := range after.Status.Conditions {
		if condition.Turned(before.Status.Conditions, after.Status.Conditions, c.Type) != nil {
			return shell.Immediately
		}
	}
	return shell.Progress
}

// transitions tells what became of the claim: one event for each change of Ready, of what a probe finds, and of what a deletion waits for.
func transitions(before, after *v1alpha1.DatabaseClaim) []shell.Event {
	var out []shell.Event
	for kind, action := range map[string]string{v1alpha1.ConditionReady: "Provide", v1alpha1.ConditionTerminating: "Delete", v1alpha1.ConditionProtected: "Delete",
		v1alpha1.ConditionReachable: "Probe"} {
		c := condition.Turned(before.Status.Conditions, after.Status.Conditions, kind)
		if c == nil || c.Reason == v1alpha1.ReasonProbing || kind == v1alpha1.ConditionReady && !after.DeletionTimestamp.IsZero() || kind == v1alpha1.ConditionProtected && c.Reason != v1alpha1.ReasonEnvironmentEnded {
			continue
		}
		level := corev1.EventTypeNormal
		if kind == v1alpha1.ConditionReady && c.Status == metav1.ConditionFalse || kind == v1alpha1.ConditionReachable && c.Status != metav1.ConditionTrue {
			level = corev1.EventTypeWarning
		}
		out = append(out, shell.Event{Type: level, Reason: c.Reason, Action: action, Message: c.Message})
	}
	return out
}
