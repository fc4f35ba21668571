// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg_test

import (
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// TestRealSchema applies everything to an API server with CloudNativePG's own CRDs: it takes every field, a second time changes nothing, and
// the status that the tables of this package read is one that it takes too.
func TestRealSchema(t *testing.T) {
	t.Parallel()
	config := testkit.StartAPIServer(t)
	bases := testkit.ModulePath(t, "cloudnative-pg", "github.com/cloudnative-pg/cloudnative-pg", "config", "crd", "bases")
	testkit.InstallCRDs(t, config, bases+"/postgresql.cnpg.io_clusters.yaml", bases+"/postgresql.cnpg.io_backups.yaml")
	for name, intent := range manifests() {
		metadata := intent["metadata"].(map[string]any)
		metadata["namespace"] = name // each for itself
		stored := testkit.Apply(t, config, intent)
		if stored.GetKind() != "Cluster" {
			continue
		}
		w := wanted(map[string]func(*database.Wanted){"minimal": func(*database.Wanted) {}, "full": full, "restored": restored}[name])
		w.Namespace = name
		have := database.Objects{provider.Refs(w)[0]: stored}
		again := testkit.Apply(t, config, provider.Objects(w, have)[0].Intent)
		if again.GetResourceVersion() != stored.GetResourceVersion() {
			t.Errorf("%s: telling the same again changed the Cluster", name)
		}
		var status map[string]any
		if err := yaml.Unmarshal([]byte(strings.ReplaceAll(healthy, "PHASE", "Cluster in healthy state")), &status); err != nil {
			t.Fatal(err)
		}
		testkit.WriteStatus(t, config, again, (&unstructured.Unstructured{Object: status}).Object["status"].(map[string]any))
		have[provider.Refs(w)[0]] = again
		if facts := provider.Read(w, have); !facts.Ready || facts.Host != "shop-db-db-rw."+name+".svc" {
			t.Errorf("%s: read as %+v", name, facts)
		}
		rotates(t, config, w, have)
	}
}

// rotates applies the steps of a rotation. What is told between them, with the schema's defaults in what was stored, takes nothing back.
func rotates(t *testing.T, config *rest.Config, w database.Wanted, have database.Objects) {
	t.Helper()
	r := provider.Rotation(w, "one")
	for i, step := range []func(database.Wanted, database.Rotation, database.Objects) []database.Object{provider.Add, provider.Drop} {
		for _, o := range step(w, r, have) {
			have[o.Ref] = testkit.Apply(t, config, o.Intent)
		}
		ref := provider.Refs(w)[0]
		stored, _, _ := unstructured.NestedSlice(have[ref].Object, "spec", "managed", "roles")
		again := testkit.Apply(t, config, provider.Objects(w, have)[0].Intent)
		if after, _, _ := unstructured.NestedSlice(again.Object, "spec", "managed", "roles"); len(after) == 0 || !reflect.DeepEqual(stored, after) {
			t.Errorf("step %d in %s: the roles were\n%v, and then\n%v", i, w.Namespace, stored, after)
		}
		once := testkit.Apply(t, config, provider.Objects(w, have)[0].Intent)
		if once.GetResourceVersion() != again.GetResourceVersion() {
			t.Errorf("step %d in %s: telling the same again changed the Cluster", i, w.Namespace)
		}
		have[ref] = again
	}
	if !provider.ReadAdd(w, r, have).Exists || !provider.ReadDrop(w, r, have).Exists {
		t.Errorf("%s: what a rotation made is not found again", w.Namespace)
	}
}
