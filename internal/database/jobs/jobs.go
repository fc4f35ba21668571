// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package jobs holds what providers of databases share that do work in Jobs: how such a Job and its pod look, what became of it, and the
// names of a rotation. Pure.
package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	batchv1ac "k8s.io/client-go/applyconfigurations/batch/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/database"
)

// Kind is that of a Job.
var Kind = schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}

// Order is what the Jobs differ in.
type Order struct {
	Name string
	// Annotations are on the Job and on its pod.
	Annotations map[string]string
	Spec        *corev1ac.PodSpecApplyConfiguration
	// Retries after the first try, Seconds for everything together, and how long the Job stays when it has ended; 0: for ever.
	Retries              int32
	Seconds, KeptSeconds int64
	// InPlace tries again in the same pod, which keeps what was said last.
	InPlace bool
}

// New is a Job that belongs to nobody: it outlives the claim.
func New(w database.Wanted, o Order) database.Object {
	o.Spec.WithRestartPolicy(corev1.RestartPolicyNever)
	if o.InPlace {
		o.Spec.WithRestartPolicy(corev1.RestartPolicyOnFailure)
	}
	spec := batchv1ac.JobSpec().WithBackoffLimit(o.Retries).WithCompletions(1).WithParallelism(1).
		WithPodReplacementPolicy(batchv1.Failed).
		WithTemplate(corev1ac.PodTemplateSpec().WithLabels(w.Labels()).WithAnnotations(o.Annotations).WithSpec(o.Spec))
	if o.Seconds > 0 {
		spec.WithActiveDeadlineSeconds(o.Seconds)
	}
	if o.KeptSeconds > 0 {
		spec.WithTTLSecondsAfterFinished(int32(o.KeptSeconds)) //nolint:gosec // a week
	}
	config := batchv1ac.Job("", "").WithAnnotations(maps.Clone(o.Annotations)).WithSpec(spec)
	return database.Object{Ref: Ref(o.Name), Intent: Intent(w, o.Name, config), Once: true}
}

// Ref names a Job.
func Ref(name string) database.Ref { return database.Ref{GroupVersionKind: Kind, Name: name} }

// Short is a hash of a word, of so many digits.
func Short(word string, digits int) string {
	sum := sha256.Sum256([]byte(word))
	return hex.EncodeToString(sum[:])[:digits]
}

// Intent is an apply configuration as server-side apply wants it, with the labels and annotations of everything.
func Intent(w database.Wanted, name string, config any) map[string]any {
	text, err := json.Marshal(config)
	out := map[string]any{}
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err) // texts and numbers only
	}
	more, _ := out["metadata"].(map[string]any)
	meta := w.Metadata(name)
	for _, group := range []string{"labels", "annotations"} {
		if added, ok := more[group].(map[string]any); ok {
			maps.Copy(meta[group].(map[string]any), added)
		}
	}
	out["metadata"] = meta
	return out
}
