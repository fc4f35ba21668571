// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
)

// Wanted is the version that an Environment asks for: the one that its spec names, else the sample of its platform, which may not
// exist; empty when it asks for none.
func Wanted(env *v1alpha1.Environment) string {
	switch {
	case env.Spec.VersionRef != nil:
		return env.Spec.VersionRef.Name
	case env.Spec.PlatformRef != nil:
		return naming.Sample(env.Spec.ApplicationRef.Name, env.Spec.PlatformRef.Name)
	default:
		return ""
	}
}

// Used lists the versions that an Environment names or runs, sorted, each once: the one that its spec asks for, the one that
// it runs, the one that is being deployed, and the one that a rollback would return to.
func Used(env *v1alpha1.Environment) []string {
	names := make([]string, 0, 4)
	if wanted := Wanted(env); wanted != "" {
		names = append(names, wanted)
	}
	for _, ref := range []*v1alpha1.LocalReference{env.Status.TargetVersion, env.Status.LastGoodVersion} {
		if ref != nil {
			names = append(names, ref.Name)
		}
	}
	if deployed := env.Status.DeployedVersion; deployed != nil {
		names = append(names, deployed.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Uses says whether an Environment names or runs a version.
func Uses(env *v1alpha1.Environment, version string) bool {
	return slices.Contains(Used(env), version)
}

// LastGood lists the versions that were deployed with success in an Environment, newest deployment first, each once,
// without those that it uses now; at most keep.
func LastGood(env *v1alpha1.Environment, keep int) []string {
	var out []string
	used := Used(env)
	for _, past := range env.Status.History {
		if len(out) >= keep {
			break
		}
		good := past.Version != "" && past.Result == v1alpha1.DeploymentSucceeded
		if good && !slices.Contains(used, past.Version) && !slices.Contains(out, past.Version) {
			out = append(out, past.Version)
		}
	}
	return out
}
