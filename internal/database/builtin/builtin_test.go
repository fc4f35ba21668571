// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin_test

import (
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	psaapi "k8s.io/pod-security-admission/api"
	psa "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/builtin"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What the controller asks for by these names.
var (
	_ database.Provider     = builtin.Provider{}
	_ database.Examiner     = builtin.Provider{}
	_ database.Rotator      = builtin.Provider{}
	_ database.Administered = builtin.Provider{}
	_ database.Housed       = builtin.Provider{}
)

func wanted(tweaks ...func(*database.Wanted)) database.Wanted {
	w := database.Wanted{
		Namespace: "team-a", Claim: "shop-db", ID: "11111111-2222-3333-4444-555555555555", Class: "postgres", Provider: v1alpha1.DatabaseBuiltIn,
		Engine: "postgres", Database: "ebdb", Username: "ebroot", Storage: "5Gi", Resource: "shop-db-db", Secret: "shop-db-binding",
		Operator: database.Operator{
			Image: "docker.io/library/postgres", BundleImage: "registry.example/beanpod:1", StoreURL: "http://beanpod-store.beanpod-system.svc:8090", Namespace: "beanpod-system",
		},
	}
	for _, tweak := range tweaks {
		tweak(&w)
	}
	return w
}

func full(w *database.Wanted) {
	w.Version, w.Storage, w.Restore = "16.4", "20Gi", "shop-db-final"
	w.Clients = []string{"shop-blue", "shop-green"}
	w.Parameters.BuiltIn = &v1alpha1.BuiltInParameters{Image: "localhost/postgres", StorageClassName: "fast"}
	w.Resources = v1alpha1.Resources{
		Requests: &v1alpha1.ResourceAmounts{CPU: "250m", Memory: "512Mi"}, Limits: &v1alpha1.ResourceAmounts{CPU: "1", Memory: "1Gi"},
	}
}

// objects are everything that can be asked for of a database.
func objects(w database.Wanted, have database.Objects) map[string][]database.Object {
	p := builtin.Provider{}
	r := p.Rotation(w, "2026-11-29")
	return map[string][]database.Object{
		"objects": p.Objects(w, have), "snapshot": p.Snapshot(w, "shop-db-final", have), "rotation": append(p.Add(w, r, have), p.Drop(w, r, have)...),
	}
}

// TestManifests compares what is made with testdata; -update rewrites it. The scripts are left out: they are files already.
func TestManifests(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]database.Wanted{"minimal": wanted(), "full": wanted(full)} {
		for part, list := range objects(w, nil) {
			var got strings.Builder
			for _, o := range list {
				if o.Kind == "ConfigMap" {
					o.Intent["data"] = "scripts"
				}
				text, err := yaml.Marshal(o.Intent)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("--- # " + o.Ref.String() + "\n" + string(text))
			}
			file := "testdata/" + name + "-" + part + ".yaml"
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s changed; if that is right, run with -update (-want +got):\n%s", file, diff)
			}
		}
	}
}

// TestEverythingIsMarked proves what the controller relies on: names, labels and the identity of the data on every object, no owner, and
// that what is made is also read.
func TestEverythingIsMarked(t *testing.T) {
	t.Parallel()
	w := wanted(full, func(w *database.Wanted) { w.Resource = strings.Repeat("a", 47) + "-db" })
	p := builtin.Provider{}
	r := p.Rotation(w, "2026-11-29")
	known := map[database.Ref]bool{}
	for _, refs := range [][]database.Ref{p.Refs(w), p.SnapshotRefs(w, "shop-db-final"), p.RotationRefs(w, r)} {
		for _, ref := range refs {
			known[ref] = true
		}
	}
	for _, list := range objects(w, nil) {
		for _, o := range list {
			u := unstructured.Unstructured{Object: o.Intent}
			if u.GetName() != o.Name || !strings.HasPrefix(o.Name, w.Resource) || len(o.Name) > 63 || !known[o.Ref] || len(u.GetOwnerReferences()) > 0 {
				t.Errorf("%s: %v", o.Ref, o.Intent["metadata"])
			}
			if u.GetLabels()[v1alpha1.LabelDatabase] != "shop-db" || u.GetAnnotations()[v1alpha1.AnnotationDatabaseID] != w.ID {
				t.Errorf("%s is not marked: %v", o.Ref, o.Intent["metadata"])
			}
			if o.Once != (o.Kind == "Job") {
				t.Errorf("%s: once is %t", o.Ref, o.Once)
			}
		}
	}
	if len(r.Role) > 63 || len(r.PasswordSecret) > 63 || p.Rotation(w, "other").Role == r.Role {
		t.Errorf("the rotation: %+v", r)
	}
	long := p.Rotation(wanted(func(w *database.Wanted) { w.Username = strings.Repeat("u", 63) }), "x")
	if !regexp.MustCompile(`^u{54}_[0-9a-f]{8}$`).MatchString(long.Role) { // as rotated.sql finds it
		t.Errorf("the login of a long name: %s", long.Role)
	}
}

