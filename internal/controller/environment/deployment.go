// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Limits of the lists in status, the same as the schema's.
const (
	maxHistory = 10
	maxFailed  = 5
)

func recordHealth(st *v1alpha1.EnvironmentStatus, p pass) {
	hs := p.health
	if st.Health != nil && st.Health.Status == hs.Status {
		hs.Since = st.Health.Since
	}
	if hs.Since == nil {
		hs.Since = seconds(p)
	}
	st.Health = &hs
}

// recordDeployment follows the rollout that the slot records. What ended goes to the history, which cannot be observed again.
func recordDeployment(env *v1alpha1.Environment, p pass) {
	st, step := &env.Status, p.step
	if step.Rollout.ID == 0 || (step.Begins && !deploying(p)) {
		return
	}
	version := p.cfg.Version.Name
	if p.err != nil || step.State == plan.Unsupported {
		version = p.now.Slots[snapshot.SlotA].Version
	}
	before := st.Deployment
	if before != nil && before.ID != step.Rollout.ID && before.State == v1alpha1.DeploymentInProgress {
		remember(st, record(*before, targetName(st), v1alpha1.DeploymentSuperseded, "", seconds(p)))
	}
	st.TargetVersion = &v1alpha1.LocalReference{Name: version}
	now := deploymentStatus(p, before)
	if now.FinishedAt != nil && !sameDeployment(before, &now) {
		ended(st, now, version, p)
	}
	st.Deployment = &now
}

// deploymentStatus is the rollout for people. Once it ended well it does not change any more.
func deploymentStatus(p pass, before *v1alpha1.DeploymentStatus) v1alpha1.DeploymentStatus {
	step := p.step
	same := before != nil && before.ID == step.Rollout.ID
	if same && before.State == v1alpha1.DeploymentSucceeded && step.State != plan.Failed {
		return *before
	}
	started := metav1.NewTime(step.Rollout.StartedAt)
	now := v1alpha1.DeploymentStatus{
		ID: step.Rollout.ID, Type: step.Rollout.Type, Policy: step.Rollout.Policy, State: v1alpha1.DeploymentInProgress,
		Updated: step.Updated, Desired: step.Desired, StartedAt: &started, Message: step.Reason,
	}
	switch step.State {
	case plan.Idle, plan.Unsupported:
		now.State, now.Message = v1alpha1.DeploymentSucceeded, "all instances are up to date"
	case plan.Failed:
		now.State = v1alpha1.DeploymentFailed
	default:
		if !step.Deadline.IsZero() {
			deadline := metav1.NewTime(step.Deadline)
			now.Deadline = &deadline
		}
		return now
	}
	now.FinishedAt = seconds(p)
	if same && before.State == now.State {
		now.FinishedAt = before.FinishedAt
	}
	return now
}

// ended keeps the books of a rollout that has just ended.
func ended(st *v1alpha1.EnvironmentStatus, now v1alpha1.DeploymentStatus, version string, p pass) {
	reason := ""
	if now.State == v1alpha1.DeploymentFailed {
		reason = v1alpha1.ReasonTimedOut
	}
	remember(st, record(now, version, now.State, reason, now.FinishedAt))
	st.FailedVersions = slices.DeleteFunc(st.FailedVersions, func(f v1alpha1.FailedVersion) bool { return f.Name == version })
	if now.State == v1alpha1.DeploymentFailed {
		if now.Type == v1alpha1.DeploymentVersion {
			st.FailedVersions = append([]v1alpha1.FailedVersion{{Name: version, Reason: reason}}, st.FailedVersions...)
			st.FailedVersions = st.FailedVersions[:min(len(st.FailedVersions), maxFailed)]
		}
		return
	}
	if len(st.FailedVersions) == 0 {
		st.FailedVersions = nil
	}
	slot := p.now.Slots[snapshot.SlotA]
	st.DeployedVersion = &v1alpha1.DeployedVersion{Name: slot.Version, Digest: slot.Digest}
	st.LastGoodVersion = &v1alpha1.LocalReference{Name: slot.Version}
}

// remember puts a record first; a second one of the same rollout replaces the first.
func remember(st *v1alpha1.EnvironmentStatus, r v1alpha1.DeploymentRecord) {
	rest := slices.DeleteFunc(slices.Clone(st.History), func(h v1alpha1.DeploymentRecord) bool { return h.ID == r.ID })
	st.History = append([]v1alpha1.DeploymentRecord{r}, rest...)
	st.History = st.History[:min(len(st.History), maxHistory)]
}

func record(d v1alpha1.DeploymentStatus, version string, result v1alpha1.DeploymentState, reason string, at *metav1.Time) v1alpha1.DeploymentRecord {
	return v1alpha1.DeploymentRecord{
		ID: d.ID, Type: d.Type, Version: version, Policy: d.Policy, Result: result, Reason: reason, StartedAt: d.StartedAt, FinishedAt: at,
	}
}

func targetName(st *v1alpha1.EnvironmentStatus) string {
	if st.TargetVersion == nil {
		return ""
	}
	return st.TargetVersion.Name
}

// seconds is the time of the pass as it will be read back: without fractions.
func seconds(p pass) *metav1.Time {
	t := metav1.NewTime(p.at).Rfc3339Copy()
	return &t
}

// operations echoes the verbs that were asked for by annotation.
func operations(env *v1alpha1.Environment, p pass) *v1alpha1.Operations {
	slot := p.now.Slots[snapshot.SlotA]
	quiet := p.err == nil && p.step.State == plan.Idle && len(p.waiting) == 0
	out := &v1alpha1.Operations{
		Restart: operation(env, v1alpha1.AnnotationRestartRequested, slot.Restart, quiet),
		Rebuild: operation(env, v1alpha1.AnnotationRebuildRequested, slot.Rebuild, quiet),
	}
	if token := env.Annotations[v1alpha1.AnnotationAbortRequested]; token != "" {
		out.Abort = &v1alpha1.Operation{Token: cutToken(token), Message: "aborting is not supported by this release; name the version that should run in spec.versionRef"}
	}
	if *out == (v1alpha1.Operations{}) {
		return nil
	}
	return out
}

func operation(env *v1alpha1.Environment, annotation, reached string, quiet bool) *v1alpha1.Operation {
	token := env.Annotations[annotation]
	if token == "" {
		return nil
	}
	return &v1alpha1.Operation{Token: cutToken(token), Completed: quiet && reached == token}
}

// cutToken keeps a token inside the schema's bound.
func cutToken(token string) string { return token[:min(len(token), 256)] }
