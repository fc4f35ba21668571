// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

func makePlatform(tweaks ...func(*v1alpha1.Platform)) *v1alpha1.Platform {
	version := func(v string) []v1alpha1.PlatformVersion {
		return []v1alpha1.PlatformVersion{{Version: v, RunImage: "example.com/run:" + v}, {Version: "0.0.1", RunImage: "example.com/run:old"}}
	}
	out := &v1alpha1.Platform{
		ObjectMeta: metav1.ObjectMeta{Name: "python"},
		Spec: v1alpha1.PlatformSpec{Branches: []v1alpha1.PlatformBranch{
			{Name: "3.13", Versions: version("3.13.9")},
			{Name: "3.9", State: v1alpha1.PlatformDeprecated, RetireOn: "2027-03-31", Versions: version("3.9.25")},
			{Name: "3.8", State: v1alpha1.PlatformRetired, Versions: version("3.8.20")},
		}},
	}
	for _, tweak := range tweaks {
		tweak(out)
	}
	return out
}

func users(list ...string) []v1alpha1.Environment {
	var out []v1alpha1.Environment
	for _, branch := range list {
		e := v1alpha1.Environment{}
		e.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: "python", Branch: branch}
		out = append(out, e)
	}
	return out
}

func TestBranches(t *testing.T) {
	t.Parallel()
	got := branches(makePlatform(), users("3.13", "", "3.9", "unknown"))
	want := []v1alpha1.PlatformBranchStatus{
		{Name: "3.13", Recommended: "3.13.9", Environments: 2},
		{Name: "3.9", Recommended: "3.9.25", Environments: 1},
		{Name: "3.8", Recommended: "3.8.20"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("branches (-want +got):\n%s", diff)
	}
}

func TestOutdated(t *testing.T) {
	t.Parallel()
	day := func(s string) time.Time {
		out, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, tc := range []struct {
		name  string
		users []string
		now   string
		want  []string
		next  time.Duration
	}{
		{name: "nobody uses what is outdated", users: []string{"3.13"}, now: "2026-11-28"},
		{
			name: "deprecated", users: []string{"3.9", "3.9"}, now: "2027-03-29", next: 48 * time.Hour,
			want: []string{`Branch "3.9" is deprecated and is to be retired on 2027-03-31, but Environments still use it.`},
		},
		{
			name: "deprecated, and the day has come", users: []string{"3.9"}, now: "2027-03-31",
			want: []string{`Branch "3.9" is deprecated and was to be retired on 2027-03-31, but Environments still use it.`},
		},
		{
			name: "retired", users: []string{"3.8"}, now: "2027-03-31",
			want: []string{`Branch "3.8" is retired and gets no updates, but Environments still use it.`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := makePlatform()
			p.Status.Branches = branches(p, users(tc.users...))
			got, next := outdated(p, day(tc.now))
			if diff := cmp.Diff(tc.want, got); diff != "" || next != tc.next {
				t.Errorf("next look after %v, want %v; warnings (-want +got):\n%s", next, tc.next, diff)
			}
		})
	}
}

func TestTransitionsTellWarningsOnce(t *testing.T) {
	t.Parallel()
	p := makePlatform()
	if got := transitions(p, []string{"A."}); len(got) != 1 || got[0].Message != "A." {
		t.Errorf("a new warning gave %v", got)
	}
	p.Status.Conditions = condition.Summarize(nil, 1, metav1.Now(), summary([]string{"A."}))
	if got := transitions(p, []string{"A.", "B."}); len(got) != 1 || got[0].Message != "B." {
		t.Errorf("one old and one new warning gave %v", got)
	}
	if ready := condition.Find(p.Status.Conditions, v1alpha1.ConditionReady); !strings.Contains(ready.Message, "spec.platformRef.branch") {
		t.Errorf("the message %q gives no advice", ready.Message)
	}
}
