// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rollout decides which step brings an Environment from what runs to what should run. Pure: the same input always
// gives the same step; it reads no cluster and no clock. Called by the environment controller; the design is in
// docs/architecture.md.
package rollout

import (
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/inplace"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Next is the next step from now to want. A newer target pre-empts whatever is under way, because nothing but the slots
// themselves is remembered.
func Next(want plan.Target, now snapshot.Snapshot, at time.Time) plan.Step {
	slot, exists := now.Slots[snapshot.SlotA]
	slot.Name = snapshot.SlotA
	r := continued(slot)
	if !exists || slot.Revision != want.Revision || slot.Rebuild != want.Rebuild {
		r = begun(want, slot, exists, at)
	}
	with := want.OnVersion
	if !versionPolicy(r.Type) {
		with = want.OnConfiguration
	}
	if exists && settings.TwoSlots(r.Policy) && slot.Revision != want.Revision {
		return plan.Step{
			Slot: slot.Name, Traffic: slot.Name, State: plan.Unsupported, Rollout: continued(slot), Desired: slot.Wanted, Updated: slot.Wanted,
			Reason: "policy " + string(r.Policy) + " is not supported by this release; choose AllAtOnce, Rolling or RollingWithAdditionalBatch in spec.deployment",
		}
	}
	return inplace.Next(want, slot, r, with)
}

// continued is the rollout that the slot records.
func continued(slot snapshot.Slot) plan.Rollout {
	return plan.Rollout{
		ID: slot.RolloutID, Type: v1alpha1.DeploymentType(slot.RolloutType), Policy: v1alpha1.DeploymentPolicy(slot.Policy),
		Batch: max(1, slot.Batch), StartedAt: slot.StartedAt,
	}
}

// begun is a new rollout, with the policy that its type asks for.
func begun(want plan.Target, slot snapshot.Slot, exists bool, at time.Time) plan.Rollout {
	kind := classify(want, slot, exists)
	with, n := want.OnVersion, slot.Wanted
	if !versionPolicy(kind) {
		with = want.OnConfiguration
	}
	if !exists {
		n = want.Desired
	}
	batch := plan.Batch(with.BatchSize, n)
	if !exists || with.Policy == v1alpha1.PolicyAllAtOnce {
		// Nothing is spared, so all start together.
		batch = max(1, n)
	}
	return plan.Rollout{
		ID: max(slot.RolloutID, want.LastID) + 1, Type: kind, Policy: with.Policy, Batch: batch,
		StartedAt: at.UTC().Truncate(time.Second),
	}
}

// classify says why a rollout begins. The version counts first: an update of both brings the new settings with it.
func classify(want plan.Target, slot snapshot.Slot, exists bool) v1alpha1.DeploymentType {
	switch {
	case exists && slot.Rebuild != want.Rebuild:
		return v1alpha1.DeploymentRebuild
	case !exists && want.Rebuild != "" && want.LastID > 0:
		return v1alpha1.DeploymentRebuild
	case !exists || slot.Version != want.Version || slot.Digest != want.Digest:
		return v1alpha1.DeploymentVersion
	case slot.Configuration != want.Configuration:
		return v1alpha1.DeploymentConfiguration
	case slot.Restart != want.Restart:
		return v1alpha1.DeploymentRestart
	default:
		return v1alpha1.DeploymentConfiguration
	}
}

func versionPolicy(t v1alpha1.DeploymentType) bool { return t == v1alpha1.DeploymentVersion }
