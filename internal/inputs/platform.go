// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// readPlatform reads the Platform that an Environment names; nil when it names none, or when Platforms cannot be read.
func (l *Loader) readPlatform(ctx context.Context, env *v1alpha1.Environment) (*v1alpha1.Platform, error) {
	ref := env.Spec.PlatformRef
	if ref == nil || !l.ClusterScoped {
		return nil, nil
	}
	var p v1alpha1.Platform
	err := l.Cache.Get(ctx, client.ObjectKey{Name: ref.Name}, &p)
	if apierrors.IsNotFound(err) {
		return nil, stall(v1alpha1.ReasonPlatformNotFound, "spec.platformRef names Platform %q, which does not exist; kubectl get platforms.beanpod.dev lists those that do", ref.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("loading Platform %s: %w", ref.Name, err)
	}
	return &p, nil
}

// onPlatform chooses the branch and the version. ver may be nil.
func (l *Loader) onPlatform(env *v1alpha1.Environment, p *v1alpha1.Platform, ver *v1alpha1.ApplicationVersion, known Known) (*settings.Platform, error) {
	if p == nil {
		return nil, nil
	}
	named, runs := env.Spec.PlatformRef.Branch, known.Runs
	b := settings.BranchOf(p, named, runs)
	if b == nil && named == "" {
		return nil, stall(v1alpha1.ReasonPlatformRetired, "every branch of Platform %q is retired, so it takes no new environments; choose another Platform in spec.platformRef", p.Name)
	}
	if b == nil {
		return nil, stall(v1alpha1.ReasonBranchNotFound, "Platform %q has no branch %q; kubectl get platforms.beanpod.dev %s -o yaml lists its branches", p.Name, named, p.Name)
	}
	out := settings.OnPlatform(p, b, runs, settings.Ask{
		Managed: env.Spec.ManagedUpdates, Request: env.Annotations[v1alpha1.AnnotationUpdateRequested], At: known.Now,
		Usable: func(version string) bool {
			image := runs.Image
			if i := slices.IndexFunc(b.Versions, func(v v1alpha1.PlatformVersion) bool { return v.Version == version }); i >= 0 {
				image = b.Versions[i].RunImage
			}
			return ver != nil && l.usable(env, ver, settings.Platform{Name: p.Name, Branch: b.Name, Version: version, RunImage: image}, runs)
		},
	})
	if b.State == v1alpha1.PlatformRetired && !stays(env, runs, p.Name, b.Name) {
		return &out, stall(v1alpha1.ReasonPlatformRetired, "branch %q of Platform %q is retired and takes no new environments; choose another in spec.platformRef.branch", b.Name, p.Name)
	}
	return &out, nil
}

// stays says whether an Environment is on a branch already. An image leaves no trace of a platform; there it is enough that
// something runs.
func stays(env *v1alpha1.Environment, runs settings.Runs, platform, branch string) bool {
	return runs.On(platform, branch) || runs.Key == "" && env.Status.DeployedVersion != nil
}

func built(a *v1alpha1.Artifact) bool { return a != nil && a.SHA256 != "" }

// usable says whether a version can be deployed on a platform version: it is built and, where there is a registry for artifacts, its
// image is there. What runs already goes on without: an operator that gets a registry holds nobody up.
func (l *Loader) usable(env *v1alpha1.Environment, ver *v1alpha1.ApplicationVersion, on settings.Platform, runs settings.Runs) bool {
	a, deployed := settings.ArtifactOf(ver, on.Name, on.Branch, on.Version), env.Status.DeployedVersion
	if !built(a) || l.Operator.Registry.Prefix == "" || l.Operator.Packaged(a, on.RunImage) != "" {
		return built(a)
	}
	return runs.Key == on.Key() && runs.Image == on.RunImage && deployed != nil && deployed.Name == ver.Name
}

// bundle says whether a source bundle can be deployed on a platform version.
func (l *Loader) bundle(env *v1alpha1.Environment, ver *v1alpha1.ApplicationVersion, p *settings.Platform, runs settings.Runs) error {
	switch {
	case !l.Operator.Bundles():
		return stall(v1alpha1.ReasonSourceNotSupported, "ApplicationVersion %q is a source bundle, and this operator has no store for bundles; set store in its chart, or use source.image", ver.Name)
	case !l.ClusterScoped:
		return stall(v1alpha1.ReasonSourceNotSupported, "ApplicationVersion %q is a source bundle, which needs a Platform, and an operator that watches only some namespaces cannot read Platforms; use source.image", ver.Name)
	case p == nil:
		return stall(v1alpha1.ReasonPlatformNotSet, "ApplicationVersion %q is a source bundle, which runs on a platform; name one in spec.platformRef (kubectl get platforms.beanpod.dev lists them)", ver.Name)
	}
	a := settings.ArtifactOf(ver, p.Name, p.Branch, p.Version)
	switch {
	case l.usable(env, ver, *p, runs):
		return nil
	case built(a) && a.Message != "":
		return notReady("waiting until the image of ApplicationVersion %q for %s is in the registry: %s", ver.Name, p.Key(), a.Message)
	case built(a):
		return notReady("waiting until the image of ApplicationVersion %q for %s is in the registry", ver.Name, p.Key())
	case a != nil && a.State == v1alpha1.ArtifactFailed:
		return stall(v1alpha1.ReasonVersionFailed, "ApplicationVersion %q cannot be deployed on %s: %s", ver.Name, p.Key(), a.Message)
	case a != nil && a.Message != "":
		return notReady("waiting until ApplicationVersion %q is built for %s: %s", ver.Name, p.Key(), a.Message)
	default:
		return notReady("waiting until ApplicationVersion %q is built for %s", ver.Name, p.Key())
	}
}
