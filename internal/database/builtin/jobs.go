// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	batchv1ac "k8s.io/client-go/applyconfigurations/batch/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// order is what the Jobs differ in.
type order struct {
	name string
	// annotations are on the Job and on its pod.
	annotations map[string]string
	spec        *corev1ac.PodSpecApplyConfiguration
	// tries after the first, seconds for everything together, and how long the Job stays when it has ended; 0: for ever.
	retries              int32
	seconds, keptSeconds int64
}

// job belongs to nobody: it outlives the claim.
func job(w database.Wanted, o order) database.Object {
	o.spec.WithRestartPolicy(corev1.RestartPolicyNever)
	spec := batchv1ac.JobSpec().WithBackoffLimit(o.retries).WithCompletions(1).WithParallelism(1).WithActiveDeadlineSeconds(o.seconds).
		WithPodReplacementPolicy(batchv1.Failed).
		WithTemplate(corev1ac.PodTemplateSpec().WithLabels(w.Labels()).WithAnnotations(o.annotations).WithSpec(o.spec))
	if o.keptSeconds > 0 {
		spec.WithTTLSecondsAfterFinished(int32(o.keptSeconds)) //nolint:gosec // a week
	}
	config := batchv1ac.Job("", "").WithAnnotations(maps.Clone(o.annotations)).WithSpec(spec)
	return database.Object{Ref: jobRef(o.name), Intent: intent(w, o.name, config), Once: true}
}

func jobRef(name string) database.Ref { return database.Ref{GroupVersionKind: Job, Name: name} }

// short is a hash of a word, of so many digits.
func short(word string, digits int) string {
	sum := sha256.Sum256([]byte(word))
	return hex.EncodeToString(sum[:])[:digits]
}

// ended says how a Job ended. The message of a failure is that of the container that failed, if its pod is still there.
func ended(name string, have database.Objects) (done, failed bool, message string) {
	conditions, _, _ := unstructured.NestedSlice(have[jobRef(name)].Object, "status", "conditions")
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
			if said := failure(podOf(have[database.PodOf(name)])); said != "" {
				text = said
			}
			return false, true, text
		}
	}
	return false, false, waiting(podOf(have[database.PodOf(name)]))
}

// podOf reads a pod; nil when there is none.
func podOf(o *unstructured.Unstructured) *corev1.Pod {
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
			return said(t)
		}
	}
	return p.Status.Message
}

// said is the sentence in a termination message: a report of the bundle program, or what a script wrote.
func said(t *corev1.ContainerStateTerminated) string {
	text := strings.TrimSpace(t.Message)
	if r, err := report.Decode([]byte(text)); err == nil && r.Error != "" {
		return r.Error
	}
	if t.Reason == "OOMKilled" {
		return "It was ended for using more memory than its limit."
	}
	return clip(text)
}

// clip keeps the end of a log, in one line.
func clip(text string) string {
	const longest = 400
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = "…" + strings.ToValidUTF8(text[len(text)-longest:], "")
	}
	return text
}

// result is what the bundle program reported at the end; nil when its pod is gone.
func result(p *corev1.Pod, container string) *report.Object {
	if p == nil {
		return nil
	}
	for _, s := range p.Status.ContainerStatuses {
		if t := s.State.Terminated; t != nil && s.Name == container {
			if r, err := report.Decode([]byte(t.Message)); err == nil {
				return r.Snapshot
			}
		}
	}
	return nil
}
