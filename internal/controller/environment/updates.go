// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/lifecycle"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// runs is what the newest deployment was made for. Updates of the platform wait while another deployment is under way or to begin,
// and while one that failed waits for somebody: a deployment of both would have the wrong policy, and nobody could tell what failed.
func runs(env *v1alpha1.Environment, current snapshot.Slot) settings.Runs {
	d := env.Status.Deployment
	under := d == nil || d.State == v1alpha1.DeploymentInProgress
	failed := current.Failed.Change != "" && current.Failed.Platform == ""
	return settings.Runs{
		Key: current.Platform, Image: current.Image, Stamp: current.Stamp, Request: current.Request, Since: current.StartedAt,
		Busy: under || failed || current.Version != lifecycle.Wanted(env),
	}
}

// failedUpdate is the platform version of an update that failed here last; empty when none did.
func failedUpdate(step plan.Step) string {
	for _, s := range step.Slots {
		if s.Failed.Platform != "" {
			return s.Failed.Platform
		}
	}
	return ""
}

// shown is the platform version that is wanted, or, after an update failed, the one that came back.
func shown(p pass) settings.Platform {
	out := p.cfg.Platform
	if v, ok := strings.CutPrefix(p.relied().Platform, settings.PlatformKey(out.Name, out.Branch, "")); ok && failedUpdate(p.step) != "" {
		out.Version = v
	}
	return out
}

// newer is the platform version that the next update installs.
func newer(p settings.Platform) string {
	if p.Update.Available == p.Version {
		return ""
	}
	return p.Update.Available
}

// upToDate tells of updates of the platform; nothing for what runs on none.
func upToDate(p pass) []condition.Verdict {
	const kind = v1alpha1.ConditionPlatformUpToDate
	u := p.cfg.Platform.Update
	switch {
	case u.Reason == "" || p.cfg.Version.Artifact == nil:
		return nil
	case p.step.Rollout.Type == v1alpha1.DeploymentPlatformUpdate && deploying(p):
		return []condition.Verdict{condition.False(kind, v1alpha1.ReasonUpdating, p.step.Reason)}
	case failedUpdate(p.step) != "":
		return []condition.Verdict{condition.False(kind, v1alpha1.ReasonUpdateFailed, p.step.Reason+". "+u.Message)}
	case u.Reason == v1alpha1.ReasonUpToDate:
		return []condition.Verdict{condition.True(kind, u.Reason, u.Message)}
	default:
		return []condition.Verdict{condition.False(kind, u.Reason, u.Message)}
	}
}