// template is the pod of an object; nil when it has none.
func template(t *testing.T, o database.Object) *corev1.PodTemplateSpec {
	t.Helper()
	raw, ok, _ := unstructured.NestedMap(o.Intent, "spec", "template")
	if !ok {
		return nil
	}
	text, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	var out corev1.PodTemplateSpec
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestPods proves that every pod is a restricted one without a token for the API server, whose containers write nowhere but to volumes,
// and that no container has both a password and the store's token.
func TestPods(t *testing.T) {
	t.Parallel()
	evaluator, err := psa.NewEvaluator(psa.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, list := range objects(wanted(full), nil) {
		for _, o := range list {
			tmpl := template(t, o)
			if tmpl == nil {
				continue
			}
			n++
			for _, r := range evaluator.EvaluatePod(psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}, &tmpl.ObjectMeta, &tmpl.Spec) {
				if !r.Allowed {
					t.Errorf("Pod Security restricted refuses the pod of %s: %s %s", o.Ref, r.ForbiddenReason, r.ForbiddenDetail)
				}
			}
			if a := tmpl.Spec.AutomountServiceAccountToken; a == nil || *a {
				t.Errorf("the pod of %s gets a token for the API server", o.Ref)
			}
			for _, c := range append(tmpl.Spec.InitContainers, tmpl.Spec.Containers...) {
				if ro := c.SecurityContext.ReadOnlyRootFilesystem; ro == nil || !*ro {
					t.Errorf("container %s of %s may write to its image", c.Name, o.Ref)
				}
				doors := 0
				for _, m := range c.VolumeMounts {
					if strings.HasPrefix(m.MountPath, "/secrets/") {
						doors |= 1
					}
					if strings.Contains(m.Name, "token") {
						doors |= 2
					}
				}
				if doors == 3 {
					t.Errorf("container %s of %s has passwords and the store's token", c.Name, o.Ref)
				}
			}
		}
	}
	if n != 4 {
		t.Errorf("%d pods", n)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		tweak func(*database.Wanted)
		want  string
	}{
		"nothing":             {func(*database.Wanted) {}, ""},
		"everything":          {full, ""},
		"engine":              {func(w *database.Wanted) { w.Engine = "mysql" }, "spec.engine.name"},
		"old version":         {func(w *database.Wanted) { w.Version = "9.6" }, "spec.engine.version"},
		"high availability":   {func(w *database.Wanted) { w.HighAvailability = true }, "spec.highAvailability"},
		"no image":            {func(w *database.Wanted) { w.Operator.Image = "" }, "spec.classRef"},
		"reserved database":   {func(w *database.Wanted) { w.Database = "template1" }, "spec.databaseName"},
		"superuser":           {func(w *database.Wanted) { w.Username = "Postgres" }, "spec.username"},
		"reserved user":       {func(w *database.Wanted) { w.Username = "pg_monitor" }, "spec.username"},
		"adopts a long name":  {func(w *database.Wanted) { w.Resource = strings.Repeat("a", 51) }, "spec.adopt.providerResourceName"},
		"restores, no store":  {func(w *database.Wanted) { w.Restore, w.Operator.StoreURL = "final", "" }, "spec.restoreFrom"},
		"restores of another": {func(w *database.Wanted) { w.Restore = "rds:final" }, "spec.restoreFrom.snapshotName"},
	} {
		var fields []string
		for _, p := range (builtin.Provider{}).Problems(wanted(tc.tweak)) {
			fields = append(fields, p.Field)
		}
		if got := strings.Join(fields, " "); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
