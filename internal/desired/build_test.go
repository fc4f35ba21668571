// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// scenario is a folder of testdata, read and built.
type scenario struct {
	name    string
	cfg     settings.Settings
	step    plan.Step
	objects []object.Object
}

// scenarios reads every folder of testdata and builds its objects, as the controller does for an Environment that is new.
func scenarios(t *testing.T) []scenario {
	t.Helper()
	folders, err := filepath.Glob("testdata/*/environment.yaml")
	if err != nil || len(folders) < 10 {
		t.Fatalf("found %d scenarios (%v); the glob is broken", len(folders), err)
	}
	var out []scenario
	for _, file := range folders {
		dir := filepath.Dir(file)
		var env v1alpha1.Environment
		var version v1alpha1.ApplicationVersion
		read(t, filepath.Join(dir, "environment.yaml"), &env)
		read(t, filepath.Join(dir, "version.yaml"), &version)
		s := scenario{name: filepath.Base(dir)}
		var problems []settings.Problem
		s.cfg, problems = settings.Resolve(settings.Layers{
			Operator: settings.Operator{
				BaseDomain: "apps.example.com", GatewayAPI: true, TrustedCIDRs: []string{"10.0.0.0/24"},
				BundleImage: "registry.example/beanpod:1", StoreURL: "http://beanpod-store.beanpod-system.svc:8090",
				Queue: "nats://beanpod-nats.beanpod-system:4222", Namespace: "beanpod-system",
			},
			Environment: &env, Version: &version, Platform: platformOf(t, dir, &env),
			Checked: []settings.CheckedInput{{Kind: "secret", Name: "db", ResourceVersion: "7", Digest: "abc"}},
			Databases: map[string]settings.Claim{
				"shop-db": {Secret: "shop-db-binding", ResourceVersion: "7", Digest: "abc"},
				"reports": {Secret: "reports-binding", ResourceVersion: "8", Digest: "def"},
			},
		})
		if len(problems) > 0 || len(s.cfg.Unsupported) > 0 {
			t.Fatalf("%s has problems %v and unsupported fields %v", s.name, problems, s.cfg.Unsupported)
		}
		s.step = rollout.Next(plan.Target{
			Content: snapshot.Of(s.cfg),
			Desired: s.cfg.Desired, Scaled: s.cfg.Scaler != settings.ScalerNone,
			OnVersion: s.cfg.VersionRollout, OnConfiguration: s.cfg.ConfigurationRollout,
		}, snapshot.Snapshot{}, time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
		if s.objects, err = desired.Build(s.cfg, s.step, snapshot.Snapshot{}); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		out = append(out, s)
	}
	return out
}

// platformOf reads the Platform of a scenario, if it has one.
func platformOf(t *testing.T, dir string, env *v1alpha1.Environment) *settings.Platform {
	t.Helper()
	if env.Spec.PlatformRef == nil {
		return nil
	}
	var p v1alpha1.Platform
	read(t, filepath.Join(dir, "platform.yaml"), &p)
	out := settings.OnPlatform(&p, settings.BranchOf(&p, env.Spec.PlatformRef.Branch, settings.Runs{}), settings.Runs{}, settings.Ask{})
	return &out
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// manifest is what is sent to the API server, as YAML.
func manifest(t *testing.T, objects []object.Object) string {
	t.Helper()
	var parts []string
	for _, o := range objects {
		text, err := yaml.Marshal(o.Config)
		if err != nil {
			t.Fatalf("%s: %v", o.Child, err)
		}
		parts = append(parts, string(text))
	}
	return strings.Join(parts, "---\n")
}

// generic is what is sent, as fields.
func generic(t *testing.T, o object.Object) *unstructured.Unstructured {
	t.Helper()
	out := &unstructured.Unstructured{}
	convert(t, o, &out.Object)
	return out
}

// deployment is what is sent for the slot, typed; unknown fields fail the test.
func deployment(t *testing.T, s scenario) *appsv1.Deployment {
	t.Helper()
	for _, o := range s.objects {
		if o.Kind == naming.Deployment {
			out := &appsv1.Deployment{}
			convert(t, o, out)
			return out
		}
	}
	t.Fatalf("%s has no Deployment", s.name)
	return nil
}

func convert(t *testing.T, o object.Object, into any) {
	t.Helper()
	raw, err := json.Marshal(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", o.Child, err)
	}
}

// TestManifests compares what is built with testdata/<scenario>/objects.yaml; -update rewrites it.
func TestManifests(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got := manifest(t, s.objects)
			file := filepath.Join("testdata", s.name, "objects.yaml")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; make it with: go test ./internal/desired -update", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the objects changed; if that is right, run with -update (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBuildIsDeterministic builds often, because the order of maps differs from run to run.
func TestBuildIsDeterministic(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			want := manifest(t, s.objects)
			for range 20 {
				again, err := desired.Build(s.cfg, s.step, snapshot.Snapshot{})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, manifest(t, again)); diff != "" {
					t.Fatalf("a second build differs (-first +second):\n%s", diff)
				}
			}
		})
	}
}

