// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/probe"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func order() probe.Order {
	return probe.Order{
		Plan: probe.Plan{On: true, Minutes: 5}, Namespace: "team-a", Claim: "shop-db", UID: "11111111-2222-3333-4444-555555555555", ID: "the-data",
		Secret: "shop-db-binding", Version: "4711", Image: "registry.example/beanpod:1",
	}
}

// TestManifests compares what is made with testdata; -update rewrites it.
func TestManifests(t *testing.T) {
	t.Parallel()
	var text []string
	for _, o := range []database.Object{probe.CronJob(order()), probe.First(order())} {
		one, err := yaml.Marshal(o.Intent)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, fmt.Sprintf("# %s\n%s", o.Ref, one))
	}
	got := strings.Join(text, "---\n")
	if *update {
		if err := os.WriteFile("testdata/probe.yaml", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/probe.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("testdata/probe.yaml changed; if that is right, run with -update (-want +got):\n%s", diff)
	}
}

func TestThePodIsRestricted(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(probe.CronJob(order()).Intent)
	if err != nil {
		t.Fatal(err)
	}
	var cron batchv1.CronJob
	if err := json.Unmarshal(raw, &cron); err != nil {
		t.Fatal(err)
	}
	template := cron.Spec.JobTemplate.Spec.Template
	spec := template.Spec
	if ptr.Deref(spec.AutomountServiceAccountToken, true) || ptr.Deref(spec.EnableServiceLinks, true) {
		t.Error("the pod gets a token for the API server, or addresses of services")
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if limit := spec.Containers[0].Resources.Limits[name]; limit.IsZero() {
			t.Errorf("it may use any amount of %s", name)
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
	if got := template.Labels[v1alpha1.LabelDatabase]; got != "shop-db" {
		t.Errorf("the NetworkPolicy of provider BuiltIn lets pods of %q in", got)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	starts := map[string]bool{}
	for i := range 200 {
		o := order()
		o.UID = types.UID(fmt.Sprint("uid-", i))
		starts[scheduleOf(o)] = true
	}
	for m := range 5 {
		if want := fmt.Sprintf("%d-59/5 * * * *", m); !starts[want] || len(starts) != 5 {
			t.Errorf("%v lack %q", starts, want)
		}
	}
	for minutes, want := range map[int32]string{1: "* * * * *", 60: " * * * *", 30: "-59/30 * * * *", 2: "-59/2 * * * *"} {
		o := order()
		o.Minutes = minutes
		if got := scheduleOf(o); !strings.HasSuffix(got, want) {
			t.Errorf("every %d minutes: %q", minutes, got)
		}
	}
}

func scheduleOf(o probe.Order) string {
	return probe.CronJob(o).Intent["spec"].(map[string]any)["schedule"].(string)
}

// TestFirstIsNamedByWhatItProbes: the same is probed once, whatever crashes.
func TestFirstIsNamedByWhatItProbes(t *testing.T) {
	t.Parallel()
	a, b, c := order(), order(), order()
	b.Version, c.Minutes = "4712", 60
	if x, y, z := probe.First(a).Ref, probe.First(b).Ref, probe.First(c).Ref; x == y || x != z {
		t.Errorf("%v, %v, %v", x, y, z)
	}
	long := order()
	long.Claim = strings.Repeat("a", 63)
	if cron, job := probe.CronJob(long).Name, probe.First(long).Name; len(cron) > 52 || len(job) > 63 {
		t.Errorf("%s and %s are too long", cron, job)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	on, off := &v1alpha1.DatabaseProbe{Enabled: ptr.To(true)}, &v1alpha1.DatabaseProbe{Enabled: ptr.To(false)}
	often := &v1alpha1.DatabaseProbe{IntervalMinutes: ptr.To(int32(1))}
	for _, tc := range []struct {
		name         string
		provider     v1alpha1.DatabaseProvider // empty: external
		class, claim *v1alpha1.DatabaseProbe
		want         probe.Plan
	}{
		{"external", "", nil, nil, probe.Plan{On: true, Minutes: 5}},
		{"external, off", "", nil, off, probe.Plan{Minutes: 5}},
		{"external, often", "", nil, often, probe.Plan{On: true, Minutes: 1}},
		{"RDS", "RDS", nil, nil, probe.Plan{On: true, Minutes: 5}},
		{"RDS, off by the class", "RDS", off, nil, probe.Plan{Minutes: 5}},
		{"RDS, off by the class and on by the claim", "RDS", off, on, probe.Plan{On: true, Minutes: 5}},
		{"RDS, each field by itself", "RDS", often, on, probe.Plan{On: true, Minutes: 1}},
		{"BuiltIn", "BuiltIn", nil, nil, probe.Plan{Minutes: 5}},
		{"BuiltIn, on", "BuiltIn", nil, on, probe.Plan{On: true, Minutes: 5}},
		{"BuiltIn, on by the class", "BuiltIn", on, often, probe.Plan{On: true, Minutes: 1}},
		{"CloudNativePG", "CloudNativePG", nil, often, probe.Plan{Minutes: 1}},
		{"a class that is gone", "gone", nil, nil, probe.Plan{Minutes: 5}},
	} {
		claim := &v1alpha1.DatabaseClaim{Spec: v1alpha1.DatabaseClaimSpec{Probe: tc.claim}}
		var class *v1alpha1.DatabaseClass
		switch tc.provider {
		case "":
			claim.Spec.External = &v1alpha1.ExternalDatabase{}
		case "gone":
		default:
			class = &v1alpha1.DatabaseClass{Spec: v1alpha1.DatabaseClassSpec{Provider: tc.provider, Probe: tc.class}}
		}
		if got := probe.PlanOf(claim, class); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}
