// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/desired/buildjob"
	"github.com/beanpod-dev/beanpod/internal/evidence"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// bundle builds a source bundle for every platform version that an Environment asks for, and says how far that is.
func (r *Reconciler) bundle(ctx context.Context, ver *v1alpha1.ApplicationVersion, use usage, s condition.Summary) condition.Summary {
	if !r.operator.Bundles() {
		s.Hold, s.HoldMessage = v1alpha1.ReasonSourceNotSupported, noStoreMessage
		return s
	}
	asked := use.platforms[:min(len(use.platforms), maxArtifacts)]
	after, err := r.build(ctx, ver, asked)
	s.Verdicts = verdicts(ver, use)
	if s.Err = err; err != nil {
		return s
	}
	return verdictOnBuilds(ver, asked, after, s)
}

// verdictOnBuilds makes Ready of the builds that are asked for: one that failed, else one that is tried again, else one that runs.
func verdictOnBuilds(ver *v1alpha1.ApplicationVersion, asked []v1alpha1.PlatformStatusSummary, after time.Duration, s condition.Summary) condition.Summary {
	found := map[v1alpha1.ArtifactState][]string{}
	for _, a := range ver.Status.Artifacts {
		if isAsked(asked, a) {
			found[shown(a)] = append(found[shown(a)], told(a))
		}
	}
	if len(asked) == 0 {
		found[v1alpha1.ArtifactFailed] = onlyFailures(ver)
	}
	switch {
	case len(found[v1alpha1.ArtifactFailed]) > 0:
		s.Err = &outcome.Stall{Reason: v1alpha1.ReasonFailed, Message: strings.Join(found[v1alpha1.ArtifactFailed], " "), After: after}
	case len(found[v1alpha1.ArtifactRetrying]) > 0:
		s.Err = &outcome.Wait{Reason: v1alpha1.ReasonProcessing, Message: strings.Join(found[v1alpha1.ArtifactRetrying], " "), After: after}
	case len(found[v1alpha1.ArtifactBuilding])+len(found[""]) > 0:
		texts := append(found[v1alpha1.ArtifactBuilding], found[""]...)
		s.Err = &outcome.Wait{Reason: phase(ver), Message: strings.Join(texts, " "), After: after}
	case len(asked) == 0 && len(ver.Status.Artifacts) == 0:
		s.Hold, s.HoldMessage = v1alpha1.ReasonUnprocessed, unprocessedMessage
	default:
		s.Done, s.DoneMessage = v1alpha1.ReasonProcessed, builtMessage(ver)
	}
	return s
}

// shown is the state of an artifact with that of its image: one that is built and cannot be pushed is not there yet.
func shown(a v1alpha1.Artifact) v1alpha1.ArtifactState {
	switch {
	case a.State != v1alpha1.ArtifactBuilt || a.Message == "":
		return a.State
	case a.Reason == reasonRegistryRefused:
		return v1alpha1.ArtifactFailed
	case a.Reason == reasonRegistryUnavailable:
		return v1alpha1.ArtifactRetrying
	default:
		return v1alpha1.ArtifactBuilding
	}
}

// onlyFailures are the failures of a version that was built on no platform: what failed stays failed when nobody asks any more.
func onlyFailures(ver *v1alpha1.ApplicationVersion) (out []string) {
	for _, a := range ver.Status.Artifacts {
		switch a.State {
		case v1alpha1.ArtifactBuilt:
			return nil
		case v1alpha1.ArtifactFailed:
			out = append(out, told(a))
		}
	}
	return out
}

// phase is Processing until the archive is there, and then Building.
func phase(ver *v1alpha1.ApplicationVersion) string {
	if ver.Status.Bundle == nil {
		return v1alpha1.ReasonProcessing
	}
	return v1alpha1.ReasonBuilding
}

// told is one build for people.
func told(a v1alpha1.Artifact) string {
	key := settings.PlatformKey(a.Platform, a.Branch, a.Version)
	switch a.State {
	case v1alpha1.ArtifactBuilt:
		if a.Reason == "" {
			return fmt.Sprintf("It is built for %s, and %s.", key, a.Message)
		}
		return fmt.Sprintf("It is built for %s, but its image is not in the registry (%s): %s", key, a.Reason, a.Message)
	case v1alpha1.ArtifactFailed:
		text := fmt.Sprintf("Building for %s failed (%s): %s", key, a.Reason, a.Message)
		if a.LogsRef != nil {
			text += fmt.Sprintf(" ConfigMap %s has the last lines of its log.", a.LogsRef.Name)
		}
		return text
	case v1alpha1.ArtifactRetrying:
		return fmt.Sprintf("Building for %s failed (%s): %s", key, a.Reason, a.Message)
	default:
		text := fmt.Sprintf("Building for %s, attempt %d.", key, max(1, a.Attempts))
		if a.Message != "" {
			text += " It waits: " + a.Message
		}
		return text
	}
}

// credentialsExist refuses to begin a build that would wait for its Secret until its time is over.
func (r *Reconciler) credentialsExist(ctx context.Context, ver *v1alpha1.ApplicationVersion) error {
	ref := ver.Spec.Source.Bundle.SecretRef
	if ref == nil {
		return nil
	}
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.client.Get(ctx, client.ObjectKey{Namespace: ver.Namespace, Name: ref.Name}, secret)
	if apierrors.IsNotFound(err) {
		return failed(fmt.Sprintf("Secret %s, which spec.source.bundle.secretRef names, does not exist. Create it.", ref.Name))
	}
	if err != nil {
		return fmt.Errorf("reading Secret %s: %w", ref.Name, err)
	}
	return nil
}

// logRetry is when the log of a failed build is kept again that could not be kept.
const logRetry = time.Minute

// keepLog keeps the last lines of a build that failed for good, before its pod goes. That it cannot be kept stops nothing: it is tried
// again after what it returns, while there is a pod.
func (r *Reconciler) keepLog(ctx context.Context, ver *v1alpha1.ApplicationVersion, entry *v1alpha1.Artifact, a *attempt) time.Duration {
	if entry.State != v1alpha1.ArtifactFailed || entry.LogsRef != nil || a.pod == nil || a.number != entry.Attempts || a.pod.DeletionTimestamp != nil {
		return 0
	}
	var steps []string
	for _, c := range a.statuses() {
		if c.State.Terminated != nil {
			steps = append(steps, c.Name)
		}
	}
	name, err := r.keeper.KeepBuild(ctx, ver, evidence.Build{
		Job: a.job.Name, Pod: a.pod.Name, Containers: steps,
		Summary: fmt.Sprintf("%s\nstep order: %s, %s, %s\n", told(*entry), buildjob.Fetch, buildjob.Build, buildjob.Push),
	})
	if err != nil {
		log.FromContext(ctx).Error(err, "The log of the failed build could not be kept", "job", a.job.Name)
		return logRetry
	}
	entry.LogsRef = &v1alpha1.LocalReference{Name: name}
	return 0
}
