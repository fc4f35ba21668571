// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/evidence"
	"github.com/beanpod-dev/beanpod/internal/inputs"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/observe"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/quota"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// quotaRetry is when a full quota is looked at again; a raised one wakes the Environment at once.
const quotaRetry = time.Minute

// failure is what a deployment that has failed means for the Environment: nothing is tried until somebody changes the spec.
func failure(step plan.Step) error {
	stall := &outcome.Stall{Condition: v1alpha1.ConditionVersionDeployed}
	const next = ": look at status.health.causes and status.deployment.logsRef, then name another version or correct the settings"
	switch step.State {
	case plan.Failed:
		stall.Reason = step.Failure.Reason
		if stall.Reason == v1alpha1.ReasonReleaseCommandFailed {
			stall.Message = fmt.Sprintf("deployment %d of %s failed: %s%s", step.Rollout.ID, step.Target.Version, step.Reason, next)
			break
		}
		stall.Message = fmt.Sprintf("deployment %d of %s failed: %s; it stopped there%s", step.Rollout.ID, step.Target.Version, step.Reason, next)
	case plan.RolledBack:
		if failedUpdate(step) != "" {
			// What the spec asks for runs; PlatformUpToDate tells.
			return nil
		}
		if step.Failure.Reason == v1alpha1.ReasonAborted {
			stall.Reason = v1alpha1.ReasonRolledBack
			stall.Message = fmt.Sprintf("deployment %d of %s; name another version, or change the settings, to deploy again", step.Rollout.ID, step.Reason)
			break
		}
		stall.Reason, stall.Message = v1alpha1.ReasonRolledBack, fmt.Sprintf("deployment %d of %s%s", step.Rollout.ID, step.Reason, next)
	case plan.RollbackFailed:
		stall.Reason, stall.Message = v1alpha1.ReasonRollbackFailed, fmt.Sprintf("deployment %d of %s%s", step.Rollout.ID, step.Reason, next)
	default:
		return nil
	}
	return stall
}

// room refuses to begin a rollout whose peak the namespace's quotas cannot hold. What runs is not touched.
func (r *Reconciler) room(ctx context.Context, env *v1alpha1.Environment, p *pass) error {
	step := p.step
	if !step.Begins || step.Extra == 0 {
		return nil
	}
	quotas, err := inputs.Quotas(ctx, r.client, env.Namespace)
	if err != nil {
		return err
	}
	demand := quota.For(p.cfg, step.Extra)
	short := quota.Shortages(quotas, demand)
	if len(short) == 0 {
		return nil
	}
	fewer := v1alpha1.DeploymentPolicy("")
	switch {
	case len(p.now.Slots) == 0 || step.Rollout.Policy == v1alpha1.PolicyAllAtOnce:
	case step.Desired == 1 || step.Rollout.Policy == v1alpha1.PolicyRolling:
		fewer = v1alpha1.PolicyAllAtOnce
	default:
		fewer = v1alpha1.PolicyRolling
	}
	what := fmt.Sprintf("deployment %d (%s) of %s needs up to %d instances at a time and is not begun, what runs keeps running: ",
		step.Rollout.ID, step.Rollout.Policy, step.Target.Version, step.Peak)
	return &outcome.Stall{
		Condition: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonQuotaExceeded, After: quotaRetry,
		Message: what + quota.Message(short, demand, fewer),
	}
}

// evidenceRetry is how soon evidence that could not be kept is tried again, evidencePatience how long after the end of the deployment.
const (
	evidenceRetry    = 10 * time.Second
	evidencePatience = 5 * time.Minute
)

// lacks says whether the evidence of a failure is still to be kept, and whether this is the first pass that sees the failure.
func lacks(env *v1alpha1.Environment, p *pass) (evidence, first bool) {
	step, before := p.step, env.Status.Deployment
	if step.Failure == nil || step.Rollout.ID == 0 {
		return false, false
	}
	if before == nil || before.ID != step.Rollout.ID || before.Reason == "" {
		return true, true
	}
	late := before.FinishedAt != nil && p.at.Sub(before.FinishedAt.Time) > evidencePatience
	return before.LogsRef == nil && !late, false
}

// keepEvidence saves what people need to understand a failure, before the instances that failed go away. A failure to do so stops
// nothing; it is tried again for a while, with what is left then.
func (r *Reconciler) keepEvidence(ctx context.Context, env *v1alpha1.Environment, p *pass) {
	step := p.step
	f := evidence.Failure{
		ID: step.Rollout.ID, Version: failedVersion(step), Type: string(step.Rollout.Type), Policy: string(step.Rollout.Policy),
		Reason: step.Failure.Reason, Message: step.Failure.Message, Pods: p.failing(),
	}
	if _, first := lacks(env, p); first && len(f.Pods) == 0 {
		f.Pods = p.now.Instances
	}
	var err error
	if step.Failure.Reason == v1alpha1.ReasonReleaseCommandFailed {
		f.Pods, err = observe.ReleasePods(ctx, r.live, env.Namespace, naming.Release(env.Name, step.Rollout.ID))
	}
	if err == nil {
		p.evidence, err = r.keeper.Keep(ctx, env, f)
	}
	if err == nil {
		err = r.keeper.Prune(ctx, env, append(recordedEvidence(env), p.evidence))
	}
	if err != nil {
		p.step.Wake = plan.Earliest(p.step.Wake, p.at.Add(evidenceRetry))
		log.FromContext(ctx).Error(err, "What the failed deployment left could not be kept", "deployment", step.Rollout.ID)
	}
}

// failing are the instances that the deployment which failed made. Once something else comes back in their place, they are what is
// being left.
func (p *pass) failing() []snapshot.Instance {
	slot := newest(p.now)
	var out []snapshot.Instance
	for _, i := range p.now.Instances {
		if (i.Slot == slot.Name && i.Revision == slot.Revision) == (slot.Failed.Change == "" || p.step.State == plan.Failed) {
			out = append(out, i)
		}
	}
	return out
}

// failedVersion is the version that a rollout which failed was about.
func failedVersion(step plan.Step) string {
	if i := slices.IndexFunc(step.Slots, func(s plan.Slot) bool { return s.Failed.Version != "" }); i >= 0 && step.State != plan.Failed {
		return step.Slots[i].Failed.Version
	}
	return step.Target.Version
}

// recordedEvidence are the ConfigMaps that the history names.
func recordedEvidence(env *v1alpha1.Environment) []string {
	var out []string
	for _, h := range env.Status.History {
		if h.LogsRef != nil {
			out = append(out, h.LogsRef.Name)
		}
	}
	return out
}
