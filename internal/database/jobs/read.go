// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// Ended says how a Job ended. The message of a failure is that of the container that failed, if its pod is still there; else it is what the
// pod waits for.
func Ended(name string, have database.Objects) (done, failed bool, message string) {
	conditions, _, _ := unstructured.NestedSlice(have[Ref(name)].Object, "status", "conditions")
	for _, item := range conditions {
		c, _ := item.(map[string]any)
		if c["status"] != "True" {
			continue
		}
		switch c["type"] {
		case string(batchv1.JobComplete):
			return true, false, ""
		case string(batchv1.JobFailed):
			text, _ := c["message"].(string)
			if said := failure(Pod(have[database.PodOf(name)])); said != "" {
				text = said
			}
			return false, true, text
		}
	}
	return false, false, Waiting(Pod(have[database.PodOf(name)]))
}

// Progress is how far the Job of a rotation's step is; what completes the words "Job X, which".
func Progress(have database.Objects, job, what string) database.Progress {
	if have[Ref(job)] == nil {
		return database.Progress{}
	}
	done, failed, message := Ended(job, have)
	out := database.Progress{Exists: true, Done: done, Failed: failed}
	switch {
	case failed:
		out.Message = fmt.Sprintf("Job %s, which %s, failed: %s Set the annotation to another value to try again.", job, what, message)
	case !done:
		out.Message = fmt.Sprintf("Job %s %s. %s", job, what, message)
	}
	return out
}

// Pod reads a pod; nil when there is none.
func Pod(o *unstructured.Unstructured) *corev1.Pod {
	if o == nil {
		return nil
	}
	var p corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p); err != nil {
		return nil
	}
	return &p
}

// failure is what the container said that ended a pod.
func failure(p *corev1.Pod) string {
	if p == nil {
		return ""
	}
	for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			return Said(t)
		}
	}
	return p.Status.Message
}

// Said is the sentence in a termination message: a report of the bundle program, or what a script wrote.
func Said(t *corev1.ContainerStateTerminated) string {
	text := strings.TrimSpace(t.Message)
	if r, err := report.Decode([]byte(text)); err == nil && r.Error != "" {
		return r.Error
	}
	if t.Reason == "OOMKilled" {
		return "It was ended for using more memory than its limit."
	}
	return Clip(text)
}

// Clip keeps the end of a log, in one line.
func Clip(text string) string {
	const longest = 400
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = "…" + strings.ToValidUTF8(text[len(text)-longest:], "")
	}
	return text
}

// Waiting is what a pod waits for that has not started; empty when it has.
func Waiting(p *corev1.Pod) string {
	if p == nil {
		return ""
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return fmt.Sprintf("No node takes pod %s: %s", p.Name, Clip(c.Message))
		}
	}
	for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		if last := s.LastTerminationState.Terminated; last != nil && last.ExitCode != 0 {
			return fmt.Sprintf("Container %s of pod %s failed and is tried again: %s", s.Name, p.Name, Said(last))
		}
		if wait := s.State.Waiting; wait != nil && wait.Reason != "PodInitializing" && wait.Reason != "ContainerCreating" {
			return fmt.Sprintf("Container %s of pod %s waits: %s", s.Name, p.Name, strings.TrimSpace(wait.Reason+" "+Clip(wait.Message)))
		}
	}
	return ""
}
