// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/database/probe"
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// pod of a probe that began some minutes ago; say is its termination message, empty: it has not ended.
func pod(ago time.Duration, version, say string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		CreationTimestamp: metav1.NewTime(now.Add(-ago)), Annotations: map[string]string{v1alpha1.AnnotationProbeOf: version},
	}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: "registry.example/beanpod:1"}}}}
	if say != "" {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: probe.Container, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: say, FinishedAt: metav1.NewTime(now.Add(-ago))},
		}}}
	}
	return p
}

func waiting(ago time.Duration, reason string) *corev1.Pod {
	p := pod(ago, "4711", "")
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: probe.Container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}
	return p
}

func ok(ago time.Duration) *corev1.Pod {
	return pod(ago, "4711", string(report.Encode(report.Report{Probe: &report.Probe{Login: true, Text: "It is there."}})))
}

func failed(ago time.Duration, reason report.Reason) *corev1.Pod {
	return pod(ago, "4711", string(report.Encode(report.Report{Reason: reason, Error: "It is not there."})))
}

func was(status metav1.ConditionStatus, reason string) *metav1.Condition {
	return &metav1.Condition{Status: status, Reason: reason, Message: "as it was"}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	reached, lost := was("True", "Reachable"), was("False", "TimedOut")
	probing := was("Unknown", "Probing")
	for _, tc := range []struct {
		name  string
		pods  []*corev1.Pod
		was   *metav1.Condition
		isNew bool
		// alive is how long ago there was a sign of life; a minute where nothing is said.
		alive time.Duration
		want  string
		parts []string
		// next is when to look again; -1: never.
		next time.Duration
	}{
		{name: "nothing yet", isNew: true, want: "Unknown Probing", parts: []string{"The first probe of db.example:5432 with Secret shop-db-binding is under way."}, next: 2 * m},
		{name: "still nothing", was: probing, want: "Unknown Probing", next: m},
		{name: "nothing for too long", was: probing, alive: 2 * m, want: "Unknown ProbeCouldNotRun", parts: []string{"there is no pod", "`kubectl -n team-a describe cronjob shop-db-probe`"}, next: -1},
		{name: "a pod that has just begun", was: probing, alive: time.Hour, pods: []*corev1.Pod{pod(m, "4711", "")}, want: "Unknown Probing", next: m},
		{name: "no image", was: probing, alive: time.Hour, pods: []*corev1.Pod{waiting(3*m, "ErrImagePull")}, want: "Unknown ProbeCouldNotRun",
			parts: []string{"the image registry.example/beanpod:1 cannot be pulled"}, next: -1},
		{name: "no Secret", was: probing, alive: time.Hour, pods: []*corev1.Pod{waiting(3*m, "ContainerCreating")}, want: "Unknown ProbeCouldNotRun", parts: []string{"its pod waits (ContainerCreating)"}, next: -1},
		{name: "ended from outside", was: probing, alive: time.Hour, pods: []*corev1.Pod{pod(3*m, "4711", "nonsense")}, want: "Unknown ProbeCouldNotRun", parts: []string{"its pod ended with exit code 1 (Error)"}, next: -1},
		{name: "a fault of its own", was: probing, alive: time.Hour, pods: []*corev1.Pod{failed(3*m, report.Internal)}, want: "Unknown ProbeCouldNotRun", parts: []string{"no probe came to an end: It is not there. See"}, next: -1},
		{name: "reached", was: probing, pods: []*corev1.Pod{ok(m)}, want: "True Reachable", parts: []string{"It is there."}, next: 16 * m},
		{name: "never reached", was: probing, pods: []*corev1.Pod{failed(m, report.TimedOut)}, want: "False TimedOut", parts: []string{"It is not there. Let the pods of the cluster in"}},
		{name: "one failure", was: reached, pods: []*corev1.Pod{failed(m, report.TimedOut), ok(6 * m)}, want: "True Reachable", parts: []string{"It is there."}},
		{name: "one failure, and the success is gone", was: reached, pods: []*corev1.Pod{failed(m, report.TimedOut)}, want: "True Reachable", parts: []string{"as it was"}},
		{name: "one failure, and the status is lost", pods: []*corev1.Pod{ok(6 * m), failed(m, report.TimedOut)}, want: "True Reachable"},
		{name: "two failures", was: reached, pods: []*corev1.Pod{failed(m, report.ConnectionRefused), ok(11 * m), failed(6*m, report.TimedOut)}, want: "False ConnectionRefused", parts: []string{"Start the database"}},
		{name: "two failures, and the success is gone", was: reached, pods: []*corev1.Pod{failed(m, report.TimedOut), failed(6*m, report.TimedOut)}, want: "False TimedOut"},
		{name: "back", was: lost, pods: []*corev1.Pod{failed(11*m, report.TimedOut), failed(6*m, report.TimedOut), ok(m)}, want: "True Reachable"},
		{name: "one failure that says nothing", was: reached, pods: []*corev1.Pod{failed(m, report.TimedOut), failed(2*m, report.Internal), ok(6 * m)}, want: "True Reachable"},
		{name: "other credentials", was: reached, isNew: true, pods: []*corev1.Pod{pod(m, "4710", `{"probe":{"login":true,"text":"old"}}`)}, want: "Unknown Probing"},
		{name: "other credentials, refused", was: probing, pods: []*corev1.Pod{failed(m, report.LoginRefused), pod(6*m, "4710", `{"probe":{"login":true,"text":"old"}}`)}, want: "False LoginRefused",
			parts: []string{"Secret of spec.external.credentialsRef"}},
		{name: "the pods are gone", was: lost, want: "False TimedOut", parts: []string{"as it was"}, next: 16 * m},
		{name: "the results are old", was: reached, alive: time.Hour, pods: []*corev1.Pod{ok(17 * m)}, want: "Unknown ProbeCouldNotRun", next: -1},
		{name: "the results are nearly old", was: reached, alive: time.Hour, pods: []*corev1.Pod{ok(17*m - time.Second)}, want: "True Reachable", next: time.Second},
		{name: "a long story", was: probing, pods: []*corev1.Pod{pod(m, "4711", string(report.Encode(report.Report{Reason: report.TimedOut, Error: "A\n\tlong " + strings.Repeat("story ", 500)})))},
			want: "False TimedOut", parts: []string{"A long story story", "… Let the pods"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			seen := probe.Seen{Order: order(), Host: "db.example", Port: 5432, External: true, Pods: tc.pods, Was: tc.was, New: tc.isNew, Alive: now.Add(-max(m, tc.alive))}
			v := probe.Judge(seen, now)
			if got := string(v.Status) + " " + v.Reason; got != tc.want {
				t.Errorf("%s, want %s: %s", got, tc.want, v.Message)
			}
			for _, part := range tc.parts {
				if !strings.Contains(v.Message, part) {
					t.Errorf("%q does not say %q", v.Message, part)
				}
			}
			switch {
			case tc.next < 0 && !v.Next.IsZero(), tc.next > 0 && !v.Next.Equal(now.Add(tc.next)):
				t.Errorf("look again at %s, want in %s", v.Next, tc.next)
			}
		})
	}
}

// TestEveryReasonHasANextStep for an external database and for one that a class provides.
func TestEveryReasonHasANextStep(t *testing.T) {
	t.Parallel()
	for _, reason := range []report.Reason{
		report.Unresolvable, report.ConnectionRefused, report.NoRoute, report.TimedOut, report.TLSFailed, report.NotUnderstood, report.LoginRefused, report.UnknownDatabase, report.NotAccepting,
	} {
		for _, external := range []bool{true, false} {
			v := probe.Judge(probe.Seen{Order: order(), Host: "fd00::1", Port: 5432, External: external, Alive: now, Pods: []*corev1.Pod{failed(time.Minute, reason)}}, now)
			next, found := strings.CutPrefix(v.Message, "It is not there. ")
			if v.Reason != string(reason) || !found || !strings.HasSuffix(next, ".") || strings.Contains(next, "spec.external") && !external || strings.Contains(next, "SECRET") {
				t.Errorf("%s, external %v: %s %s", reason, external, v.Reason, v.Message)
			}
		}
	}
}
