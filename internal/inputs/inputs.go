// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package inputs follows the references of an Environment and fills settings.Layers. I/O; called by the environment
// controller. It reads the cache; only the content of a Secret or ConfigMap that changed is read live, because no cache
// holds it.
package inputs

import (
	"cmp"
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
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

// Known is what an Environment's children say about earlier passes.
type Known struct {
	// Inputs records the Secrets and ConfigMaps that were checked.
	Inputs string
	// Databases are the Secrets that were bound, by claim.
	Databases map[string]string
	// Runs is the platform version that the newest deployment was made for.
	Runs settings.Runs
	// Now is the time of the pass.
	Now time.Time
}

// Load follows every reference. The layers are as complete as they can be even with an error, which is an outcome with condition
// InputsResolved, a SampleMissing, or a plain one when the reading itself failed.
func (l *Loader) Load(ctx context.Context, env *v1alpha1.Environment, known Known) (settings.Layers, error) {
	layers := settings.Layers{Operator: l.Operator, Environment: env}
	// First, so that the state of databases is known whatever else is wrong; what it says comes in its turn.
	claims, credentials, unbound := l.databases(ctx, env, known)
	layers.Databases = claims
	var p *v1alpha1.Platform
	for _, step := range []func() error{
		func() error { return l.application(ctx, env) },
		func() error { return l.worker(env) },
		func() (err error) { p, err = l.readPlatform(ctx, env); return err },
		func() (err error) {
			layers.Version, err = l.version(ctx, env, p)
			var unfit error
			layers.Platform, unfit = l.onPlatform(env, p, layers.Version, known)
			return cmp.Or(err, unfit)
		},
		func() error { return l.deployable(env, layers.Version, layers.Platform, known.Runs) },
		func() (err error) { layers.Environment, err = withOptions(env, layers.Version); return err },
		func() (err error) { layers.Checked, err = l.references(ctx, env, known.Inputs); return err },
		func() (err error) {
			var secrets []settings.CheckedInput
			layers.Links, secrets, err = l.links(ctx, env, known.Inputs)
			layers.Checked = append(layers.Checked, secrets...)
			return err
		},
		func() error { layers.Checked = append(layers.Checked, credentials...); return unbound },
		func() error { return l.host(ctx, layers.Environment) },
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
