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
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/apply"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/desired/buildjob"
	"github.com/beanpod-dev/beanpod/internal/desired/isolation"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// maxArtifacts is the longest list of them in status.
const maxArtifacts = 20

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
	makeRoom(ver, asked)
	for _, p := range asked {
		wait, err := r.one(ctx, ver, p, newest(jobs.Items, pods.Items, settings.PlatformKey(p.Name, p.Branch, p.Version)))
		if err != nil {
			return 0, err
		}
		if wait > 0 && (after == 0 || wait < after) {
			after = wait
		}
	}
	return after, r.openOrClose(ctx, ver)
}

// one follows the build for one platform version, and begins an attempt when one is due.
func (r *Reconciler) one(ctx context.Context, ver *v1alpha1.ApplicationVersion, p v1alpha1.PlatformStatusSummary, last *attempt) (time.Duration, error) {
	order, found, err := r.order(ctx, ver, p)
	if err != nil {
		return 0, err
	}
	entry := settings.ArtifactOf(ver, p.Name, p.Branch, p.Version)
	was := entry.State
	*entry = follow(*entry, last, order.Seconds())
	if last != nil {
		describe(ver, last)
	}
	if was != entry.State && entry.Reason != "" {
		r.keepLog(ctx, ver, entry, last)
	}
	if last != nil && last.job.DeletionTimestamp != nil {
		return goneRetry, nil // its name is free once it is gone, which wakes us
	}
	due, wait := next(*entry, last, r.now())
	switch {
	case due == 0:
		return wait, nil
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

// next is the number of the attempt that is due now, or how long the next one has to wait; both are zero when none comes. A Job that
// vanished without a result is made again under its old name.
func next(entry v1alpha1.Artifact, last *attempt, now time.Time) (int32, time.Duration) {
	switch entry.State {
	case v1alpha1.ArtifactBuilt, v1alpha1.ArtifactFailed:
		return 0, 0
	case v1alpha1.ArtifactRetrying:
		if wait := entry.FailedAt.Add(pauseAfter(entry.Attempts)).Sub(now); wait > 0 {
			return 0, wait
		}
		return entry.Attempts + 1, 0
	default:
		if last != nil {
			return 0, 0
		}
		return max(1, entry.Attempts), 0
	}
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

// begin makes the Job of an attempt, after the NetworkPolicy that confines it. Names are the same however often this is tried.
func (r *Reconciler) begin(ctx context.Context, ver *v1alpha1.ApplicationVersion, order buildjob.Order) error {
	if err := r.credentialsExist(ctx, ver); err != nil {
		return err
	}
	if err := r.confine(ctx, ver); err != nil {
		return err
	}
	job := buildjob.Job(order)
	err := r.client.Create(ctx, job, client.FieldOwner(apply.FieldManager))
	switch {
	case err == nil:
		return nil
	case apierrors.IsAlreadyExists(err):
		return r.alreadyThere(ctx, ver, job)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return failed(fmt.Sprintf("The API server refuses the build's Job: %s.", err))
	default:
		return fmt.Errorf("making Job %s: %w", job.Name, err)
	}
}

// alreadyThere looks at a Job with the name of ours: it may be our own of a moment ago, a predecessor's that is going away, or a
// stranger's.
func (r *Reconciler) alreadyThere(ctx context.Context, ver *v1alpha1.ApplicationVersion, job *batchv1.Job) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	err := r.live.Get(ctx, client.ObjectKeyFromObject(job), live)
	switch {
	case apierrors.IsNotFound(err):
		return &outcome.Wait{Reason: v1alpha1.ReasonProcessing, Message: "An older build is going away.", After: time.Second}
	case err != nil:
		return fmt.Errorf("looking at Job %s, which exists: %w", job.Name, err)
	case metav1.IsControlledBy(live, ver):
		return nil
	default:
		return failed(fmt.Sprintf("Job %s exists and does not belong to this version. Delete it, or create the version under another name.", job.Name))
	}
}

// confine writes the NetworkPolicy of the builds. A stranger with its name is left alone.
func (r *Reconciler) confine(ctx context.Context, ver *v1alpha1.ApplicationVersion) error {
	var have networkingv1.NetworkPolicy
	name := naming.BuildPolicy(ver.Name)
	err := r.client.Get(ctx, client.ObjectKey{Namespace: ver.Namespace, Name: name}, &have)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading NetworkPolicy %s: %w", name, err)
	}
	if err == nil && !metav1.IsControlledBy(&have, ver) {
		return failed(fmt.Sprintf("NetworkPolicy %s exists and does not belong to this version. Delete it, or create the version under another name.", name))
	}
	if err := r.client.Apply(ctx, isolation.Builds(ver, r.operator), client.FieldOwner(apply.FieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("applying NetworkPolicy %s: %w", name, err)
	}
	return nil
}

// openOrClose removes the NetworkPolicy once nothing is built any more, so that a namespace does not collect one for each version.
func (r *Reconciler) openOrClose(ctx context.Context, ver *v1alpha1.ApplicationVersion) error {
	if slices.ContainsFunc(ver.Status.Artifacts, func(a v1alpha1.Artifact) bool { return a.State == v1alpha1.ArtifactBuilding }) {
		return nil
	}
	var have networkingv1.NetworkPolicy
	err := r.client.Get(ctx, client.ObjectKey{Namespace: ver.Namespace, Name: naming.BuildPolicy(ver.Name)}, &have)
	if apierrors.IsNotFound(err) || err == nil && (!metav1.IsControlledBy(&have, ver) || have.DeletionTimestamp != nil) {
		return nil
	}
	if err == nil {
		err = client.IgnoreNotFound(r.client.Delete(ctx, &have, client.Preconditions{UID: &have.UID}))
	}
	if err != nil {
		return fmt.Errorf("deleting NetworkPolicy %s: %w", have.Name, err)
	}
	return nil
}

// makeRoom adds an entry for every platform version that is asked for. The oldest that nobody asks for any more give way.
func makeRoom(ver *v1alpha1.ApplicationVersion, asked []v1alpha1.PlatformStatusSummary) {
	list := slices.Clone(ver.Status.Artifacts)
	for _, p := range asked {
		if settings.ArtifactOf(ver, p.Name, p.Branch, p.Version) == nil {
			list = append(list, v1alpha1.Artifact{Platform: p.Name, Branch: p.Branch, Version: p.Version})
		}
	}
	for len(list) > maxArtifacts {
		i := slices.IndexFunc(list, func(a v1alpha1.Artifact) bool { return !isAsked(asked, a) })
		list = slices.Delete(list, i, i+1)
	}
	ver.Status.Artifacts = list
}

func isAsked(asked []v1alpha1.PlatformStatusSummary, a v1alpha1.Artifact) bool {
	return slices.ContainsFunc(asked, func(p v1alpha1.PlatformStatusSummary) bool {
		return a.Platform == p.Name && a.Branch == p.Branch && a.Version == p.Version
	})
}

// describe fills status.bundle from what the steps of an attempt reported. An early step knows less than a later one, also of another
// attempt.
func describe(ver *v1alpha1.ApplicationVersion, a *attempt) {
	for _, step := range []string{buildjob.Fetch, buildjob.Build, buildjob.Push} {
		r, ok := a.told(step)
		if ok && r.Bundle != nil && (ver.Status.Bundle == nil || ver.Status.Bundle.SHA256 != r.Bundle.SHA256) {
			ver.Status.Bundle = &v1alpha1.FetchedBundle{SHA256: r.Bundle.SHA256, SizeBytes: r.Bundle.SizeBytes}
		}
		b := ver.Status.Bundle
		if !ok || b == nil {
			continue
		}
		if r.Bundle != nil && r.Bundle.Files > 0 {
			b.Files = int32(min(r.Bundle.Files, 10_000_000))
		}
		b.Warnings = longer(bounded(r.Warnings, 20), b.Warnings)
		b.Unsupported = longer(bounded(withoutEffect(r), 50), b.Unsupported)
	}
}

// withoutEffect is what the bundle's own files ask for in vain: what the build says so of, and what this release reads but does not
// map to anything.
func withoutEffect(r report.Report) []string {
	out := slices.Clone(r.Unsupported)
	for _, o := range r.Options {
		out = append(out, "option "+o.Namespace+": "+o.Name)
	}
	if strings.TrimSpace(r.Cron) != "" {
		out = append(out, "cron.yaml")
	}
	return out
}

func longer(a, b []string) []string {
	if len(b) > len(a) {
		return b
	}
	return a
}

// bounded keeps a list and its texts inside the schema's bounds.
func bounded(list []string, most int) []string {
	var out []string
	for _, text := range list[:min(len(list), most)] {
		out = append(out, strings.ToValidUTF8(text[:min(len(text), 512)], ""))
	}
	return out
}
