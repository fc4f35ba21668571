// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/cloudnativepg"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var provider = cloudnativepg.Provider{}

func wanted(tweaks ...func(*database.Wanted)) database.Wanted {
	w := database.Wanted{
		Namespace: "shop", Claim: "shop-db", ID: "0f0e0d0c-1111-2222-3333-444455556666", Class: "postgres", Provider: v1alpha1.DatabaseCloudNativePG,
		Engine: "postgres", Database: "ebdb", Username: "ebroot", Storage: "5Gi", Resource: "shop-db-db", Secret: "shop-db-binding",
	}
	for _, tweak := range tweaks {
		tweak(&w)
	}
	return w
}

func full(w *database.Wanted) {
	w.Version, w.HighAvailability, w.Storage = "16.4", true, "20Gi"
	w.Resources = v1alpha1.Resources{
		Requests: &v1alpha1.ResourceAmounts{CPU: "250m", Memory: "512Mi"}, Limits: &v1alpha1.ResourceAmounts{Memory: "1Gi"},
	}
	w.Parameters.CloudNativePG = &v1alpha1.CloudNativePGParameters{
		Image: "registry.example:5000/postgresql", Instances: ptr.To[int32](5), StorageClassName: "fast", VolumeSnapshotClassName: "csi",
	}
}

func restored(w *database.Wanted) { w.Restore = "shop-db-final" }

// manifests are what the golden files show, and what the real schema is asked to take.
func manifests() map[string]map[string]any {
	return map[string]map[string]any{
		"minimal":  provider.Objects(wanted(), nil)[0].Intent,
		"full":     provider.Objects(wanted(full), nil)[0].Intent,
		"restored": provider.Objects(wanted(restored), nil)[0].Intent,
		"snapshot": provider.Snapshot(wanted(), "shop-db-final", nil)[0].Intent,
	}
}

