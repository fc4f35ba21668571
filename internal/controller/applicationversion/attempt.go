// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/desired/buildjob"
)

// attempt is one build that was begun: its Job, and the pod unless it is gone.
type attempt struct {
	number int32
	job    *batchv1.Job
	pod    *corev1.Pod
}

// newest finds the last attempt for a platform version; nil when none was begun or all are gone.
func newest(jobs []batchv1.Job, pods []corev1.Pod, key string) *attempt {
	var out *attempt
	for i := range jobs {
		j := &jobs[i]
		n, err := strconv.ParseInt(j.Annotations[v1alpha1.AnnotationAttempt], 10, 32)
		if j.Annotations[v1alpha1.AnnotationBuildOf] == key && err == nil && (out == nil || int32(n) > out.number) {
			out = &attempt{number: int32(n), job: j}
		}
	}
	if out == nil {
		return nil
	}
	for i := range pods {
		if metav1.IsControlledBy(&pods[i], out.job) {
			out.pod = &pods[i]
		}
	}
	return out
}

// ended is when and how the Job ended; nil while it runs. A pod that the cache still shows at work is waited for: its report is newer.
func (a *attempt) ended() *batchv1.JobCondition {
	if a.pod != nil && a.pod.DeletionTimestamp == nil && a.pod.Status.Phase != corev1.PodSucceeded && a.pod.Status.Phase != corev1.PodFailed {
		return nil
	}
	for i, c := range a.job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return &a.job.Status.Conditions[i]
		}
	}
	return nil
}

// statuses are the containers of the pod in the order in which they run.
func (a *attempt) statuses() []corev1.ContainerStatus {
	if a.pod == nil {
		return nil
	}
	return slices.Concat(a.pod.Status.InitContainerStatuses, a.pod.Status.ContainerStatuses)
}

// told is the report of a step, if it left one.
func (a *attempt) told(step string) (report.Report, bool) {
	for _, c := range a.statuses() {
		if c.Name == step && c.State.Terminated != nil {
			r, err := report.Decode([]byte(c.State.Terminated.Message))
			return r, err == nil
		}
	}
	return report.Report{}, false
}

// fetched says whether the archive is there, so that the build itself runs.
func (a *attempt) fetched() bool {
	r, ok := a.told(buildjob.Fetch)
	return ok && r.Error == ""
}

// waits says what keeps the pod, such as an image that cannot be pulled; empty while it works.
func (a *attempt) waits() string {
	if a.pod == nil {
		return ""
	}
	for _, c := range a.pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "no node has room for the build: " + c.Message
		}
	}
	for _, c := range a.statuses() {
		if w := c.State.Waiting; w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" {
			return fmt.Sprintf("%s: %s %s", c.Name, w.Reason, w.Message)
		}
	}
	return ""
}

// failed reads why an attempt failed. What left no report, because its node or its memory went away, may pass; what ran and failed, or
// took all of its time, will not.
func (a *attempt) failed(end *batchv1.JobCondition, seconds int64) report.Report {
	for _, c := range a.statuses() {
		t := c.State.Terminated
		if t == nil || t.ExitCode == 0 {
			continue
		}
		if r, err := report.Decode([]byte(t.Message)); err == nil && r.Error != "" {
			return r
		}
		return a.unreported(c.Name, t)
	}
	switch {
	case end.Reason == batchv1.JobReasonDeadlineExceeded:
		return report.Report{
			Reason: report.BuildFailed,
			Error:  fmt.Sprintf("The build did not end within %d seconds. Make it faster, or raise build.timeoutSeconds of the Platform's branch.", seconds),
		}
	case a.pod != nil && a.pod.Status.Message != "":
		return report.Report{Reason: report.Internal, Retry: true, Error: "The build's pod was ended: " + a.pod.Status.Message}
	default:
		return report.Report{Reason: report.Internal, Retry: true, Error: "The build's pod is gone, and its result with it."}
	}
}

// unreported is what is known of a container that ended with an error and without a word of its own.
func (a *attempt) unreported(step string, t *corev1.ContainerStateTerminated) report.Report {
	disrupted := a.pod.Status.Reason == "Evicted" || slices.ContainsFunc(a.pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
	})
	switch {
	case disrupted:
		return report.Report{Reason: report.Internal, Retry: true, Error: "The build's pod was evicted: " + cmp.Or(a.pod.Status.Message, t.Reason)}
	case t.Reason == "OOMKilled":
		return report.Report{Reason: report.BuildFailed, Error: fmt.Sprintf("Step %s needs more memory than a build may have, which is %s.", step, buildjob.MemoryLimit)}
	case step == buildjob.Build:
		return report.Report{Reason: report.BuildFailed, Error: fmt.Sprintf("The build ended with exit code %d: %s", t.ExitCode, t.Message)}
	default:
		return report.Report{Reason: report.Internal, Retry: true, Error: fmt.Sprintf("Step %s ended with exit code %d: %s", step, t.ExitCode, t.Message)}
	}
}
