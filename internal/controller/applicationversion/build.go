// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/buildjob"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// goneRetry is when a Platform is looked for again that does not have what an Environment is said to run on: it is about to say so
// itself.
const goneRetry = 30 * time.Second

// build brings status.artifacts up to date and begins what is missing. It is total: what it finds is in status, and only what keeps
// it from reading and writing is an error. After says when to come back for an attempt that has to wait.
func (r *Reconciler) build(ctx context.Context, ver *v1alpha1.ApplicationVersion, asked []v1alpha1.PlatformStatusSummary) (after time.Duration, err error) {
	var jobs batchv1.JobList
	var pods corev1.PodList
	for _, list := range []client.ObjectList{&jobs, &pods} {
		if err := r.client.List(ctx, list, client.InNamespace(ver.Namespace), client.MatchingFields{indexBuild: ver.Name}); err != nil {
			return 0, fmt.Errorf("listing the builds: %w", err)
		}
	}
	jobs.Items = slices.DeleteFunc(jobs.Items, func(j batchv1.Job) bool { return !metav1.IsControlledBy(&j, ver) })
	going := underWay(ver, asked, jobs.Items)
	makeRoom(ver, slices.Concat(asked, going))
	for i, p := range slices.Concat(asked, going) {
		each := r.one
		if i >= len(asked) {
			each = r.watch
		}
		wait, err := each(ctx, ver, p, newest(jobs.Items, pods.Items, keyOf(p)))
		if err != nil {
			return 0, err
		}
		if wait > 0 && (after == 0 || wait < after) {
			after = wait
		}
	}
	return after, r.openOrClose(ctx, ver)
}

func keyOf(p v1alpha1.PlatformStatusSummary) string {
	return settings.PlatformKey(p.Name, p.Branch, p.Version)
}

// underWay are the platform versions that a build runs for, or ran a moment ago, and that nobody asks for any more. Nobody else would
// note down how it ended.
func underWay(ver *v1alpha1.ApplicationVersion, asked []v1alpha1.PlatformStatusSummary, jobs []batchv1.Job) (out []v1alpha1.PlatformStatusSummary) {
	add := func(p v1alpha1.PlatformStatusSummary) {
		if !slices.Contains(asked, p) && !slices.Contains(out, p) && len(asked)+len(out) < maxArtifacts {
			out = append(out, p)
		}
	}
	for _, a := range ver.Status.Artifacts {
		if a.State == v1alpha1.ArtifactBuilding {
			add(v1alpha1.PlatformStatusSummary{Name: a.Platform, Branch: a.Branch, Version: a.Version})
		}
	}
	for _, j := range jobs {
		if words := strings.Split(j.Annotations[v1alpha1.AnnotationBuildOf], "/"); len(words) == 3 {
			add(v1alpha1.PlatformStatusSummary{Name: words[0], Branch: words[1], Version: words[2]})
		}
	}
	return out
}

// watch follows a build that nobody asks for any more. It is not stopped: whoever comes back finds it done.
func (r *Reconciler) watch(ctx context.Context, ver *v1alpha1.ApplicationVersion, p v1alpha1.PlatformStatusSummary, last *attempt) (time.Duration, error) {
	order, _, err := r.order(ctx, ver, p)
	if err != nil {
		return 0, err
	}
	entry := settings.ArtifactOf(ver, p.Name, p.Branch, p.Version)
	if last == nil && entry.State == v1alpha1.ArtifactBuilding {
		// Its Job went before anybody saw the result: whoever asks again gets another one of the same name.
		entry.State, entry.Message = "", ""
	}
	return r.see(ctx, ver, entry, last, order), nil
}

// see brings an entry up to date with its last attempt. It says when to look again for what could not be kept of a failure.
func (r *Reconciler) see(ctx context.Context, ver *v1alpha1.ApplicationVersion, entry *v1alpha1.Artifact, last *attempt, order buildjob.Order) time.Duration {
	*entry = follow(*entry, last, order.Seconds())
	if last == nil {
		return 0
	}
	describe(ver, last)
	return r.keepLog(ctx, ver, entry, last)
}

// one follows the build for one platform version, and begins an attempt when one is due.
func (r *Reconciler) one(ctx context.Context, ver *v1alpha1.ApplicationVersion, p v1alpha1.PlatformStatusSummary, last *attempt) (time.Duration, error) {
	order, found, err := r.order(ctx, ver, p)
	if err != nil {
		return 0, err
	}
	entry := settings.ArtifactOf(ver, p.Name, p.Branch, p.Version)
	again := r.see(ctx, ver, entry, last, order)
	if last != nil && last.job.DeletionTimestamp != nil {
		return goneRetry, nil // its name is free once it is gone, which wakes us
	}
	due, wait := next(*entry, last, r.now())
	if found && due > 0 && r.reuse(ver, entry, order) {
		due = 0
	}
	switch {
	case due == 0:
		return max(wait, again, r.image(ver, entry, order)), nil
	case !found:
		entry.Message = fmt.Sprintf("waiting for Platform %s to list version %s of branch %s", p.Name, p.Version, p.Branch)
		return goneRetry, nil
	}
	order.Attempt = int(due)
	if err := r.begin(ctx, ver, order); err != nil {
		return 0, err
	}
	entry.State, entry.Attempts, entry.Message = v1alpha1.ArtifactBuilding, due, ""
	return 0, nil
}

// order says what is to be built, and whether the Platform still has it.
func (r *Reconciler) order(ctx context.Context, ver *v1alpha1.ApplicationVersion, p v1alpha1.PlatformStatusSummary) (buildjob.Order, bool, error) {
	out := buildjob.Order{Version: ver, Platform: p.Name, Operator: r.operator}
	var platform v1alpha1.Platform
	if err := r.client.Get(ctx, client.ObjectKey{Name: p.Name}, &platform, staleIsFine); client.IgnoreNotFound(err) != nil {
		return out, false, fmt.Errorf("loading Platform %s: %w", p.Name, err)
	}
	for _, b := range platform.Spec.Branches {
		for _, v := range b.Versions {
			if b.Name == p.Branch && v.Version == p.Version {
				out.Branch, out.On = b, v
				return out, true, nil
			}
		}
	}
	return out, false, nil
}
