// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// platform is the name of the Platform, branch that of its only branch.
const (
	platform = "python"
	branch   = "3.11"
)

// installation is what the operator of every scenario was told.
var installation = settings.Operator{BundleImage: "localhost/operator:1", StoreURL: "http://beanpod-store.beanpod-system.svc:8090"}

// buildTakes is how many seconds a build runs: three steps of ten.
const buildTakes = 30

// bundles is what scenarios with source bundles have besides: a Platform of one version, and versions whose names say how their builds end.
func bundles() []client.Object {
	out := []client.Object{&v1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: platform}, Spec: v1alpha1.PlatformSpec{
		Branches: []v1alpha1.PlatformBranch{{Name: branch, Versions: platformVersions("3.11.1")}},
	}}}
	for _, v := range []string{"b1", "b2", "b2-bad", "b2-flaky", "b3"} {
		out = append(out, bundle(v))
	}
	return out
}

func platformVersions(names ...string) (out []v1alpha1.PlatformVersion) {
	for _, v := range names {
		out = append(out, v1alpha1.PlatformVersion{Version: v, RunImage: "localhost/python:" + v})
	}
	return out
}

func bundle(name string) *v1alpha1.ApplicationVersion {
	return testkit.MakeVersion(namespace, name, "", func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source = v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{URL: "store://" + name}}
	})
}

// another is the version that a user who changes his mind names.
func (s *Scenario) another() string {
	if s.Bundles {
		return "b3"
	}
	return "v3"
}

// runs is how long Jobs take and how they end: builds and release commands.
func runs(job *batchv1.Job) (int, bool) {
	if job.Labels[v1alpha1.LabelBuild] == "" {
		return releases(job)
	}
	reports := steps(job)
	return buildTakes * len(reports) / 3, reports[len(reports)-1].Error != ""
}

// says are the termination messages of a build.
func says(job *batchv1.Job) (out []string) {
	if job.Labels[v1alpha1.LabelBuild] == "" {
		return nil
	}
	for _, r := range steps(job) {
		out = append(out, string(report.Encode(r)))
	}
	return out
}

// steps are the reports of a build, in order. The first that has an error is the last.
func steps(job *batchv1.Job) []report.Report {
	version := job.Labels[v1alpha1.LabelBuild]
	fetched := report.Report{Bundle: &report.Object{SHA256: digest(version), SizeBytes: 10, Files: 2}}
	switch {
	case version == "b2-bad":
		return []report.Report{fetched, {Reason: report.BuildFailed, Error: "pip ended with exit code 1."}}
	case version == "b2-flaky" && job.Annotations[v1alpha1.AnnotationAttempt] == "1":
		return []report.Report{{Reason: report.FetchFailed, Retry: true, Error: "The server did not answer."}}
	}
	pushed := fetched
	pushed.Artifact = &report.Object{SHA256: digest(version + job.Annotations[v1alpha1.AnnotationBuildOf]), SizeBytes: 20}
	pushed.Processes = map[string]string{"web": "python app.py"}
	return []report.Report{fetched, fetched, pushed}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// builds is the version whose build a write is about; empty for all other writes.
func builds(w simapi.Write) string {
	version, rest, found := strings.Cut(w.Name, "-build")
	if !found || rest != "" && rest[0] != '-' {
		return ""
	}
	return version
}

// ofVersion says whether a line of an end is about what a version's build leaves for as long as the version lives.
func ofVersion(line string) bool {
	kind, _, _ := strings.Cut(line, " ")
	return strings.HasPrefix(line, "Pod of a build of ") || (kind == "Job" || kind == "ConfigMap") && strings.Contains(line, `"kind":"ApplicationVersion"`)
}

// version is an ApplicationVersion; nil when there is none.
func (r *run) version(name string) *v1alpha1.ApplicationVersion {
	out := &v1alpha1.ApplicationVersion{}
	if r.user.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, out) != nil {
		return nil
	}
	return out
}