// TestManifests compares what is asked for with testdata; -update rewrites it.
func TestManifests(t *testing.T) {
	t.Parallel()
	for name, intent := range manifests() {
		got, err := yaml.Marshal(intent)
		if err != nil {
			t.Fatal(err)
		}
		file := "testdata/" + name + ".yaml"
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		tweak func(*database.Wanted)
		want  []string
	}{
		"none":                 {full, nil},
		"engine":               {func(w *database.Wanted) { w.Engine = "mysql" }, []string{"spec.engine.name"}},
		"digit":                {func(w *database.Wanted) { w.Resource = "1shop-db" }, []string{"metadata.name"}},
		"dot":                  {func(w *database.Wanted) { w.Resource = "shop.db" }, []string{"metadata.name"}},
		"image without a tag":  {func(w *database.Wanted) { full(w); w.Version = "" }, []string{"spec.engine.version"}},
		"superuser":            {func(w *database.Wanted) { w.Username = "postgres" }, []string{"spec.username"}},
		"replication":          {func(w *database.Wanted) { w.Username = "streaming_replica" }, []string{"spec.username"}},
		"PostgreSQL's prefix":  {func(w *database.Wanted) { w.Username, w.Database = "pg_me", "PG_mine" }, []string{"spec.username", "spec.databaseName"}},
		"PostgreSQL's own":     {func(w *database.Wanted) { w.Database = "template1" }, []string{"spec.databaseName"}},
		"a similar name is ok": {func(w *database.Wanted) { w.Username, w.Database = "postgres1", "pgdata" }, nil},
	} {
		var got []string
		for _, p := range provider.Problems(wanted(tc.tweak)) {
			got = append(got, p.Field)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// object makes one that was read, from YAML.
func object(t *testing.T, w database.Wanted, kind, name, text string) (database.Ref, *unstructured.Unstructured) {
	t.Helper()
	o := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	o["kind"], o["apiVersion"] = kind, "v1"
	text2, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	json, err := yaml.YAMLToJSON(text2) // numbers become int64, as in what a client reads
	if err != nil {
		t.Fatal(err)
	}
	if err := u.UnmarshalJSON(json); err != nil {
		t.Fatal(err)
	}
	for _, ref := range append(provider.Refs(w), provider.SnapshotRefs(w, name)...) {
		if ref.Kind == kind && ref.Name == name {
			return ref, u
		}
	}
	t.Fatalf("nobody reads %s %s", kind, name)
	return database.Ref{}, nil
}

func cluster(t *testing.T, w database.Wanted, text string) database.Objects {
	t.Helper()
	ref, u := object(t, w, "Cluster", w.Resource, text)
	return database.Objects{ref: u}
}

// TestNotToldTheSameAgain is what becomes of fields that a Cluster has already.
func TestNotToldTheSameAgain(t *testing.T) {
	t.Parallel()
	spec := func(w database.Wanted, have database.Objects, path ...string) any {
		v, _, _ := unstructured.NestedFieldNoCopy(provider.Objects(w, have)[0].Intent, append([]string{"spec"}, path...)...)
		return v
	}
	version := func(v string) func(*database.Wanted) { return func(w *database.Wanted) { w.Version = v } }
	const runs16 = `
spec: {imageName: "ghcr.io/cloudnative-pg/postgresql:16.4"}
status: {pgDataImageInfo: {image: "ghcr.io/cloudnative-pg/postgresql:16.4", majorVersion: 16}}`
	const runs14 = `
spec: {imageName: "ghcr.io/cloudnative-pg/postgresql:14"}
status: {pgDataImageInfo: {image: "ghcr.io/cloudnative-pg/postgresql:14", majorVersion: 14}}`
	own := "ghcr.io/cloudnative-pg/postgresql:"
	for name, tc := range map[string]struct {
		w    database.Wanted
		have string
		path []string
		want any
	}{
		"a disk grows":                     {wanted(), "spec: {storage: {size: 1Gi}}", []string{"storage", "size"}, "5Gi"},
		"a disk never shrinks":             {wanted(), "spec: {storage: {size: 1Ti}}", []string{"storage", "size"}, "1Ti"},
		"a minor version":                  {wanted(version("16.6")), runs16, []string{"imageName"}, own + "16.6"},
		"a major version":                  {wanted(version("17")), runs16, []string{"imageName"}, own + "17"},
		"no older major version":           {wanted(version("15")), runs16, []string{"imageName"}, own + "16.4"},
		"no upgrade below 16":              {wanted(version("15")), runs14, []string{"imageName"}, own + "14"},
		"an upgrade over that":             {wanted(version("16")), runs14, []string{"imageName"}, own + "16"},
		"any version is the one that runs": {wanted(), runs16, []string{"imageName"}, own + "16.4"},
		"another Secret of the same restore": {
			wanted(func(w *database.Wanted) { w.Secret = "other-binding" }),
			"spec: {bootstrap: {recovery: {database: a, owner: b, secret: {name: old}, volumeSnapshots: {storage: {name: s}}}}}",
			[]string{"bootstrap"},
			map[string]any{"recovery": map[string]any{
				"database": "a", "owner": "b", "secret": map[string]any{"name": "other-binding"}, "volumeSnapshots": map[string]any{"storage": map[string]any{"name": "s"}},
			}},
		},
		"a claim that restores finds its empty database": {
			wanted(restored), "spec: {bootstrap: {initdb: {database: ebdb, owner: ebroot, secret: {name: shop-db-binding}, encoding: UTF8}}}",
			[]string{"bootstrap"},
			map[string]any{"initdb": map[string]any{"database": "ebdb", "owner": "ebroot", "secret": map[string]any{"name": "shop-db-binding"}, "encoding": "UTF8"}},
		},
	} {
		if diff := cmp.Diff(tc.want, spec(tc.w, cluster(t, tc.w, tc.have), tc.path...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestDoomed names what is there and belongs to the Cluster, the Cluster first.
func TestDoomed(t *testing.T) {
	t.Parallel()
	w := wanted()
	have := cluster(t, w, "{}")
	for name, owner := range map[string]string{"shop-db-db-1": w.Resource, "shop-db-db-2": "another", "shop-db-db-4": w.Resource} {
		ref, u := object(t, w, "PersistentVolumeClaim", name, "metadata: {labels: {cnpg.io/cluster: "+owner+"}}")
		have[ref] = u
	}
	var got []string
	for _, ref := range provider.Doomed(w, have) {
		got = append(got, ref.String())
	}
	want := []string{"Cluster shop-db-db", "PersistentVolumeClaim shop-db-db-1", "PersistentVolumeClaim shop-db-db-4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := provider.Doomed(w, nil); len(got) != 0 {
		t.Errorf("nothing is there, and %v is doomed", got)
	}
	if n := len(provider.Refs(wanted(full))); n != 1+5+3 {
		t.Errorf("%d objects are looked for", n)
	}
}
