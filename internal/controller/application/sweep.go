// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package application

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/lifecycle"
)

const (
	// maxDeletions bounds the deletions of one pass. What is left over follows at once, because deletions wake us.
	maxDeletions = 100
	// longestSleep bounds how far ahead a sweep is planned.
	longestSleep = time.Hour
	// changedMeanwhile is how long a version that just changed is left alone.
	changedMeanwhile = 5 * time.Second
)

// sweep deletes the versions that the lifecycle lets go and takes them out of the family.
func (r *Reconciler) sweep(ctx context.Context, app *v1alpha1.Application, have *family) findings {
	policy := app.Spec.VersionLifecycle
	if policy == nil {
		return findings{Summary: condition.Summary{Verdicts: []condition.Verdict{
			condition.True(v1alpha1.ConditionVersionsWithinLimit, v1alpha1.ReasonNoLimit, "spec.versionLifecycle is not set: every version is kept."),
		}}}
	}
	now := r.now()
	plan := lifecycle.Decide(lifecycle.Input{Policy: policy, Versions: have.versions, Environments: have.environments, At: now})
	var out findings
	if !plan.NextExpiry.IsZero() {
		out.next = min(max(plan.NextExpiry.Sub(now), time.Second), longestSleep)
	}
	for _, v := range plan.Evict[:min(len(plan.Evict), maxDeletions)] {
		err := r.evict(ctx, app, v)
		if apierrors.IsConflict(err) {
			out.next = changedMeanwhile
			continue
		}
		if err != nil {
			out.Err = fmt.Errorf("deleting ApplicationVersion %s: %w", v.Name, err)
			break
		}
		out.swept = append(out.swept, v.Name)
	}
	out.left = len(plan.Evict) - len(out.swept)
	out.Verdicts = []condition.Verdict{withinLimit(policy, out.left)}
	have.versions = slices.DeleteFunc(have.versions, func(v v1alpha1.ApplicationVersion) bool { return slices.Contains(out.swept, v.Name) })
	return out
}

// evict deletes exactly the version that was judged: one that changed since, for example because an Environment began to use
// it, is a conflict.
func (r *Reconciler) evict(ctx context.Context, app *v1alpha1.Application, v *v1alpha1.ApplicationVersion) error {
	uid, seen := v.UID, v.ResourceVersion
	target := &v1alpha1.ApplicationVersion{ObjectMeta: metav1.ObjectMeta{Namespace: v.Namespace, Name: v.Name}}
	if err := r.client.Delete(ctx, target, client.Preconditions{UID: &uid, ResourceVersion: &seen}); err != nil {
		return client.IgnoreNotFound(err)
	}
	return r.discard(ctx, app, v)
}

// withinLimit says whether the lifecycle is kept.
func withinLimit(policy *v1alpha1.VersionLifecycle, left int) condition.Verdict {
	if left > 0 {
		return condition.False(v1alpha1.ConditionVersionsWithinLimit, v1alpha1.ReasonOverLimit, "Versions that may go are still there: "+
			"they are deleted 100 at a time, the oldest first.")
	}
	var rules []string
	if policy.MaxCount != nil {
		rules = append(rules, fmt.Sprintf("%d besides the newest", *policy.MaxCount))
	}
	if policy.MaxAgeDays != nil {
		rules = append(rules, fmt.Sprintf("%d days", *policy.MaxAgeDays))
	}
	return condition.True(v1alpha1.ConditionVersionsWithinLimit, v1alpha1.ReasonWithinLimit, fmt.Sprintf(
		"Versions are kept up to %s. The newest, those in use and the last good ones stay in any case.", strings.Join(rules, " and ")))
}
