// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rds_test

import (
	"os"
	"strings"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// crdsVariable names config/crd/bases in a checkout of ACK's rds-controller.
const crdsVariable = "RDS_CRDS"

// TestRealSchema applies everything to an API server with ACK's own CRDs, as that of CloudNativePG does. Its Go module cannot be had
// everywhere, so that somebody must bring the files.
func TestRealSchema(t *testing.T) {
	t.Parallel()
	bases := os.Getenv(crdsVariable)
	if bases == "" {
		t.Skipf("%s is not set: no schema of ACK to test against (config/crd/bases of aws-controllers-k8s/rds-controller)", crdsVariable)
	}
	config := testkit.StartAPIServer(t)
	testkit.InstallCRDs(t, config, bases+"/rds.services.k8s.aws_dbinstances.yaml", bases+"/rds.services.k8s.aws_dbsnapshots.yaml")
	tweaks := map[string]func(*database.Wanted){
		"minimal": func(*database.Wanted) {}, "full": full, "restored": restored, "sqlserver": sqlserver,
	}
	for name, intent := range manifests() {
		intent["metadata"].(map[string]any)["namespace"] = name // each for itself
		stored := testkit.Apply(t, config, intent)
		tweak, is := tweaks[name]
		if !is {
			continue
		}
		w := wanted(tweak)
		w.Namespace = name
		have := database.Objects{provider.Refs(w)[0]: stored}
		next := provider.Objects(w, have)[0].Intent
		next["spec"].(map[string]any)["masterUserPassword"] = intent["spec"].(map[string]any)["masterUserPassword"] // it names the namespace
		again := testkit.Apply(t, config, next)
		if again.GetResourceVersion() != stored.GetResourceVersion() {
			t.Errorf("%s: telling the same again changed the DBInstance", name)
		}
		// Of PostgreSQL, nobody has made the application's user yet.
		status := object(t, "DBInstance", strings.ReplaceAll(available, "STATE", "available"))
		testkit.WriteStatus(t, config, again, status.Object["status"].(map[string]any))
		have[provider.Refs(w)[0]] = again
		if facts := provider.Read(w, have); facts.Host == "" || facts.ID == "" || facts.Ready != (name == "sqlserver") {
			t.Errorf("%s: read as %+v", name, facts)
		}
		if done, _ := provider.Released(w, have); done {
			t.Errorf("%s: released before anybody asked", name)
		}
		have[provider.Refs(w)[0]] = testkit.Apply(t, config, provider.Release(w, have)[0].Intent)
		if done, why := provider.Released(w, have); done {
			t.Errorf("%s: released before ACK saw it", name)
		} else if !strings.Contains(why, "has not lifted") {
			t.Errorf("%s: %s", name, why)
		}
	}
}
