// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/beanstalk"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/lifecycle"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// version reads the version that an Environment names, or the sample that stands in for one. Without an error it belongs to the
// Environment's application; whether it can be deployed is not looked at.
func (l *Loader) version(ctx context.Context, env *v1alpha1.Environment, p *v1alpha1.Platform) (*v1alpha1.ApplicationVersion, error) {
	if env.Spec.VersionRef == nil && (p == nil || p.Spec.Sample == nil) {
		return nil, noVersion(p)
	}
	name := lifecycle.Wanted(env)
	var ver v1alpha1.ApplicationVersion
	err := l.Cache.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: name}, &ver)
	if apierrors.IsNotFound(err) && env.Spec.VersionRef == nil {
		return nil, &SampleMissing{Name: name, Archive: p.Spec.Sample.Archive}
	}
	if apierrors.IsNotFound(err) {
		return nil, stall(v1alpha1.ReasonVersionNotFound, "spec.versionRef names ApplicationVersion %q, which does not exist in this namespace; create it or name another", name)
	}
	if err != nil {
		return nil, fmt.Errorf("loading ApplicationVersion %s: %w", name, err)
	}
	if app := ver.Spec.ApplicationRef.Name; app != env.Spec.ApplicationRef.Name {
		return nil, stall(v1alpha1.ReasonVersionOfOtherApplication, "ApplicationVersion %q belongs to Application %q, not to %q; name a version of the environment's own application",
			name, app, env.Spec.ApplicationRef.Name)
	}
	return &ver, nil
}

func noVersion(p *v1alpha1.Platform) error {
	if p == nil {
		return stall(v1alpha1.ReasonVersionNotSet, "spec.versionRef is not set; name an ApplicationVersion, or a Platform with a sample in spec.platformRef")
	}
	return stall(v1alpha1.ReasonVersionNotSet, "spec.versionRef is not set, and Platform %q has no sample to run instead; name an ApplicationVersion", p.Name)
}

// SampleMissing says that an Environment is to run a sample whose version does not exist yet. The controller makes it.
type SampleMissing struct {
	// Name that the version is to have, Archive of the sample.
	Name, Archive string
}

// Error makes it an error.
func (s *SampleMissing) Error() string {
	return "the sample's ApplicationVersion " + s.Name + " does not exist yet"
}

// deployable says whether a version can be deployed on a platform, which is nil when none is named.
func (l *Loader) deployable(env *v1alpha1.Environment, ver *v1alpha1.ApplicationVersion, p *settings.Platform, runs settings.Runs) error {
	ready := condition.Find(ver.Status.Conditions, v1alpha1.ConditionReady)
	stalled := condition.IsTrue(ver.Status.Conditions, v1alpha1.ConditionStalled)
	if ver.Spec.Source.Bundle != nil {
		// What failed on another platform version is none of this Environment's business.
		if ready != nil && stalled && ready.Reason != v1alpha1.ReasonFailed {
			return versionFailed(ver, ready.Message)
		}
		return l.bundle(env, ver, p, runs)
	}
	switch {
	case ready != nil && ready.Status == "True":
		return nil
	case ready != nil && (stalled || ready.Reason == v1alpha1.ReasonFailed):
		return versionFailed(ver, ready.Message)
	default:
		return notReady("waiting until ApplicationVersion %q is processed", ver.Name)
	}
}

func versionFailed(ver *v1alpha1.ApplicationVersion, why string) error {
	return stall(v1alpha1.ReasonVersionFailed, "ApplicationVersion %q cannot be deployed: %s", ver.Name, why)
}

func notReady(format string, args ...any) error {
	return &outcome.Wait{Condition: v1alpha1.ConditionInputsResolved, Reason: v1alpha1.ReasonVersionNotReady, Message: fmt.Sprintf(format, args...)}
}

// withOptions is the Environment with the option settings of its version's bundle below its own spec.
func withOptions(env *v1alpha1.Environment, ver *v1alpha1.ApplicationVersion) (*v1alpha1.Environment, error) {
	if ver.Status.Bundle == nil || len(ver.Status.Bundle.Options) == 0 {
		return env, nil
	}
	spec, err := beanstalk.Under(env.Spec, ver.Status.Bundle.Options)
	if err != nil {
		return env, fmt.Errorf("reading the options of ApplicationVersion %s: %w", ver.Name, err)
	}
	out := *env
	out.Spec = spec
	return &out, nil
}
