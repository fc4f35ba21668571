// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// bundleStories are those of versions from source bundles.
func bundleStories() []*Scenario {
	rolling := v1alpha1.PolicyRolling
	var out []*Scenario
	add := func(what string, p v1alpha1.DeploymentPolicy, steps ...Step) *Scenario {
		s := scenario("bundle-"+what+"/"+string(p), p, 2, false, "", steps...)
		s.Bundles = true
		out = append(out, s)
		return s
	}
	create := add("create", rolling)
	create.Fresh = true
	create.Steps = []Step{
		{Do: func(r *run) { r.must(r.user.Create(context.Background(), bundle("b0"))) }},
		after(seen("b0"), Step{Do: func(r *run) {
			e := create.environment()
			e.Spec.VersionRef.Name = "b0"
			r.must(r.user.Create(context.Background(), e))
		}}),
	}
	add("version", rolling, to("b2"))
	add("version", v1alpha1.PolicyImmutable, to("b2"))
	add("fails", rolling, to("b2-bad"))
	add("fails-then-good", rolling, to("b2-bad"), after(failed("b2-bad"), to("b3")))
	add("retried", rolling, to("b2-flaky"))
	add("there-and-back", rolling, to("b2"), after(building("b2"), to("b1")))
	add("deleted-in-the-build", rolling, to("b2"), after(building("b2"), erase("b2")))
	add("unwanted-and-deleted-in-the-build", rolling, to("b2"), after(building("b2"), to("b1")), erase("b2"))
	add("in-use-deleted", rolling, erase("b1"), to("b2"), after(deployed("b2"), to("b3")))
	// An update of a platform is Immutable, whatever the Environment says of versions.
	add("platform", v1alpha1.PolicyImmutable, Step{Do: release}, after(offered, annotated(v1alpha1.AnnotationUpdateRequested, "now", nil)))
	return out
}

// erase deletes a version.
func erase(version string) Step {
	return Step{Do: func(r *run) { r.must(client.IgnoreNotFound(r.user.Delete(context.Background(), bundle(version)))) }}
}

// seen: the operator knows of the version.
func seen(version string) func(*run) bool {
	return func(r *run) bool { ver := r.version(version); return ver != nil && ver.Status.ObservedGeneration > 0 }
}

// building: the archive of the version is fetched, and its build runs. It is read from the pod: the operator may not be able to say so.
func building(version string) func(*run) bool { return fetched(version, corev1.PodPending) }

// failed: the build of the version failed.
func failed(version string) func(*run) bool { return fetched(version, corev1.PodFailed) }

func fetched(version string, phase corev1.PodPhase) func(*run) bool {
	return func(r *run) bool {
		return slices.ContainsFunc(r.pods(), func(pod corev1.Pod) bool {
			return pod.Labels[v1alpha1.LabelBuild] == version && pod.Status.Phase == phase && len(pod.Status.InitContainerStatuses) > 0 &&
				pod.Status.InitContainerStatuses[0].State.Terminated != nil
		})
	}
}

// deployed: the version is, and nothing is under way.
func deployed(version string) func(*run) bool {
	return func(r *run) bool {
		env := r.env()
		return settled(r) && env.Status.DeployedVersion != nil && env.Status.DeployedVersion.Name == version
	}
}

// release publishes another version of the platform.
func release(r *run) {
	p := &v1alpha1.Platform{}
	r.must(r.user.Get(context.Background(), client.ObjectKey{Name: platform}, p))
	before := p.DeepCopy()
	p.Spec.Branches[0].Versions = platformVersions("3.11.2", "3.11.1")
	r.must(r.user.Patch(context.Background(), p, client.MergeFrom(before)))
}

// offered: the Environment knows of an update of its platform.
func offered(r *run) bool {
	env := r.env()
	return env != nil && env.Status.Platform != nil && env.Status.Platform.UpdateAvailable != ""
}
