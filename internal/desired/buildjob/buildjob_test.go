// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package buildjob_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/buildjob"
	"github.com/beanpod-dev/beanpod/internal/desired/isolation"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// order is the one of the scenario bundle of internal/desired.
func order(t *testing.T, tweaks ...func(*buildjob.Order)) buildjob.Order {
	t.Helper()
	var ver v1alpha1.ApplicationVersion
	var p v1alpha1.Platform
	for file, into := range map[string]any{"version": &ver, "platform": &p} {
		text, err := os.ReadFile("../testdata/bundle/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			t.Fatal(err)
		}
	}
	ver.UID = "11111111-2222-3333-4444-555555555555"
	b := p.Spec.Branches[0]
	out := buildjob.Order{
		Version: &ver, Platform: p.Name, Branch: b, On: b.Versions[0], Attempt: 1,
		Operator: settings.Operator{BundleImage: "registry.example/beanpod:1", StoreURL: "http://beanpod-store.beanpod-system.svc:8090"},
	}
	for _, tweak := range tweaks {
		tweak(&out)
	}
	return out
}

func withSecret(o *buildjob.Order) {
	o.Version.Spec.Source.Bundle = &v1alpha1.BundleSource{URL: "s3://bucket/$(HOME)/shop.zip", SecretRef: &v1alpha1.LocalReference{Name: "keys"}}
	o.Operator.FetchAllowedCIDRs, o.Operator.BuildDeniedCIDRs = []string{"10.1.0.0/16"}, []string{"10.0.0.0/8"}
	o.On.BuildImage = ""
}

// TestManifests compares what is built with testdata; -update rewrites it.
func TestManifests(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]buildjob.Order{"upload": order(t), "credentials": order(t, withSecret)} {
		job, err := yaml.Marshal(buildjob.Job(o))
		if err != nil {
			t.Fatal(err)
		}
		policy, err := yaml.Marshal(isolation.Builds(o.Version, o.Operator))
		if err != nil {
			t.Fatal(err)
		}
		got, file := string(policy)+"---\n"+string(job), "testdata/"+name+".yaml"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s changed; if that is right, run with -update (-want +got):\n%s", file, diff)
		}
	}
}

// TestDoors proves that the user's code gets neither a token nor credentials, and that the pod is a restricted one.
func TestDoors(t *testing.T) {
	t.Parallel()
	template := buildjob.Job(order(t, withSecret)).Spec.Template
	spec := template.Spec
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		t.Error("the pod gets a token for the API server")
	}
	mounts := func(c corev1.Container) []string {
		var out []string
		for _, m := range c.VolumeMounts {
			out = append(out, m.Name)
		}
		return out
	}
	fetch, build, push := spec.InitContainers[0], spec.InitContainers[1], spec.Containers[0]
	if diff := cmp.Diff([]string{"work", "beanpod-store-token", "credentials"}, mounts(fetch)); diff != "" {
		t.Errorf("fetch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"work"}, mounts(build)); diff != "" {
		t.Errorf("build (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"work", "beanpod-store-token"}, mounts(push)); diff != "" {
		t.Errorf("push (-want +got):\n%s", diff)
	}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			if limit := c.Resources.Limits[name]; limit.IsZero() {
				t.Errorf("%s may use any amount of %s", c.Name, name)
			}
		}
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range evaluator.EvaluatePod(psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}, &template.ObjectMeta, &spec) {
		if !r.Allowed {
			t.Errorf("Pod Security restricted refuses the pod: %s %s", r.ForbiddenReason, r.ForbiddenDetail)
		}
	}
}

// TestAddress proves how a source is spelled, and that only an upload opens the store to the pod.
func TestAddress(t *testing.T) {
	t.Parallel()
	for url, want := range map[string][2]string{
		"store://shop-41":              {"store://shop-41", "shop-41"},
		"store://sample/python-sample": {"sample://python-sample", ""},
		"https://example.com/a.zip":    {"https://example.com/a.zip", ""},
	} {
		template := buildjob.Job(order(t, func(o *buildjob.Order) { o.Version.Spec.Source.Bundle.URL = url })).Spec.Template
		command := strings.Join(template.Spec.InitContainers[0].Command, " ")
		if !strings.Contains(command, "--url "+want[0]+" ") || template.Annotations[v1alpha1.AnnotationUpload] != want[1] {
			t.Errorf("%s is fetched by %q with upload %q, want %v", url, command, template.Annotations[v1alpha1.AnnotationUpload], want)
		}
	}
}

// TestRecipe proves what makes a build another one.
func TestRecipe(t *testing.T) {
	t.Parallel()
	before := order(t).Recipe()
	for name, tc := range map[string]struct {
		tweak func(*buildjob.Order)
		same  bool
	}{
		"another attempt":          {func(o *buildjob.Order) { o.Attempt = 2 }, true},
		"another platform version": {func(o *buildjob.Order) { o.On.Version, o.On.RunImage = "3.12.9", "python:9" }, true},
		"another operator":         {func(o *buildjob.Order) { o.Operator.BundleImage = "registry.example/beanpod:2" }, true},
		"another build image":      {func(o *buildjob.Order) { o.On.BuildImage = "python-build:2" }, false},
		"another command":          {func(o *buildjob.Order) { o.Branch.Build = &v1alpha1.PlatformBuild{Command: []string{"make"}} }, false},
		"another start command":    {func(o *buildjob.Order) { o.Branch.Start = nil }, false},
		"another property": {func(o *buildjob.Order) {
			o.Branch.EnvironmentProperties = []v1alpha1.PlatformProperty{{Name: "MODE", Value: "other"}}
		}, false},
		"other processes": {func(o *buildjob.Order) {
			o.Version.Spec.Processes = map[string]v1alpha1.ProcessCommand{"web": "other"}
		}, false},
	} {
		if got := order(t, tc.tweak).Recipe(); (got == before) != tc.same {
			t.Errorf("%s: the same recipe %t, want %t", name, got == before, tc.same)
		}
	}
}
