// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package buildjob builds the Job that makes an artifact of a version's source bundle on one platform version. Pure; called by the
// applicationversion controller. The archive is fetched by Beanpod's own program, built by the platform's image, which gets neither a
// token nor credentials, and stored by Beanpod's program again.
package buildjob

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Containers of the build's pod, in the order in which they run.
const (
	Fetch = "fetch"
	Build = "build"
	Push  = "push"
)

// The time of a build: what the platform gives it, or Beanpod's default; as much for the steps before and after it; and some for
// images.
const (
	defaultSeconds = 1800
	stepSeconds    = 600
	extraSeconds   = 600
	// keptSeconds is how long a finished Job stays for people to look at. What Beanpod needs of it is in status then.
	keptSeconds = 3600
)

// Order is one attempt to build a version for a platform version.
type Order struct {
	Version *v1alpha1.ApplicationVersion
	// Platform is the name of the Platform; Branch and On are what is asked for of it.
	Platform string
	Branch   v1alpha1.PlatformBranch
	On       v1alpha1.PlatformVersion
	// Attempt counts from 1.
	Attempt  int
	Operator settings.Operator
}

// Key is the platform version in one word.
func (o Order) Key() string { return settings.PlatformKey(o.Platform, o.Branch.Name, o.On.Version) }

// Recipe identifies what the build is told and where it runs. The archive and the version are not part of it.
func (o Order) Recipe() string {
	c := build(o)
	h := sha256.New()
	fmt.Fprintf(h, "beanpod-recipe-1 %q", c.Image)
	for _, v := range c.Env {
		fmt.Fprintf(h, " %q=%q", v.Name, v.Value)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Seconds is how long everything together may take.
func (o Order) Seconds() int64 { return stepSeconds + o.buildSeconds() + stepSeconds + extraSeconds }

func (o Order) buildSeconds() int64 {
	if b := o.Branch.Build; b != nil && b.TimeoutSeconds != nil {
		return int64(*b.TimeoutSeconds)
	}
	return defaultSeconds
}

// Job is tried once: whether a failure is tried again is Beanpod's decision, because only the report says whether it makes sense.
func Job(o Order) *batchv1.Job {
	never, once, kept, seconds := int32(0), int32(1), int32(keptSeconds), o.Seconds()
	labels := naming.BuildLabels(o.Version.Name, o.Version.Spec.ApplicationRef.Name)
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec(o)}
	if name, ok := upload(o.Version); ok {
		template.Annotations = map[string]string{v1alpha1.AnnotationUpload: name}
	}
	failed := batchv1.Failed
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: o.Version.Namespace, Name: naming.Build(o.Version.Name, o.Platform, o.Branch.Name, o.On.Version, o.Attempt),
			Labels:      labels,
			Annotations: map[string]string{v1alpha1.AnnotationBuildOf: o.Key(), v1alpha1.AnnotationAttempt: strconv.Itoa(o.Attempt), v1alpha1.AnnotationRecipe: o.Recipe()},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(o.Version, v1alpha1.GroupVersion.WithKind("ApplicationVersion")),
			},
		},
		Spec: batchv1.JobSpec{
			BackoffLimit: &never, Completions: &once, Parallelism: &once, ActiveDeadlineSeconds: &seconds,
			TTLSecondsAfterFinished: &kept, PodReplacementPolicy: &failed, Template: template,
		},
	}
}

// upload is the name of the uploaded archive that a version is made of.
func upload(ver *v1alpha1.ApplicationVersion) (string, bool) {
	url := ver.Spec.Source.Bundle.URL
	if strings.HasPrefix(url, v1alpha1.SampleURL) {
		return "", false
	}
	return strings.CutPrefix(url, "store://")
}

// address is the URL as the program that fetches spells it: a sample has a scheme of its own there, so that no upload can have the
// name of one.
func address(ver *v1alpha1.ApplicationVersion) string {
	url := ver.Spec.Source.Bundle.URL
	if name, ok := strings.CutPrefix(url, v1alpha1.SampleURL); ok {
		return "sample://" + name
	}
	return url
}

// wanted is the digest that the archive must have: the version's own, else that of what was fetched first.
func wanted(ver *v1alpha1.ApplicationVersion) string {
	var fetched string
	if b := ver.Status.Bundle; b != nil {
		fetched = b.SHA256
	}
	return cmp.Or(ver.Spec.Source.Bundle.SHA256, fetched)
}
