// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// TestFollow tells how each end of an attempt is judged: whether it is tried again, and what people read.
func TestFollow(t *testing.T) {
	t.Parallel()
	ended := func(name string, code int32, reason, message string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message},
		}}
	}
	says := func(r report.Report) string { return string(report.Encode(r)) }
	evicted := corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
	evicted.InitContainerStatuses = []corev1.ContainerStatus{ended("build", 137, "Error", "")}
	good := report.Report{Artifact: &report.Object{SHA256: "x"}, Processes: map[string]string{"web": "run"}}
	long := report.Report{Artifact: &report.Object{SHA256: "x"}, Processes: map[string]string{"web": strings.Repeat("a", 1025)}}
	for _, tc := range []struct {
		name   string
		pod    *corev1.PodStatus
		end    batchv1.JobConditionType
		reason string
		before v1alpha1.Artifact
		state  v1alpha1.ArtifactState
		parts  string
	}{
		{name: "runs", pod: &corev1.PodStatus{Phase: corev1.PodRunning}, state: "Building"},
		{name: "the Job ended before the pod was seen to", pod: &corev1.PodStatus{Phase: corev1.PodRunning}, end: batchv1.JobComplete, state: "Building"},
		{name: "an image that cannot be pulled", pod: &corev1.PodStatus{Phase: corev1.PodPending, InitContainerStatuses: []corev1.ContainerStatus{
			{Name: "build", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}}},
		}}, state: "Building", parts: "build: ErrImagePull not found"},
		{name: "success", pod: &corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: []corev1.ContainerStatus{ended("push", 0, "", says(good))}}, end: batchv1.JobComplete, state: "Built"},
		{name: "a command that does not fit", pod: &corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: []corev1.ContainerStatus{ended("push", 0, "", says(long))}}, end: batchv1.JobComplete, state: "Failed", parts: "has 1025 characters"},
		{name: "success without a result", end: batchv1.JobComplete, state: "Retrying", parts: "result was lost"},
		{name: "the pod is gone", end: batchv1.JobFailed, state: "Retrying", parts: "is gone"},
		{name: "too slow", end: batchv1.JobFailed, reason: batchv1.JobReasonDeadlineExceeded, state: "Failed", parts: "did not end within 60 seconds"},
		{name: "evicted", pod: &evicted, end: batchv1.JobFailed, state: "Retrying", parts: "low on resource"},
		{name: "out of memory", pod: &corev1.PodStatus{Phase: corev1.PodFailed, InitContainerStatuses: []corev1.ContainerStatus{ended("build", 137, "OOMKilled", "")}}, end: batchv1.JobFailed, state: "Failed", parts: "more memory"},
		{name: "a build without a word", pod: &corev1.PodStatus{Phase: corev1.PodFailed, InitContainerStatuses: []corev1.ContainerStatus{ended("build", 2, "Error", "last line")}}, end: batchv1.JobFailed, state: "Failed", parts: "exit code 2: last line"},
		{name: "our own program without a word", pod: &corev1.PodStatus{Phase: corev1.PodFailed, InitContainerStatuses: []corev1.ContainerStatus{ended("fetch", 2, "Error", "panic")}}, end: batchv1.JobFailed, state: "Retrying", parts: "Step fetch"},
		{name: "what was judged is not judged again", before: v1alpha1.Artifact{State: "Failed", Attempts: 1, Message: "old"}, end: batchv1.JobComplete, state: "Failed", parts: "old"},
		{name: "an attempt that is waited after", before: v1alpha1.Artifact{State: "Retrying", Attempts: 1, Message: "old"}, end: batchv1.JobFailed, state: "Retrying", parts: "old"},
		{name: "an attempt that was begun before a crash", before: v1alpha1.Artifact{State: "Retrying", Attempts: 0}, state: "Building"},
		{name: "an attempt of long ago", before: v1alpha1.Artifact{State: "Building", Attempts: 2, Message: "new"}, end: batchv1.JobFailed, state: "Building", parts: "new"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := &attempt{number: 1, job: &batchv1.Job{}}
			if tc.pod != nil {
				a.pod = &corev1.Pod{Status: *tc.pod}
			}
			if tc.end != "" {
				a.job.Status.Conditions = []batchv1.JobCondition{{Type: tc.end, Status: corev1.ConditionTrue, Reason: tc.reason, LastTransitionTime: metav1.NewTime(time.Unix(1, 0))}}
			}
			got := follow(tc.before, a, 60)
			if got.State != tc.state || !strings.Contains(got.Message, tc.parts) {
				t.Errorf("the artifact is %s: %q, want %s: %q", got.State, got.Message, tc.state, tc.parts)
			}
		})
	}
}

// TestMakeRoom proves that the list stays bounded and loses nothing that is asked for.
func TestMakeRoom(t *testing.T) {
	t.Parallel()
	ver := &v1alpha1.ApplicationVersion{}
	for i := range maxArtifacts {
		ver.Status.Artifacts = append(ver.Status.Artifacts, v1alpha1.Artifact{Platform: "p", Branch: "b", Version: strings.Repeat("1", i+1)})
	}
	asked := []v1alpha1.PlatformStatusSummary{{Name: "p", Branch: "b", Version: "1"}, {Name: "p", Branch: "b", Version: "new"}}
	makeRoom(ver, asked)
	list := ver.Status.Artifacts
	if len(list) != maxArtifacts || list[0].Version != "1" || list[1].Version != "111" || list[maxArtifacts-1].Version != "new" {
		t.Errorf("the list is %+v", list)
	}
}

// TestDescribeOptions sorts option settings: those with an effect are for environments, the others are listed with the reason.
func TestDescribeOptions(t *testing.T) {
	t.Parallel()
	option := func(namespace, name, value string) report.Option {
		return report.Option{Namespace: namespace, Name: name, Value: value}
	}
	r := report.Report{Bundle: &report.Object{SHA256: "x"}, Unsupported: []string{"packages"}, Cut: true, Options: []report.Option{
		option("aws:autoscaling:asg", "MinSize", "2"), option("aws:autoscaling:asg", "Cooldown", "360"), option("aws:autoscaling:asg", "MaxSize", "many"),
		option("night.aws:autoscaling:scheduledaction", "MinSize", "1"),
	}}
	pod := &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
		{Name: "push", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: string(report.Encode(r))}}},
	}}}
	var ver v1alpha1.ApplicationVersion
	describe(&ver, &attempt{pod: pod})
	got := ver.Status.Bundle
	if got == nil {
		t.Fatal("there is no status.bundle")
	}
	want := []v1alpha1.OptionSetting{
		{Namespace: "aws:autoscaling:asg", Name: "MinSize", Value: "2"}, {Namespace: "night.aws:autoscaling:scheduledaction", Name: "MinSize", Value: "1"},
	}
	if diff := cmp.Diff(want, got.Options); diff != "" {
		t.Errorf("options: want -, got +:\n%s", diff)
	}
	list := []string{
		"packages", "option aws:autoscaling:asg: Cooldown has no counterpart",
		`option aws:autoscaling:asg: MaxSize is "many"; write a whole number from 1 to 10000`,
		"option night.aws:autoscaling:scheduledaction has neither Recurrence nor StartTime, so the action has no effect",
	}
	if diff := cmp.Diff(list, got.Unsupported); diff != "" {
		t.Errorf("unsupported: want -, got +:\n%s", diff)
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "may be missing") {
		t.Errorf("a report that was cut does not say so: %q", got.Warnings)
	}
}