// TestEveryObject checks what is the same for all objects.
func TestEveryObject(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, o := range s.objects {
				u := generic(t, o)
				if u.GetKind() != string(o.Kind) || u.GetName() != o.Name || u.GetNamespace() != s.cfg.Namespace || u.GetAPIVersion() == "" {
					t.Errorf("%s is %s %s %s/%s", o.Child, u.GetAPIVersion(), u.GetKind(), u.GetNamespace(), u.GetName())
				}
				// These are found by their labels.
				listed := o.Kind == naming.ControllerRevision || o.Kind == naming.Job
				if !listed && !known(s.cfg.Name, o.Child) {
					t.Errorf("%s is not among naming.Candidates: nobody would ever find it again", o.Child)
				}
				for key, want := range naming.Labels(s.cfg.Name, s.cfg.UID, s.cfg.Application) {
					if got := u.GetLabels()[key]; got != want {
						t.Errorf("%s has label %s=%q, want %q", o.Child, key, got, want)
					}
				}
				for key, want := range s.cfg.TagLabels {
					if got := u.GetLabels()[key]; got != want {
						t.Errorf("%s has tag label %s=%q, want %q", o.Child, key, got, want)
					}
				}
				for key, want := range s.cfg.TagAnnotations {
					if got := u.GetAnnotations()[key]; got != want {
						t.Errorf("%s has tag annotation %s=%q, want %q", o.Child, key, got, want)
					}
				}
				if got := u.GetAnnotations()[v1alpha1.AnnotationIntentHash]; got != o.Hash || got == "" {
					t.Errorf("%s has hash annotation %q, want %q", o.Child, got, o.Hash)
				}
				if got := u.GetAnnotations()[v1alpha1.AnnotationRebuild]; got != s.cfg.RebuildToken {
					t.Errorf("%s has rebuild token %q, want %q", o.Child, got, s.cfg.RebuildToken)
				}
				owner := metav1.GetControllerOf(u)
				if owner == nil || owner.UID != s.cfg.UID || owner.Name != s.cfg.Name || owner.Kind != "Environment" || owner.APIVersion != v1alpha1.GroupVersion.String() {
					t.Errorf("%s has controller %+v, want the Environment", o.Child, owner)
				}
				unstructured.RemoveNestedField(u.Object, "metadata", "annotations", v1alpha1.AnnotationIntentHash)
				if len(u.GetAnnotations()) == 0 {
					unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
				}
				if diff := cmp.Diff(u.Object, o.Intent); diff != "" {
					t.Errorf("%s: the intent is not what is sent (-sent +intent):\n%s", o.Child, diff)
				}
			}
		})
	}
}

func known(environment string, child naming.Child) bool {
	for _, c := range naming.Candidates(environment) {
		if c == child {
			return true
		}
	}
	return false
}

// TestPodSecurity runs the API server's own evaluator, at its newest version, over every pod template.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			template := deployment(t, s).Spec.Template
			for _, result := range evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec) {
				if !result.Allowed {
					t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
			// Proves that the evaluator looks: the same pod as root is refused.
			template.Spec.SecurityContext.RunAsNonRoot = new(bool)
			if all := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec)); all.Allowed {
				t.Error("a pod that may run as root was allowed")
			}
		})
	}
}

