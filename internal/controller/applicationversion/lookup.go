// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/lifecycle"
)

// The lists below are about what others write, or about what never changes, so none of them waits for our own writes to
// come back.
const staleIsFine = client.DisableReadYourWritesConsistency

// usage is what the Environments of the namespace say about one version. All lists are sorted by name.
type usage struct {
	// wanted lists those whose spec names the version.
	wanted []string
	// held lists those that run it, deploy it or would return to it, although their spec names another one.
	held []string
	// failed lists those in which a deployment of it failed.
	failed []v1alpha1.VersionFailure
	// platforms lists the platform versions that those in wanted are to run on, each once, by name, branch and version.
	platforms []v1alpha1.PlatformStatusSummary
}

// names lists all users, sorted.
func (u usage) names() []string {
	all := slices.Concat(u.wanted, u.held)
	slices.Sort(all)
	return all
}

// used says whether anybody uses the version.
func (u usage) used() bool { return len(u.wanted)+len(u.held) > 0 }

func (r *Reconciler) lookUpUsage(ctx context.Context, ver *v1alpha1.ApplicationVersion) (usage, error) {
	var list v1alpha1.EnvironmentList
	err := r.client.List(ctx, &list, client.InNamespace(ver.Namespace), client.MatchingFields{indexMentioned: ver.Name}, staleIsFine)
	if err != nil {
		return usage{}, fmt.Errorf("listing the Environments that name it: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.Environment) int { return cmp.Compare(a.Name, b.Name) })
	var out usage
	for i := range list.Items {
		env := &list.Items[i]
		switch {
		case lifecycle.Wanted(env) == ver.Name:
			out.wanted = append(out.wanted, env.Name)
			out.platforms = append(out.platforms, platformOf(env)...)
		case lifecycle.Uses(env, ver.Name):
			out.held = append(out.held, env.Name)
		}
		for _, failed := range env.Status.FailedVersions {
			if failed.Name == ver.Name {
				out.failed = append(out.failed, v1alpha1.VersionFailure{Environment: env.Name, Reason: failed.Reason})
				break
			}
		}
	}
	slices.SortFunc(out.platforms, func(a, b v1alpha1.PlatformStatusSummary) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Branch, b.Branch), cmp.Compare(a.Version, b.Version))
	})
	out.platforms = slices.Compact(out.platforms)
	return out, nil
}

// platformOf is the platform version that an Environment is to run on, as its own controller decided, and the one that its next update
// installs; empty while it has not, or has not seen a change of the spec yet. Nothing but the identity is in it.
func platformOf(env *v1alpha1.Environment) []v1alpha1.PlatformStatusSummary {
	ref, on := env.Spec.PlatformRef, env.Status.Platform
	if ref == nil || on == nil || on.Name != ref.Name || on.Version == "" || (ref.Branch != "" && ref.Branch != on.Branch) {
		return nil
	}
	out := []v1alpha1.PlatformStatusSummary{{Name: on.Name, Branch: on.Branch, Version: on.Version}}
	if on.UpdateAvailable != "" && updates(env) {
		out = append(out, v1alpha1.PlatformStatusSummary{Name: on.Name, Branch: on.Branch, Version: on.UpdateAvailable})
	}
	return out
}

// updates says whether an Environment is going to be updated, so that the artifact must be there when the window opens.
func updates(env *v1alpha1.Environment) bool {
	m, token := env.Spec.ManagedUpdates, env.Annotations[v1alpha1.AnnotationUpdateRequested]
	if m != nil && m.Enabled {
		return true
	}
	done := env.Status.Operations
	return token != "" && (done == nil || done.Update == nil || !done.Update.Completed)
}

// mentioned lists every version that an Environment says something about, each once.
func mentioned(env *v1alpha1.Environment) []string {
	names := lifecycle.Used(env)
	for _, failed := range env.Status.FailedVersions {
		names = append(names, failed.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *Reconciler) applicationExists(ctx context.Context, ver *v1alpha1.ApplicationVersion) (bool, error) {
	key := client.ObjectKey{Namespace: ver.Namespace, Name: ver.Spec.ApplicationRef.Name}
	err := r.client.Get(ctx, key, &v1alpha1.Application{}, staleIsFine)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading Application %s: %w", key.Name, err)
	}
	return true, nil
}

// labelHolder returns the version that the label belongs to: the oldest that has it.
func (r *Reconciler) labelHolder(ctx context.Context, ver *v1alpha1.ApplicationVersion) (*v1alpha1.ApplicationVersion, error) {
	var list v1alpha1.ApplicationVersionList
	err := r.client.List(ctx, &list, client.InNamespace(ver.Namespace), client.MatchingFields{indexLabel: labelKey(ver)}, staleIsFine)
	if err != nil {
		return nil, fmt.Errorf("listing the versions with the same label: %w", err)
	}
	holder := ver
	for i := range list.Items {
		if older(&list.Items[i], holder) {
			holder = &list.Items[i]
		}
	}
	return holder, nil
}

// older orders versions by creation; those of one second, the finest that the API server knows, by UID.
func older(a, b *v1alpha1.ApplicationVersion) bool {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID)) < 0
}

// label is the version's label; the name stands for an unset one.
func label(ver *v1alpha1.ApplicationVersion) string { return cmp.Or(ver.Spec.Label, ver.Name) }

// labelKey identifies a label within its Application. A name has no slash, so the pair is unambiguous.
func labelKey(ver *v1alpha1.ApplicationVersion) string {
	return ver.Spec.ApplicationRef.Name + "/" + label(ver)
}
