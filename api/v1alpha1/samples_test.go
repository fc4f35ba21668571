// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const (
	samplesDir = "../../config/samples"
	specDir    = "../../docs/spec"
)

// sample is one file: a line that says what it shows, and one object.
type sample struct {
	file, comment string
	object        *unstructured.Unstructured
}

func loadSamples(t *testing.T) []sample {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(samplesDir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var samples []sample
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		s := sample{file: filepath.Base(file), object: &unstructured.Unstructured{}}
		s.comment, _, _ = strings.Cut(string(raw), "\n")
		if err := yaml.UnmarshalStrict(raw, &s.object.Object); err != nil {
			t.Fatalf("reading %s: %v", file, err)
		}
		samples = append(samples, s)
	}
	return samples
}

// TestSamplesAreComplete wants a sample for every kind and every deployment policy, each with a line that says what it
// shows, and all of them in the kustomization.
func TestSamplesAreComplete(t *testing.T) {
	t.Parallel()
	kustomization, err := os.ReadFile(filepath.Join(samplesDir, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var kinds, policies []string
	for _, s := range loadSamples(t) {
		kinds = append(kinds, s.object.GetKind())
		if policy, ok, _ := unstructured.NestedString(s.object.Object, "spec", "deployment", "version", "policy"); ok {
			policies = append(policies, policy)
		}
		if !strings.HasPrefix(s.comment, "# ") {
			t.Errorf("%s does not begin with a comment that says what it shows", s.file)
		}
		if !bytes.Contains(kustomization, []byte("\n- "+s.file+"\n")) {
			t.Errorf("%s is not in kustomization.yaml", s.file)
		}
	}
	for _, crd := range loadCRDs(t) {
		if !slices.Contains(kinds, crd.Name()) {
			t.Errorf("there is no sample of %s", crd.Name())
		}
		if crd.Name() != "Environment" {
			continue
		}
		for _, raw := range crd.Find("spec.deployment.version.policy").Enum {
			if policy := strings.Trim(string(raw.Raw), `"`); !slices.Contains(policies, policy) {
				t.Errorf("there is no sample of the policy %s", policy)
			}
		}
	}
}

// TestSamplesAreAccepted applies every sample, as kubectl apply --server-side does, in a namespace of the strictest Pod
// Security level, and then again: that must change nothing, or Git tools would see a difference for ever.
//
// The second apply is still a write, because the API server stores a new object without the defaults of its status and
// adds them with the first update. The third must not be.
func TestSamplesAreAccepted(t *testing.T) {
	t.Parallel()
	c := apiServer(t)
	const namespace = "samples"
	makeNamespace(t, c, namespace)
	for _, s := range loadSamples(t) {
		t.Run(s.file, func(t *testing.T) {
			t.Parallel()
			s.object.SetNamespace(namespace)
			var versions []string
			for range 3 {
				applied := s.object.DeepCopy()
				err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("kubectl"))
				if err != nil {
					t.Fatal(err)
				}
				versions = append(versions, applied.GetResourceVersion())
				if got := applied.GetGeneration(); got != 1 {
					t.Errorf("got generation %d, want 1: applying again changed the spec", got)
				}
				if got, _, _ := unstructured.NestedInt64(applied.Object, "status", "observedGeneration"); got != -1 {
					t.Errorf("got status.observedGeneration %d on a new object, want -1", got)
				}
			}
			if versions[0] == "" || versions[1] != versions[2] {
				t.Errorf("applying again is a write each time: resource versions %s", versions)
			}
		})
	}
}

var (
	yamlBlock   = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	yamlBetween = regexp.MustCompile(`(?m)^---\n`)
)

// TestDocumentedExamplesAreAccepted creates every whole object that the specification pages show. Fragments, which have no
// apiVersion, are left out.
func TestDocumentedExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	c := apiServer(t)
	const namespace = "documented"
	makeNamespace(t, c, namespace)
	pages, err := filepath.Glob(filepath.Join(specDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, page := range pages {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range yamlBlock.FindAllSubmatch(raw, -1) {
			for _, document := range yamlBetween.Split(string(block[1]), -1) {
				if !strings.HasPrefix(document, "apiVersion: beanpod.dev/") {
					continue
				}
				examples++
				u := &unstructured.Unstructured{}
				if err := yaml.UnmarshalStrict([]byte(document), &u.Object); err != nil {
					t.Errorf("%s: %v\n%s", filepath.Base(page), err, document)
					continue
				}
				u.SetNamespace(namespace)
				// Every example has its own life: several pages may show the same name.
				u.SetName(fmt.Sprintf("%s-%d", u.GetName(), examples))
				if err := c.Create(t.Context(), u, client.DryRunAll); err != nil {
					t.Errorf("%s: %v\n%s", filepath.Base(page), err, document)
				}
			}
		}
	}
	if examples == 0 {
		t.Errorf("no example found in %s", specDir)
	}
	t.Logf("%d examples", examples)
}
