// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"cmp"
	"slices"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// defaultKeepLastGood is what an unset keepLastGood means; the schema sets it, this covers objects that skipped the schema.
const defaultKeepLastGood = 2

const day = 24 * time.Hour

// Input is everything that the decision depends on.
type Input struct {
	// Policy is the Application's; nil keeps every version.
	Policy *v1alpha1.VersionLifecycle
	// Versions are all versions of the Application. They are read, never changed.
	Versions []v1alpha1.ApplicationVersion
	// Environments are all Environments that may use them.
	Environments []v1alpha1.Environment
	// At is the present.
	At time.Time
}

// Decision is what the lifecycle lets go.
type Decision struct {
	// Evict lists the versions that may go, oldest first.
	Evict []*v1alpha1.ApplicationVersion
	// NextExpiry is when the next version grows too old; zero when none will, as long as nothing else changes.
	NextExpiry time.Time
}

// Decide applies both rules. A version goes when either says so:
//
//	maxCount    besides the newest, only the maxCount youngest stay. Protected ones count but never go, so more than
//	            maxCount may stay.
//	maxAgeDays  a version goes once it is that old.
//
// Protected are the newest, those in use, and the last good ones of each Environment. A version that is being deleted
// already is as good as gone: it does not count.
func Decide(in Input) Decision {
	if in.Policy == nil {
		return Decision{}
	}
	present := oldestFirst(in.Versions)
	protected := protect(in, present)
	surplus := 0
	if in.Policy.MaxCount != nil {
		surplus = len(present) - 1 - int(*in.Policy.MaxCount)
	}
	var out Decision
	for _, v := range present {
		if protected[v.Name] {
			continue
		}
		expiry := expiryOf(in.Policy, v)
		switch {
		case len(out.Evict) < surplus, !expiry.IsZero() && !in.At.Before(expiry):
			out.Evict = append(out.Evict, v)
		case !expiry.IsZero() && (out.NextExpiry.IsZero() || expiry.Before(out.NextExpiry)):
			out.NextExpiry = expiry
		}
	}
	return out
}

// Newest returns the version that was created last, or nil. Of those created in the same second it takes the last by name.
func Newest(versions []v1alpha1.ApplicationVersion) *v1alpha1.ApplicationVersion {
	var newest *v1alpha1.ApplicationVersion
	for i := range versions {
		if v := &versions[i]; newest == nil || byAge(newest, v) < 0 {
			newest = v
		}
	}
	return newest
}

// oldestFirst sorts the versions that are not being deleted, without touching the input.
func oldestFirst(versions []v1alpha1.ApplicationVersion) []*v1alpha1.ApplicationVersion {
	out := make([]*v1alpha1.ApplicationVersion, 0, len(versions))
	for i := range versions {
		if versions[i].DeletionTimestamp.IsZero() {
			out = append(out, &versions[i])
		}
	}
	slices.SortFunc(out, byAge)
	return out
}

// byAge orders by creation; the API server knows seconds only, so names decide among those of one second.
func byAge(a, b *v1alpha1.ApplicationVersion) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
}

func protect(in Input, present []*v1alpha1.ApplicationVersion) map[string]bool {
	keep := defaultKeepLastGood
	if in.Policy.KeepLastGood != nil {
		keep = int(*in.Policy.KeepLastGood)
	}
	out := map[string]bool{}
	for i := range in.Environments {
		for _, name := range Used(&in.Environments[i]) {
			out[name] = true
		}
		for _, name := range LastGood(&in.Environments[i], keep) {
			out[name] = true
		}
	}
	for _, v := range present {
		if len(v.Status.UsedBy) > 0 || slices.Contains(v.Finalizers, v1alpha1.FinalizerInUse) {
			out[v.Name] = true
		}
	}
	if len(present) > 0 {
		out[present[len(present)-1].Name] = true
	}
	return out
}

// expiryOf returns when a version grows too old, or zero without an age rule.
func expiryOf(policy *v1alpha1.VersionLifecycle, v *v1alpha1.ApplicationVersion) time.Time {
	if policy.MaxAgeDays == nil {
		return time.Time{}
	}
	return v.CreationTimestamp.Add(time.Duration(*policy.MaxAgeDays) * day)
}
