// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

var present = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// makeVersion makes a version that is days old.
func makeVersion(name string, days int, tweaks ...func(*v1alpha1.ApplicationVersion)) v1alpha1.ApplicationVersion {
	v := v1alpha1.ApplicationVersion{ObjectMeta: metav1.ObjectMeta{
		Name: name, CreationTimestamp: metav1.NewTime(present.Add(-time.Duration(days) * day)),
	}}
	for _, tweak := range tweaks {
		tweak(&v)
	}
	return v
}

// versions makes v1 (the oldest) to vN, one a day, the newest of today.
func versions(n int) []v1alpha1.ApplicationVersion {
	var out []v1alpha1.ApplicationVersion
	for i := 1; i <= n; i++ {
		out = append(out, makeVersion(fmt.Sprintf("v%d", i), n-i))
	}
	return out
}

func makeEnvironment(name string, tweaks ...func(*v1alpha1.Environment)) v1alpha1.Environment {
	env := v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, tweak := range tweaks {
		tweak(&env)
	}
	return env
}

func wants(version string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) { e.Spec.VersionRef = &v1alpha1.LocalReference{Name: version} }
}

// deployedOnce records successful deployments, newest first.
func deployedOnce(versions ...string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		for _, v := range versions {
			e.Status.History = append(e.Status.History, v1alpha1.DeploymentRecord{Version: v, Result: v1alpha1.DeploymentSucceeded})
		}
	}
}

func failedOnce(version string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Status.History = append(e.Status.History, v1alpha1.DeploymentRecord{Version: version, Result: v1alpha1.DeploymentFailed})
	}
}

func policy(maxCount, maxAgeDays, keepLastGood int32) *v1alpha1.VersionLifecycle {
	p := &v1alpha1.VersionLifecycle{KeepLastGood: &keepLastGood}
	if maxCount > 0 {
		p.MaxCount = &maxCount
	}
	if maxAgeDays > 0 {
		p.MaxAgeDays = &maxAgeDays
	}
	return p
}

func names(list []*v1alpha1.ApplicationVersion) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.Name)
	}
	return out
}

