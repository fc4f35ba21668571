// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	}
}
