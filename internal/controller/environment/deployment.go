// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Limits of the lists in status, the same as the schema's.
const (
	maxHistory   = 10
	maxFailed    = 5
	maxDatabases = 10
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

// recordDeployment follows the rollout that the slots record. What ended goes to the history, which cannot be observed again.
func recordDeployment(env *v1alpha1.Environment, p pass) {
	st, step := &env.Status, p.step
	if step.Rollout.ID == 0 || (step.Begins && !deploying(p)) {
		return
	}
	version := failedVersion(step)
	before := st.Deployment
	if before != nil && before.ID != step.Rollout.ID && before.State == v1alpha1.DeploymentInProgress {
		remember(st, record(*before, targetName(st), v1alpha1.DeploymentSuperseded, seconds(p)))
	}
	st.TargetVersion = &v1alpha1.LocalReference{Name: version}
	now := deploymentStatus(p, before)
	if now.FinishedAt != nil && !sameDeployment(before, &now) {
		ended(st, now, version, p)
	}
	if i := slices.IndexFunc(st.History, func(h v1alpha1.DeploymentRecord) bool { return h.ID == now.ID }); i >= 0 && now.LogsRef != nil {
		st.History[i].LogsRef = now.LogsRef // it may have been kept later
	}
	st.Deployment = &now
}

// deploymentStatus is the rollout for people. Once it ended well it does not change any more.
func deploymentStatus(p pass, before *v1alpha1.DeploymentStatus) v1alpha1.DeploymentStatus {
	step := p.step
	same := before != nil && before.ID == step.Rollout.ID
	if same && before.State == v1alpha1.DeploymentSucceeded && step.Failure == nil {
		return *before
	}
	started := metav1.NewTime(step.Rollout.StartedAt)
	now := v1alpha1.DeploymentStatus{
		ID: step.Rollout.ID, Type: step.Rollout.Type, Policy: step.Rollout.Policy, State: stateOf(step),
		Updated: step.Updated, Desired: step.Desired, Peak: step.Peak, StartedAt: &started, Message: condition.Cut(step.Reason),
	}
	if step.Failure != nil && step.State != plan.Failed && step.Rollout.Type != v1alpha1.DeploymentRestart {
		now.Updated = 0 // what comes back is not new
	}
	if step.Traffic.Other != "" {
		now.TrafficPercent = step.Traffic.Percent
	}
	if step.Failure != nil {
		now.Reason = step.Failure.Reason
	}
	if p.evidence != "" {
		now.LogsRef = &v1alpha1.LocalReference{Name: p.evidence}
	}
	if same {
		// A release command, and a rollback, begin their own count of time; people want the whole.
		now.StartedAt = before.StartedAt
		if now.LogsRef == nil && step.Failure != nil {
			now.LogsRef = before.LogsRef
		}
		now.Peak = max(now.Peak, before.Peak)
	}
	if now.State == v1alpha1.DeploymentInProgress {
		if !step.Deadline.IsZero() {
			deadline := metav1.NewTime(step.Deadline)
			now.Deadline = &deadline
		}
		return now
	}
	if now.State == v1alpha1.DeploymentSucceeded && step.Updated == step.Desired {
		now.Message = "all instances are up to date"
	}
	now.FinishedAt = seconds(p)
	if same && before.State == now.State && before.FinishedAt != nil {
		now.FinishedAt = before.FinishedAt
	}
	return now
}

// stateOf is the state of a rollout for people.
func stateOf(step plan.Step) v1alpha1.DeploymentState {
	switch step.State {
	case plan.Idle:
		return v1alpha1.DeploymentSucceeded
	case plan.RolledBack, plan.RollbackFailed, plan.Failed:
		if step.Rollout.Type == v1alpha1.DeploymentRestart && step.State == plan.RolledBack {
			// What came back was restarted; the failure was another deployment's.
			return v1alpha1.DeploymentSucceeded
		}
		if step.Failure.Reason == v1alpha1.ReasonAborted {
			return v1alpha1.DeploymentAborted
		}
		return v1alpha1.DeploymentFailed
	default:
		return v1alpha1.DeploymentInProgress
	}
}

// ended keeps the books of a rollout that has just ended.
func ended(st *v1alpha1.EnvironmentStatus, now v1alpha1.DeploymentStatus, version string, p pass) {
	remember(st, record(now, version, now.State, now.FinishedAt))
	slot := p.relied()
	switch {
	case now.State == v1alpha1.DeploymentSucceeded && p.step.Failure == nil:
		st.FailedVersions = withoutVersion(st.FailedVersions, version)
		st.DeployedVersion = &v1alpha1.DeployedVersion{Name: slot.Version, Digest: slot.Digest}
		st.LastGoodVersion = &v1alpha1.LocalReference{Name: slot.Version}
	case now.State == v1alpha1.DeploymentFailed && now.Type == v1alpha1.DeploymentVersion:
		failed := append([]v1alpha1.FailedVersion{{Name: version, Reason: now.Reason}}, withoutVersion(st.FailedVersions, version)...)
		st.FailedVersions = failed[:min(len(failed), maxFailed)]
	}
	if p.step.State == plan.RolledBack {
		st.DeployedVersion = &v1alpha1.DeployedVersion{Name: slot.Version, Digest: slot.Digest}
	}
}

// withoutVersion is nil when nothing is left, as status is read back.
func withoutVersion(list []v1alpha1.FailedVersion, version string) []v1alpha1.FailedVersion {
	var out []v1alpha1.FailedVersion
	for _, f := range list {
		if f.Name != version {
			out = append(out, f)
		}
	}
	return out
}

// remember puts a record first; a second one of the same rollout replaces the first.
func remember(st *v1alpha1.EnvironmentStatus, r v1alpha1.DeploymentRecord) {
	rest := slices.DeleteFunc(slices.Clone(st.History), func(h v1alpha1.DeploymentRecord) bool { return h.ID == r.ID })
	st.History = append([]v1alpha1.DeploymentRecord{r}, rest...)
	st.History = st.History[:min(len(st.History), maxHistory)]
}

func record(d v1alpha1.DeploymentStatus, version string, result v1alpha1.DeploymentState, at *metav1.Time) v1alpha1.DeploymentRecord {
	r := v1alpha1.DeploymentRecord{
		ID: d.ID, Type: d.Type, Version: version, Policy: d.Policy, Result: result, Reason: d.Reason, StartedAt: d.StartedAt, FinishedAt: at,
		LogsRef: d.LogsRef,
	}
	if d.StartedAt != nil {
		r.DurationSeconds = max(0, int64(at.Sub(d.StartedAt.Time).Seconds()))
	}
	return r
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
	slot := newest(p.now)
	settled := p.step.State == plan.Idle || p.step.State == plan.RolledBack
	quiet := settled && len(p.waiting) == 0 && (p.err == nil || p.step.State == plan.RolledBack)
	out := &v1alpha1.Operations{
		Restart: operation(env, v1alpha1.AnnotationRestartRequested, slot.Restart, quiet),
		Rebuild: operation(env, v1alpha1.AnnotationRebuildRequested, slot.Rebuild, quiet),
		Update:  operation(env, v1alpha1.AnnotationUpdateRequested, slot.Request, quiet),
		Abort:   abortion(env, slot, p),
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

// abortion says what became of an abort.
func abortion(env *v1alpha1.Environment, slot snapshot.Slot, p pass) *v1alpha1.Operation {
	token := cutToken(env.Annotations[v1alpha1.AnnotationAbortRequested])
	if token == "" {
		return nil
	}
	op := &v1alpha1.Operation{Token: token}
	failed := p.step.Failure != nil && p.step.Failure.Reason == v1alpha1.ReasonAborted
	switch {
	case failed && p.step.State == plan.RolledBack:
		op.Completed, op.Message = true, fmt.Sprintf("deployment %d was aborted; %s runs", p.step.Rollout.ID, slot.Version)
	case failed && p.step.State == plan.Failed:
		op.Completed, op.Message = true, fmt.Sprintf("deployment %d has nothing to return to and stays as it is", p.step.Rollout.ID)
	case failed:
		op.Message = condition.Cut(p.step.Reason)
	case slot.Abort == token || !deploying(p):
		op.Completed, op.Message = true, "no deployment was running when it was asked for; another token aborts a later one"
	default:
		op.Message = "aborting"
	}
	return op
}

// cutToken keeps a token inside the schema's bound.
func cutToken(token string) string { return token[:min(len(token), 256)] }

// staying is what exists, with the instances of slots that are not wanted any more as what they are in a moment: terminating.
func staying(now snapshot.Snapshot, step plan.Step) snapshot.Snapshot {
	if len(step.Slots) == 0 {
		return now
	}
	now.Instances = slices.Clone(now.Instances)
	for i := range now.Instances {
		kept := slices.ContainsFunc(step.Slots, func(s plan.Slot) bool { return s.Name == now.Instances[i].Slot })
		now.Instances[i].Terminating = now.Instances[i].Terminating || !kept
	}
	return now
}
