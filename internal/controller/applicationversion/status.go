// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

const (
	// maxListed is the longest list in status.
	maxListed = 50
	// maxNamed is how many names a message repeats.
	maxNamed = 5
)

const (
	noStoreMessage = "This operator has no store for source bundles. Set store in its chart, or build an image and name it in " +
		"spec.source.image of a new version."
	unprocessedMessage = "Nothing has asked for it yet: the bundle is built once an Environment with a platform names it in spec.versionRef."
)

// reportUsage fills everything in status but the image and the conditions.
func reportUsage(ver *v1alpha1.ApplicationVersion, use usage) {
	names := use.names()
	ver.Status.UsedBy = nil
	for _, name := range names[:min(len(names), maxListed)] {
		ver.Status.UsedBy = append(ver.Status.UsedBy, v1alpha1.VersionUse{Environment: name})
	}
	ver.Status.FailedIn = use.failed[:min(len(use.failed), maxListed)]
	ver.Status.Retention = &v1alpha1.VersionRetention{State: v1alpha1.RetentionKept, Reason: "no Environment uses it"}
	if use.used() {
		ver.Status.Retention = &v1alpha1.VersionRetention{
			State: v1alpha1.RetentionInUse, Reason: "used by " + shell.Names(names, maxNamed),
		}
	}
}

// verdicts are all conditions but Ready and its companions.
func verdicts(ver *v1alpha1.ApplicationVersion, use usage) []condition.Verdict {
	out := []condition.Verdict{effective(ver)}
	if !ver.DeletionTimestamp.IsZero() {
		out = append(out, condition.True(v1alpha1.ConditionTerminating, v1alpha1.ReasonInUse, waitingMessage(use)))
	}
	return out
}

// effective lists what the bundle's own files ask for in vain. Nothing is dropped in silence.
func effective(ver *v1alpha1.ApplicationVersion) condition.Verdict {
	b := ver.Status.Bundle
	if b == nil || len(b.Unsupported) == 0 {
		return condition.True(v1alpha1.ConditionFieldsSupported, v1alpha1.ReasonAllSupported, "Every field that is set has its effect.")
	}
	return condition.False(v1alpha1.ConditionFieldsSupported, v1alpha1.ReasonNotYetSupported,
		"The bundle asks for what has no effect: "+strings.Join(b.Unsupported, "; ")+". status.bundle.unsupported has the list.")
}

// waitingMessage says what keeps a deleted version, and what to change.
func waitingMessage(use usage) string {
	parts := []string{"Deletion waits because the version is in use."}
	if len(use.wanted) > 0 {
		parts = append(parts, fmt.Sprintf("Name another version in spec.versionRef of %s.", shell.Names(use.wanted, maxNamed)))
	}
	if len(use.held) > 0 {
		parts = append(parts, fmt.Sprintf("In %s it runs, or a rollback would return to it, until another version is deployed there.",
			shell.Names(use.held, maxNamed)))
	}
	return strings.Join(parts, " ")
}

func processedMessage(ver *v1alpha1.ApplicationVersion) string {
	if ver.Spec.Source.Image.PullPolicy == v1alpha1.PullNever {
		return fmt.Sprintf("%s is deployed as it is written: pullPolicy is Never, so nothing is resolved and the nodes must have it.",
			ver.Spec.Source.Image.Reference)
	}
	if ver.Status.Image == nil {
		return ""
	}
	return fmt.Sprintf("%s is %s.", ver.Status.Image.Reference, ver.Status.Image.Digest)
}

func builtMessage(ver *v1alpha1.ApplicationVersion) string {
	var parts []string
	for _, a := range ver.Status.Artifacts {
		if a.State == v1alpha1.ArtifactBuilt {
			parts = append(parts, fmt.Sprintf("%s (%d bytes)", settings.PlatformKey(a.Platform, a.Branch, a.Version), a.SizeBytes))
		}
	}
	if len(parts) == 0 {
		return "No Environment asks for a build."
	}
	return "Built for " + shell.Names(parts, maxNamed) + "."
}

func noApplicationMessage(ver *v1alpha1.ApplicationVersion) string {
	return fmt.Sprintf("Application %s, which spec.applicationRef names, does not exist. Create it.", ver.Spec.ApplicationRef.Name)
}

func labelConflictMessage(ver, holder *v1alpha1.ApplicationVersion) string {
	return fmt.Sprintf("ApplicationVersion %s, which is older, has the label %q in Application %s. Delete one of the two, or create this "+
		"one again with another spec.label.", holder.Name, label(ver), ver.Spec.ApplicationRef.Name)
}

// transitions turns the difference between two states of status into events, one for each.
func transitions(before, after *v1alpha1.ApplicationVersion) []shell.Event {
	var out []shell.Event
	is, was := after.Status.Conditions, before.Status.Conditions
	if ready := condition.Turned(was, is, v1alpha1.ConditionReady); ready != nil && ready.Status != metav1.ConditionUnknown && ready.Reason != v1alpha1.ReasonUnprocessed {
		kind := corev1.EventTypeNormal
		if ready.Status == metav1.ConditionFalse {
			kind = corev1.EventTypeWarning
		}
		out = append(out, shell.Event{Type: kind, Reason: ready.Reason, Action: "Resolve", Message: ready.Message})
	}
	if waiting := condition.Turned(was, is, v1alpha1.ConditionTerminating); waiting != nil {
		out = append(out, shell.Event{Type: corev1.EventTypeWarning, Reason: waiting.Reason, Action: "Delete", Message: waiting.Message})
	}
	return out
}
