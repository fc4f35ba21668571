// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func version(l Layers) Version {
	v := l.Version
	if v == nil {
		return Version{}
	}
	out := Version{Name: v.Name}
	if r := v.Spec.ReleaseCommand; r != nil {
		out.Release, out.ReleaseSeconds = r.Command, or(r.TimeoutSeconds, defaultRelease)
	}
	if v.Spec.Source.Image == nil {
		return bundle(out, l)
	}
	img := v.Spec.Source.Image
	out.Image, out.PullNever = img.Reference, img.PullPolicy == v1alpha1.PullNever
	if img.PullSecretRef != nil {
		out.PullSecret = img.PullSecretRef.Name
	}
	if v.Status.Image != nil && v.Status.Image.Digest != "" && !out.PullNever {
		out.Digest = v.Status.Image.Digest
		out.Image = repository(img.Reference) + "@" + out.Digest
	}
	return out
}

// bundle is a version that runs on a platform; there is nothing to run until it is built.
func bundle(out Version, l Layers) Version {
	a := artifact(l)
	if a == nil || a.SHA256 == "" {
		return Version{}
	}
	out.Image, out.Digest = l.Platform.RunImage, "sha256:"+a.SHA256
	out.Artifact = &Artifact{
		SHA256: a.SHA256, Platform: l.Platform.Key(), Stamp: l.Platform.Update.Stamp, Request: l.Platform.Update.Request,
		Postdeploy: a.Postdeploy, InstallerImage: l.Operator.BundleImage, StoreURL: l.Operator.StoreURL,
	}
	if image := l.Operator.Packaged(a, l.Platform.RunImage); image != "" {
		out.Artifact.Image, out.Artifact.PullSecret = image, l.Operator.Registry.PullSecret
	}
	if len(out.Release) == 0 && len(a.Release) > 0 {
		out.Release, out.ReleaseSeconds = a.Release, defaultRelease
	}
	return out
}

// Packaged is the image of an artifact on a run image, in the registry that is configured now; empty when there is none.
func (o Operator) Packaged(a *v1alpha1.Artifact, runImage string) string {
	if o.Registry.Prefix == "" || a == nil || a.RunImage != runImage || !strings.HasPrefix(a.Image, o.Registry.Prefix+"/") {
		return ""
	}
	return a.Image
}

// artifact is what the version became on the platform; nil for an image, or when it is not there yet.
func artifact(l Layers) *v1alpha1.Artifact {
	if l.Version == nil || l.Version.Spec.Source.Image != nil || l.Platform == nil {
		return nil
	}
	return ArtifactOf(l.Version, l.Platform.Name, l.Platform.Branch, l.Platform.Version)
}

// repository cuts tag and digest off a reference. A colon before the last slash belongs to the registry's port.
func repository(reference string) string {
	name, _, _ := strings.Cut(reference, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	return name
}
