// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/builtin"
)

// have puts objects together from YAML, by kind.
func have(t *testing.T, w database.Wanted, parts map[schema.GroupVersionKind]string) database.Objects {
	t.Helper()
	out := database.Objects{}
	for _, ref := range (builtin.Provider{}).Refs(w) {
		if text, ok := parts[ref.GroupVersionKind]; ok {
			out[ref] = object(t, ref, text)
		}
	}
	return out
}

func object(t *testing.T, ref database.Ref, text string) *unstructured.Unstructured {
	t.Helper()
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{}}
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > 0 {
		raw = append([]byte(`{"apiVersion":"v1","kind":"`+ref.Kind+`",`), raw[1:]...)
		if err := o.UnmarshalJSON(raw); err != nil {
			t.Fatal(err)
		}
	}
	o.SetName(ref.Name)
	return o
}

const (
	bound   = `{metadata: {uid: v-1, annotations: {beanpod.dev/engine-version: "16"}}, spec: {resources: {requests: {storage: 5Gi}}}, status: {phase: Bound, capacity: {storage: 5Gi}}}`
	serving = `{status: {readyReplicas: 1}}`
	idle    = `{status: {replicas: 1}}`
)

func TestRead(t *testing.T) {
	t.Parallel()
	waiting := func(container, state string) string {
		return `{metadata: {name: shop-db-db-0}, status: {phase: Pending, containerStatuses: [{name: ` + container + `, image: "postgres:16", started: true, state: ` + state + `}]}}`
	}
	for name, tc := range map[string]struct {
		tweak func(*database.Wanted)
		parts map[schema.GroupVersionKind]string
		want  database.Facts
		says  string
	}{
		"nothing":   {},
		"just made": {parts: map[schema.GroupVersionKind]string{builtin.StatefulSet: `{}`}, want: database.Facts{Exists: true}, says: "has no pod yet"},
		"refused by a quota": {
			parts: map[schema.GroupVersionKind]string{builtin.StatefulSet: `{status: {conditions: [{type: X, status: "True", message: exceeded quota}]}}`},
			want:  database.Facts{Exists: true}, says: "has no pod yet. exceeded quota",
		},
		"running": {
			parts: map[schema.GroupVersionKind]string{builtin.StatefulSet: serving, builtin.Volume: bound},
			want:  database.Facts{Exists: true, Ready: true, ID: "v-1", EngineVersion: "16", Storage: "5Gi"},
		},
		"growing": {
			tweak: func(w *database.Wanted) { w.Storage = "6Gi" },
			parts: map[schema.GroupVersionKind]string{builtin.StatefulSet: serving, builtin.Volume: bound},
			want:  database.Facts{Exists: true, Ready: true, ID: "v-1", EngineVersion: "16", Storage: "5Gi"}, says: "has 5Gi and was asked to grow to 6Gi. Whether it can",
		},
		"being deleted": {
			parts: map[schema.GroupVersionKind]string{builtin.StatefulSet: `{metadata: {deletionTimestamp: "2026-11-29T00:00:00Z"}, status: {readyReplicas: 1}}`, builtin.Volume: bound},
			want:  database.Facts{Exists: true, Deleting: true, ID: "v-1", EngineVersion: "16", Storage: "5Gi"}, says: "has no pod yet",
		},
		"only the volume": {parts: map[schema.GroupVersionKind]string{builtin.Volume: bound}, want: database.Facts{Exists: true, ID: "v-1", Storage: "5Gi"}, says: "StatefulSet shop-db-db is gone; its volume data-shop-db-db-0 is there"},
		"no StorageClass": {
			parts: map[schema.GroupVersionKind]string{builtin.StatefulSet: idle, builtin.Volume: `{metadata: {uid: v-1}, spec: {}, status: {phase: Pending}}`},
			want:  database.Facts{Exists: true, Failed: true, ID: "v-1"}, says: "no default StorageClass. Mark one as default, or set parameters.builtIn.storageClassName in DatabaseClass postgres",
		},
		"the volume waits for a node": {
			parts: map[schema.GroupVersionKind]string{
				builtin.StatefulSet: idle, builtin.Volume: `{metadata: {uid: v-1}, spec: {storageClassName: standard}, status: {phase: Pending}}`,
				builtin.Pod: `{metadata: {name: shop-db-db-0}, status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", message: 0/1 nodes are available}]}}`,
			},
			want: database.Facts{Exists: true, ID: "v-1"}, says: "No node takes pod shop-db-db-0: 0/1 nodes are available",
		},
		"the volume is lost": {
			parts: map[schema.GroupVersionKind]string{builtin.StatefulSet: idle, builtin.Volume: `{metadata: {uid: v-1}, spec: {storageClassName: standard, volumeName: pv-7}, status: {phase: Lost}}`},
			want:  database.Facts{Exists: true, Failed: true, ID: "v-1"}, says: "PersistentVolume pv-7 does not exist",
		},
		"no image": {
			parts: map[schema.GroupVersionKind]string{builtin.StatefulSet: idle, builtin.Volume: bound, builtin.Pod: waiting("postgres", `{waiting: {reason: ImagePullBackOff, message: not found}}`)},
			want:  database.Facts{Exists: true, Failed: true, ID: "v-1", EngineVersion: "16", Storage: "5Gi"}, says: "The image postgres:16 cannot be pulled: not found Check parameters.builtIn.image of DatabaseClass postgres",
		},
		"no such snapshot": {
			tweak: func(w *database.Wanted) { w.Restore = "none" },
			parts: map[schema.GroupVersionKind]string{
				builtin.StatefulSet: idle,
				builtin.Pod: `{metadata: {name: shop-db-db-0}, status: {initContainerStatuses: [{name: fetch, state: {waiting: {reason: CrashLoopBackOff}},
					lastState: {terminated: {exitCode: 1, message: '{"error":"The artifact store refused: there is no such object","retry":false,"seconds":1}'}}}]}}`,
			},
			want: database.Facts{Exists: true, Failed: true}, says: "Snapshot none cannot be fetched: The artifact store refused: there is no such object",
		},
		"it ends at once": {
			parts: map[schema.GroupVersionKind]string{
				builtin.StatefulSet: idle, builtin.Volume: bound,
				builtin.Pod: `{metadata: {name: shop-db-db-0}, status: {containerStatuses: [{name: postgres, state: {waiting: {reason: CrashLoopBackOff}},
					lastState: {terminated: {exitCode: 1, message: "The data are those of PostgreSQL 15."}}}]}}`,
			},
			want: database.Facts{Exists: true, Failed: true, ID: "v-1", EngineVersion: "16", Storage: "5Gi"}, says: "does not start: The data are those of PostgreSQL 15.",
		},
		"nobody can log in": {
			parts: map[schema.GroupVersionKind]string{builtin.StatefulSet: idle, builtin.Volume: bound, builtin.Pod: waiting("postgres", `{running: {}}`)},
			want:  database.Facts{Exists: true, ID: "v-1", EngineVersion: "16", Storage: "5Gi"}, says: "the user of the Secret cannot log in",
		},
	} {
		w := wanted(func(w *database.Wanted) {
			if tc.tweak != nil {
				tc.tweak(w)
			}
		})
		got := builtin.Provider{}.Read(w, have(t, w, tc.parts))
		if !strings.Contains(got.Message, tc.says) || (tc.says == "") != (got.Message == "") {
			t.Errorf("%s says %q, want %q", name, got.Message, tc.says)
		}
		if tc.parts[builtin.StatefulSet] != "" {
			tc.want.Host, tc.want.Port = "shop-db-db.team-a.svc", 5432
		}
		got.Message = ""
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestVersions proves which image runs: of a database that has data never one of another major version.
func TestVersions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		version, volume, image string
		problem                bool
	}{
		"a new one, any version":  {"", "", "postgres:17", false},
		"a new one":               {"16.4", "", "postgres:16.4", false},
		"no data yet":             {"15", `{metadata: {uid: v-1}}`, "postgres:15", false},
		"any version, with data":  {"", bound, "postgres:16", false},
		"a minor version":         {"16.9", bound, "postgres:16.9", false},
		"another major":           {"17", bound, "postgres:16", true},
		"another major, backward": {"15.1", bound, "postgres:16", true},
	} {
		w := wanted(func(w *database.Wanted) { w.Version = tc.version })
		parts := map[schema.GroupVersionKind]string{}
		if tc.volume != "" {
			parts[builtin.Volume] = tc.volume
		}
		there := have(t, w, parts)
		p := builtin.Provider{}
		for _, o := range p.Objects(w, there) {
			if tmpl := template(t, o); tmpl != nil && !strings.HasSuffix(tmpl.Spec.Containers[0].Image, tc.image) {
				t.Errorf("%s: image %s, want %s", name, tmpl.Spec.Containers[0].Image, tc.image)
			}
		}
		problems := p.Examine(w, there)
		if (len(problems) > 0) != tc.problem || (tc.problem && problems[0].Field != "spec.engine.version") {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func TestReadSnapshot(t *testing.T) {
	t.Parallel()
	p, w := builtin.Provider{}, wanted()
	refs := p.SnapshotRefs(w, "final")
	mark := `metadata: {annotations: {beanpod.dev/database-id: ` + w.ID + `, beanpod.dev/snapshot: final}}`
	complete, broken := `{`+mark+`, status: {conditions: [{type: Complete, status: "True"}]}}`, `{`+mark+`, status: {conditions: [{type: Failed, status: "True", message: Job has reached the specified backoff limit}]}}`
	for name, tc := range map[string]struct {
		job, pod string
		want     database.SnapshotFacts
		says     string
	}{
		"none":     {},
		"running":  {job: `{` + mark + `}`, want: database.SnapshotFacts{Exists: true, Name: "final"}, says: "takes snapshot final"},
		"complete": {job: complete, want: database.SnapshotFacts{Exists: true, Usable: true, Name: "final"}, says: "was restored and compared"},
		"complete, with its pod": {
			job: complete, pod: `{status: {containerStatuses: [{name: push, state: {terminated: {exitCode: 0, message: '{"snapshot":{"sha256":"abc","sizeBytes":7},"retry":false,"seconds":1}'}}}]}}`,
			want: database.SnapshotFacts{Exists: true, Usable: true, Name: "final"}, says: "(7 bytes, sha256:abc)",
		},
		"failed": {job: broken, want: database.SnapshotFacts{Exists: true, Failed: true, Name: "final"}, says: "backoff limit"},
		"failed, with its pod": {
			job: broken, pod: `{status: {initContainerStatuses: [{name: dump, state: {terminated: {exitCode: 0}}}, {name: check, state: {terminated: {exitCode: 1, message: What was restored is not it}}}]}}`,
			want: database.SnapshotFacts{Exists: true, Failed: true, Name: "final"}, says: "failed: What was restored is not it",
		},
		"of another database": {
			job:  strings.ReplaceAll(complete, w.ID, "another"),
			want: database.SnapshotFacts{Exists: true, Failed: true, Name: "final"}, says: "another database",
		},
		"of another name": {
			job:  strings.ReplaceAll(complete, "snapshot: final", "snapshot: first"),
			want: database.SnapshotFacts{Exists: true, Failed: true, Name: "final"}, says: "another database",
		},
	} {
		there := database.Objects{}
		for i, text := range []string{tc.job, tc.pod} {
			if text != "" {
				there[refs[i]] = object(t, refs[i], text)
			}
		}
		got := p.ReadSnapshot(w, "final", there)
		if !strings.Contains(got.Message, tc.says) {
			t.Errorf("%s says %q, want %q", name, got.Message, tc.says)
		}
		got.Message = ""
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	homeless := wanted(func(w *database.Wanted) { w.Operator.StoreURL = "" })
	if got := p.ReadSnapshot(homeless, "final", nil); !got.Failed || !strings.Contains(got.Message, "the operator has none") || p.Snapshot(homeless, "final", nil) != nil {
		t.Errorf("without a store: %+v", got)
	}
	if got := p.ReadSnapshot(w, "rds:final", nil); !got.Failed || p.Snapshot(w, "rds:final", nil) != nil {
		t.Errorf("with an impossible name: %+v", got)
	}
}

func TestReadRotation(t *testing.T) {
	t.Parallel()
	p, w := builtin.Provider{}, wanted()
	r := p.Rotation(w, "t1")
	refs := p.RotationRefs(w, r)
	if got := p.ReadAdd(w, r, nil); got != (database.Progress{}) {
		t.Errorf("nothing: %+v", got)
	}
	there := database.Objects{
		refs[0]: object(t, refs[0], `{status: {conditions: [{type: Complete, status: "True"}]}}`),
		refs[2]: object(t, refs[2], `{status: {conditions: [{type: Failed, status: "True", message: deadline}]}}`),
	}
	if got := p.ReadAdd(w, r, there); !got.Exists || !got.Done || got.Failed {
		t.Errorf("added: %+v", got)
	}
	if got := p.ReadDrop(w, r, there); !got.Failed || got.Done || !strings.Contains(got.Message, "deadline") {
		t.Errorf("dropping failed: %+v", got)
	}
}

// TestComplete proves that the scripts know of a database that was complete, also once the volume that says so is lost.
func TestComplete(t *testing.T) {
	t.Parallel()
	w := wanted()
	for name, tc := range map[string]struct {
		parts map[schema.GroupVersionKind]string
		want  bool
	}{
		"nothing":              {nil, false},
		"being made":           {map[schema.GroupVersionKind]string{builtin.Volume: `{metadata: {uid: v-1}}`, builtin.ConfigMap: `{data: {start.sh: x}}`}, false},
		"complete":             {map[schema.GroupVersionKind]string{builtin.Volume: bound, builtin.ConfigMap: `{data: {start.sh: x}}`}, true},
		"serves":               {map[schema.GroupVersionKind]string{builtin.StatefulSet: serving, builtin.Volume: `{metadata: {uid: v-1}}`}, true},
		"scripts lost":         {map[schema.GroupVersionKind]string{builtin.Volume: bound}, true},
		"volume lost":          {map[schema.GroupVersionKind]string{builtin.ConfigMap: `{data: {complete: "yes"}}`}, true},
		"volume lost, new one": {map[schema.GroupVersionKind]string{builtin.Volume: `{metadata: {uid: v-2}}`, builtin.ConfigMap: `{data: {complete: "yes"}}`}, true},
	} {
		for _, o := range (builtin.Provider{}).Objects(w, have(t, w, tc.parts)) {
			if o.Kind != "ConfigMap" {
				continue
			}
			data := o.Intent["data"].(map[string]any)
			if _, got := data["complete"]; got != tc.want || data["start.sh"] == "" {
				t.Errorf("%s: the file is there: %t, want %t", name, got, tc.want)
			}
		}
	}
}
