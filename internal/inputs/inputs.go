// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package inputs follows the references of an Environment and fills settings.Layers. I/O; called by the environment
// controller. It reads the cache; only the content of a Secret or ConfigMap that changed is read live, because no cache
// holds it.
package inputs

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// EnvironmentsByName is the name of the index of Environments by their own name, over all namespaces.
const EnvironmentsByName = "environment.name"

// Loader follows references. It is safe for concurrent use.
type Loader struct {
	// Cache holds everything but the content of Secrets and ConfigMaps, of which it holds the metadata.
	Cache client.Reader
	// Live reads the API server.
	Live client.Reader
	// Operator is what the installation decides.
	Operator settings.Operator
	// ClusterScoped is false when only some namespaces are watched; Platforms cannot be read then.
	ClusterScoped bool

	memory memory
}

// Load follows every reference. recorded is what an earlier pass left about checked Secrets and ConfigMaps. The layers are
// as complete as they can be even with an error, which is an outcome with condition InputsResolved, or a plain one when the
// reading itself failed.
func (l *Loader) Load(ctx context.Context, env *v1alpha1.Environment, recorded string) (settings.Layers, error) {
	layers := settings.Layers{Operator: l.Operator, Environment: env}
	for _, step := range []func() error{
		func() error { return l.application(ctx, env) },
		func() error { return tier(env) },
		func() (err error) { layers.Version, err = l.version(ctx, env); return err },
		func() error { return l.platform(ctx, env) },
		func() (err error) { layers.Checked, err = l.references(ctx, env, recorded); return err },
		func() error { return l.host(ctx, env) },
	} {
		if err := step(); err != nil {
			return layers, err
		}
	}
	return layers, nil
}

func stall(reason, format string, args ...any) error {
	return &outcome.Stall{Condition: v1alpha1.ConditionInputsResolved, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func (l *Loader) application(ctx context.Context, env *v1alpha1.Environment) error {
	name := env.Spec.ApplicationRef.Name
	var app v1alpha1.Application
	err := l.Cache.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: name}, &app)
	if apierrors.IsNotFound(err) {
		return stall(v1alpha1.ReasonApplicationNotFound, "spec.applicationRef names Application %q, which does not exist in this namespace; create it", name)
	}
	if err != nil {
		return fmt.Errorf("loading Application %s: %w", name, err)
	}
	return nil
}

func tier(env *v1alpha1.Environment) error {
	if env.Spec.Tier == v1alpha1.TierWorker {
		return stall(v1alpha1.ReasonTierNotSupported, "spec.tier Worker is not run by this release; use WebServer or Background (see docs/roadmap.md)")
	}
	return nil
}

func (l *Loader) version(ctx context.Context, env *v1alpha1.Environment) (*v1alpha1.ApplicationVersion, error) {
	if env.Spec.VersionRef == nil {
		return nil, stall(v1alpha1.ReasonVersionNotSet, "spec.versionRef is not set; name an ApplicationVersion (sample applications come with platforms, in a later release)")
	}
	name := env.Spec.VersionRef.Name
	var ver v1alpha1.ApplicationVersion
	err := l.Cache.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: name}, &ver)
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
	return &ver, deployable(&ver)
}

func deployable(ver *v1alpha1.ApplicationVersion) error {
	if ver.Spec.Source.Image == nil {
		return stall(v1alpha1.ReasonSourceNotSupported, "ApplicationVersion %q is a source bundle, which this release does not deploy yet; use source.image (see docs/roadmap.md)", ver.Name)
	}
	ready := condition.Find(ver.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready != nil && ready.Status == "True":
		return nil
	case condition.IsTrue(ver.Status.Conditions, v1alpha1.ConditionStalled) || (ready != nil && ready.Reason == v1alpha1.ReasonFailed):
		return stall(v1alpha1.ReasonVersionFailed, "ApplicationVersion %q cannot be deployed: %s", ver.Name, ready.Message)
	default:
		return &outcome.Wait{
			Condition: v1alpha1.ConditionInputsResolved, Reason: v1alpha1.ReasonVersionNotReady,
			Message: fmt.Sprintf("waiting until ApplicationVersion %q is processed", ver.Name),
		}
	}
}

func (l *Loader) platform(ctx context.Context, env *v1alpha1.Environment) error {
	ref := env.Spec.PlatformRef
	if ref == nil || !l.ClusterScoped {
		return nil
	}
	var p v1alpha1.Platform
	err := l.Cache.Get(ctx, client.ObjectKey{Name: ref.Name}, &p)
	if apierrors.IsNotFound(err) {
		return stall(v1alpha1.ReasonPlatformNotFound, "spec.platformRef names Platform %q, which does not exist; kubectl get platforms.beanpod.dev lists those that do", ref.Name)
	}
	if err != nil {
		return fmt.Errorf("loading Platform %s: %w", ref.Name, err)
	}
	if ref.Branch == "" {
		return nil
	}
	for _, b := range p.Spec.Branches {
		if b.Name != ref.Branch {
			continue
		}
		if b.State == v1alpha1.PlatformRetired && env.Status.DeployedVersion == nil {
			return stall(v1alpha1.ReasonPlatformRetired, "branch %q of Platform %q is retired and takes no new environments; choose another in spec.platformRef.branch", b.Name, ref.Name)
		}
		return nil
	}
	return stall(v1alpha1.ReasonBranchNotFound, "Platform %q has no branch %q; kubectl get platforms.beanpod.dev %s -o yaml lists its branches", ref.Name, ref.Branch, ref.Name)
}

// host finds an older Environment of another namespace that already has the same permanent name.
func (l *Loader) host(ctx context.Context, env *v1alpha1.Environment) error {
	if l.Operator.BaseDomain == "" || !public(env) {
		return nil
	}
	var same v1alpha1.EnvironmentList
	if err := l.Cache.List(ctx, &same, client.MatchingFields{EnvironmentsByName: env.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("looking for environments with the same host: %w", err)
	}
	for i := range same.Items {
		other := &same.Items[i]
		if other.UID != env.UID && public(other) && older(other, env) {
			return stall(v1alpha1.ReasonHostConflict, "Environment %s/%s already has the host %s.%s; rename this Environment, or set its spec.routing.type to None",
				other.Namespace, other.Name, env.Name, l.Operator.BaseDomain)
		}
	}
	return nil
}

func public(env *v1alpha1.Environment) bool {
	r := env.Spec.Routing
	return env.Spec.Tier == v1alpha1.TierWebServer &&
		(r == nil || (r.Type != v1alpha1.RoutingNone && r.Scheme != v1alpha1.SchemeInternal))
}

// older says which of two claims came first; equal times are told apart by UID, so that both sides agree.
func older(a, b *v1alpha1.Environment) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.UID < b.UID
}