// TestSelectors proves that selectors hold identity only: anything else in them would orphan pods with the next change.
func TestSelectors(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			d := deployment(t, s)
			want := map[string]string{v1alpha1.LabelEnvironmentUID: string(s.cfg.UID), v1alpha1.LabelSlot: "a"}
			if diff := cmp.Diff(&metav1.LabelSelector{MatchLabels: want}, d.Spec.Selector); diff != "" {
				t.Errorf("selector of the Deployment (-want +got):\n%s", diff)
			}
			for key, value := range want {
				if got := d.Spec.Template.Labels[key]; got != value {
					t.Errorf("pods have label %s=%q, want %q", key, got, value)
				}
			}
			for _, o := range s.objects {
				if o.Kind != naming.Service {
					continue
				}
				service := &corev1.Service{}
				convert(t, o, service)
				if diff := cmp.Diff(want, service.Spec.Selector); diff != "" {
					t.Errorf("selector of the Service (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestReplicas proves that the number of instances has one owner: we write it only while no scaler does.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			scaler, scaled := 0, s.cfg.Scaler != settings.ScalerNone
			for _, o := range s.objects {
				if o.Kind.Scales() {
					scaler++
				}
				if (o.Seed != nil) != (o.Kind == naming.Deployment && scaled) {
					t.Errorf("%s has a seed: %t", o.Child, o.Seed != nil)
				}
			}
			got := deployment(t, s).Spec.Replicas
			if scaled {
				if got != nil || scaler != 1 {
					t.Errorf("replicas are %v beside %d autoscalers, want none beside one", got, scaler)
				}
				return
			}
			if got == nil || *got != s.cfg.Desired || scaler != 0 {
				t.Errorf("replicas are %v beside %d autoscalers, want %d beside none", got, scaler, s.cfg.Desired)
			}
		})
	}
}

// application are the containers that run what the user brought: in a worker they are sidecars.
func application(d *appsv1.Deployment) []corev1.Container {
	spec := d.Spec.Template.Spec
	var out []corev1.Container
	for _, c := range slices.Concat(spec.Containers, spec.InitContainers) {
		if c.Name != pod.Daemon && (c.RestartPolicy != nil || len(c.Command) == 0 || c.Command[0] != "/bundle") {
			out = append(out, c)
		}
	}
	return out
}

// TestValuesAreLiteral expands what is sent as the kubelet does: $$ is $, $(NAME) is the value of a variable before it.
func TestValuesAreLiteral(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range application(deployment(t, s)) {
				sent := map[string]string{}
				for _, e := range c.Env {
					sent[e.Name] = e.Value
				}
				for _, p := range s.cfg.Properties {
					if p.Value == nil {
						continue
					}
					if got := strings.ReplaceAll(sent[p.Name], "$$", "$"); got != *p.Value {
						t.Errorf("%s: %s becomes %q, want %q", c.Name, p.Name, got, *p.Value)
					}
					if strings.Contains(strings.ReplaceAll(sent[p.Name], "$$", ""), "$") {
						t.Errorf("%s: %s is sent as %q, which the kubelet would expand", c.Name, p.Name, sent[p.Name])
					}
				}
			}
		})
	}
}

// TestSeed checks what the second field manager sets.
func TestSeed(t *testing.T) {
	t.Parallel()
	live := int32(7)
	for _, tc := range []struct {
		scenario string
		live     *int32
		want     string
	}{
		{"web-full", nil, `"replicas":2`},
		{"web-full", &live, `"replicas":7`},
		{"web-minimal", nil, ""},
		{"web-minimal", &live, `"replicas":7`},
	} {
		for _, s := range scenarios(t) {
			if s.name != tc.scenario {
				continue
			}
			for _, o := range s.objects {
				if o.Seed == nil {
					continue
				}
				config := o.Seed(tc.live)
				if config == nil {
					if tc.want != "" {
						t.Errorf("%s: no seed, want %s", tc.scenario, tc.want)
					}
					continue
				}
				raw, err := json.Marshal(config)
				if err != nil {
					t.Fatal(err)
				}
				if tc.want == "" || !strings.Contains(string(raw), tc.want) || strings.Contains(string(raw), "template") {
					t.Errorf("%s: seed = %s, want only %q", tc.scenario, raw, tc.want)
				}
			}
		}
	}
}

// TestManyRoutingRules proves that all 20 rules that an Environment may have fit into the 16 of an HTTPRoute.
func TestManyRoutingRules(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		if s.name != "gateway" {
			continue
		}
		s.cfg.Routing.Rules = nil
		for i := range 20 {
			process := "api"
			if i%2 == 1 {
				process = "web"
			}
			s.cfg.Routing.Rules = append(s.cfg.Routing.Rules, v1alpha1.RoutingRule{Path: "/" + strings.Repeat("x", i+1), Process: process})
		}
		objects, err := desired.Build(s.cfg, s.step, snapshot.Snapshot{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if o.Kind != naming.HTTPRoute {
				continue
			}
			route := &gatewayv1.HTTPRoute{}
			convert(t, o, route)
			matches := 0
			for _, rule := range route.Spec.Rules {
				matches += len(rule.Matches)
			}
			if len(route.Spec.Rules) > 16 || matches != 21 {
				t.Errorf("the route has %d rules with %d matches, want at most 16 with 21", len(route.Spec.Rules), matches)
			}
			return
		}
	}
	t.Fatal("there is no HTTPRoute")
}