func TestDecide(t *testing.T) {
	t.Parallel()
	deleting := func(v *v1alpha1.ApplicationVersion) { v.DeletionTimestamp = &metav1.Time{Time: present} }
	for _, tc := range []struct {
		name     string
		policy   *v1alpha1.VersionLifecycle
		versions []v1alpha1.ApplicationVersion
		envs     []v1alpha1.Environment
		want     []string
		next     time.Duration
	}{
		{name: "no policy", versions: versions(5)},
		{name: "no versions", policy: policy(1, 1, 0)},
		{name: "at the limit: the newest is not counted", policy: policy(3, 0, 0), versions: versions(4)},
		{name: "one over the limit", policy: policy(3, 0, 0), versions: versions(5), want: []string{"v1"}},
		{name: "many over the limit, oldest first", policy: policy(1, 0, 0), versions: versions(5), want: []string{"v1", "v2", "v3"}},
		{
			name: "one in use counts but stays", policy: policy(2, 0, 0), versions: versions(5),
			envs: []v1alpha1.Environment{makeEnvironment("blue", wants("v1"))}, want: []string{"v2", "v3"},
		},
		{
			name: "more in use than the limit allows", policy: policy(1, 0, 0), versions: versions(4),
			envs: []v1alpha1.Environment{makeEnvironment("a", wants("v1")), makeEnvironment("b", wants("v2")), makeEnvironment("c", wants("v3"))},
		},
		{
			name: "everything that an environment holds on to is in use", policy: policy(1, 0, 0), versions: versions(7),
			envs: []v1alpha1.Environment{makeEnvironment("blue", wants("v4"), func(e *v1alpha1.Environment) {
				e.Status.DeployedVersion = &v1alpha1.DeployedVersion{Name: "v3"}
				e.Status.TargetVersion = &v1alpha1.LocalReference{Name: "v2"}
				e.Status.LastGoodVersion = &v1alpha1.LocalReference{Name: "v1"}
			})},
			want: []string{"v5", "v6"},
		},
		{
			name: "last good ones stay, besides what is in use", policy: policy(1, 0, 2), versions: versions(7),
			envs: []v1alpha1.Environment{makeEnvironment("blue", wants("v6"), deployedOnce("v6", "v5", "v5", "v6"), failedOnce("v4"), deployedOnce("v3", "v1"))},
			want: []string{"v1", "v2", "v4"},
		},
		{
			name: "last good ones of each environment", policy: policy(1, 0, 1), versions: versions(5),
			envs: []v1alpha1.Environment{makeEnvironment("blue", deployedOnce("v1", "v2")), makeEnvironment("green", deployedOnce("v3"))},
			want: []string{"v2", "v4"},
		},
		{
			name: "unset keepLastGood is 2", policy: &v1alpha1.VersionLifecycle{MaxCount: new(int32(1))}, versions: versions(5),
			envs: []v1alpha1.Environment{makeEnvironment("blue", deployedOnce("v1", "v2", "v3"))}, want: []string{"v3", "v4"},
		},
		{
			name: "one whose status says that it is used stays", policy: policy(1, 0, 0),
			versions: []v1alpha1.ApplicationVersion{
				makeVersion("v1", 3, func(v *v1alpha1.ApplicationVersion) { v.Status.UsedBy = []v1alpha1.VersionUse{{Environment: "other"}} }),
				makeVersion("v2", 2, func(v *v1alpha1.ApplicationVersion) { v.Finalizers = []string{v1alpha1.FinalizerInUse} }),
				makeVersion("v3", 1), makeVersion("v4", 0),
			},
			want: []string{"v3"},
		},
		{
			name: "one that is being deleted does not count", policy: policy(1, 0, 0),
			versions: []v1alpha1.ApplicationVersion{makeVersion("v1", 3, deleting), makeVersion("v2", 1), makeVersion("v3", 0)},
		},
		{
			name: "the newest by age is protected, not one that is being deleted", policy: policy(0, 1, 0),
			versions: []v1alpha1.ApplicationVersion{makeVersion("v1", 5), makeVersion("v2", 4, deleting)},
		},
		{name: "too old", policy: policy(0, 3, 0), versions: versions(6), want: []string{"v1", "v2", "v3"}, next: day},
		{
			name: "to the second", policy: policy(0, 3, 0), next: time.Second,
			versions: []v1alpha1.ApplicationVersion{
				makeVersion("v1", 3, func(v *v1alpha1.ApplicationVersion) { v.CreationTimestamp.Time = v.CreationTimestamp.Add(time.Second) }),
				makeVersion("v2", 3), makeVersion("v3", 0),
			},
			want: []string{"v2"},
		},
		{name: "old but the newest", policy: policy(0, 3, 0), versions: []v1alpha1.ApplicationVersion{makeVersion("v1", 30)}},
		{name: "either rule", policy: policy(4, 3, 0), versions: versions(6), want: []string{"v1", "v2", "v3"}, next: day},
		{name: "count says more than age", policy: policy(1, 4, 0), versions: versions(6), want: []string{"v1", "v2", "v3", "v4"}, next: 3 * day},
		{
			name: "what is in use does not expire", policy: policy(0, 3, 0), versions: versions(3),
			envs: []v1alpha1.Environment{makeEnvironment("blue", wants("v1"))}, next: 2 * day,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := Decide(Input{Policy: tc.policy, Versions: tc.versions, Environments: tc.envs, At: present})
			if diff := cmp.Diff(tc.want, names(got.Evict)); diff != "" {
				t.Errorf("Evict (-want +got):\n%s", diff)
			}
			var next time.Duration
			if !got.NextExpiry.IsZero() {
				next = got.NextExpiry.Sub(present)
			}
			if next != tc.next {
				t.Errorf("NextExpiry in %s, want %s", next, tc.next)
			}
		})
	}
}

func TestNewest(t *testing.T) {
	t.Parallel()
	if got := Newest(nil); got != nil {
		t.Errorf("Newest(nil) = %v", got)
	}
	got := Newest([]v1alpha1.ApplicationVersion{makeVersion("b", 1), makeVersion("c", 0), makeVersion("d", 0), makeVersion("a", 2)})
	if got == nil || got.Name != "d" {
		t.Errorf("Newest = %v, want d", got)
	}
}

func TestUsed(t *testing.T) {
	t.Parallel()
	env := makeEnvironment("blue", wants("v2"), func(e *v1alpha1.Environment) {
		e.Status.DeployedVersion = &v1alpha1.DeployedVersion{Name: "v1"}
		e.Status.TargetVersion = &v1alpha1.LocalReference{Name: "v2"}
		e.Status.LastGoodVersion = &v1alpha1.LocalReference{Name: "v1"}
	})
	if diff := cmp.Diff([]string{"v1", "v2"}, Used(&env)); diff != "" {
		t.Errorf("Used (-want +got):\n%s", diff)
	}
	if !Uses(&env, "v1") || Uses(&env, "v3") {
		t.Errorf("Uses(v1), Uses(v3) = %t, %t, want true, false", Uses(&env, "v1"), Uses(&env, "v3"))
	}
	empty := makeEnvironment("green")
	if got := Used(&empty); len(got) != 0 {
		t.Errorf("Used = %v, want none", got)
	}
}

// For many policies and histories: what is protected never goes, both rules hold afterwards as far as protection lets them,
// and a second look finds nothing more to do.
func TestDecideInvariants(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		in := randomInput(random)
		out := Decide(in)
		protected := protect(in, oldestFirst(in.Versions))
		gone := map[string]bool{}
		for _, v := range out.Evict {
			if protected[v.Name] || gone[v.Name] {
				t.Fatalf("round %d: %s must not go (again)", round, v.Name)
			}
			gone[v.Name] = true
		}
		left := in
		left.Versions = slices.DeleteFunc(slices.Clone(in.Versions), func(v v1alpha1.ApplicationVersion) bool { return gone[v.Name] })
		if again := Decide(left); len(again.Evict) != 0 || !again.NextExpiry.Equal(out.NextExpiry) {
			t.Fatalf("round %d: a second look evicts %v", round, names(again.Evict))
		}
		if name := overdue(left, protected); name != "" {
			t.Fatalf("round %d: %d versions left, %s could go", round, len(left.Versions), name)
		}
	}
}

func randomInput(random *rand.Rand) Input {
	in := Input{Policy: policy(random.Int32N(6), random.Int32N(6), random.Int32N(4)), Versions: versions(random.IntN(12)), At: present}
	pick := func() string { return fmt.Sprintf("v%d", 1+random.IntN(12)) }
	for e := range random.IntN(3) {
		in.Environments = append(in.Environments, makeEnvironment(fmt.Sprintf("e%d", e), wants(pick()), deployedOnce(pick(), pick(), pick())))
	}
	return in
}

// overdue names a version that breaks a rule and is not protected, or is empty.
func overdue(in Input, protected map[string]bool) string {
	tooMany := in.Policy.MaxCount != nil && len(in.Versions)-1 > int(*in.Policy.MaxCount)
	for _, v := range in.Versions {
		tooOld := in.Policy.MaxAgeDays != nil && in.At.Sub(v.CreationTimestamp.Time) >= time.Duration(*in.Policy.MaxAgeDays)*day
		if !protected[v.Name] && (tooMany || tooOld) {
			return v.Name
		}
	}
	return ""
}

func TestWanted(t *testing.T) {
	t.Parallel()
	env := &v1alpha1.Environment{}
	env.Spec.ApplicationRef.Name = "shop"
	if got := Wanted(env); got != "" {
		t.Errorf("without anything %q is wanted", got)
	}
	env.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: "python"}
	if got := Wanted(env); got != "shop-sample-python" {
		t.Errorf("the sample is called %q", got)
	}
	env.Spec.VersionRef = &v1alpha1.LocalReference{Name: "shop-41"}
	if got := Wanted(env); got != "shop-41" {
		t.Errorf("%q is wanted, want the version that is named", got)
	}
}
