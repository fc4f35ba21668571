// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/beanpod-dev/beanpod/internal/database"
)

// healthy is the status of a Cluster of three servers, as CloudNativePG 1.30 writes it.
const healthy = `
metadata: {uid: a3162484-82e2-4475-99d3-06feeb593f87}
spec: {instances: 3}
status:
  phase: PHASE
  image: ghcr.io/cloudnative-pg/postgresql:16.4-system-trixie
  pgDataImageInfo: {image: "ghcr.io/cloudnative-pg/postgresql:16.4-system-trixie", majorVersion: 16}
  writeService: shop-db-db-rw
  readService: shop-db-db-r
  instances: 3
  readyInstances: 3
  currentPrimary: shop-db-db-1
  targetPrimary: shop-db-db-1
  instanceNames: [shop-db-db-1, shop-db-db-2, shop-db-db-3]
  instancesStatus: {healthy: [shop-db-db-1, shop-db-db-2, shop-db-db-3]}
  healthyPVC: [shop-db-db-1, shop-db-db-2, shop-db-db-3]
  conditions:
  - {type: Ready, status: "True", reason: ClusterIsReady, message: Cluster is Ready, lastTransitionTime: "2026-01-02T03:04:05Z"}
`

func TestRead(t *testing.T) {
	t.Parallel()
	in := func(phase string, replace ...string) string {
		return strings.NewReplacer(append([]string{"PHASE", phase}, replace...)...).Replace(healthy)
	}
	const ok, replica = "Cluster in healthy state", "Creating a new replica"
	up := database.Facts{
		Exists: true, Ready: true, ID: "a3162484-82e2-4475-99d3-06feeb593f87", Host: "shop-db-db-rw.shop.svc", Port: 5432, EngineVersion: "16.4",
	}
	down := up
	down.Ready = false
	failed, deleting := down, up
	failed.Failed, deleting.Deleting = true, true
	noPrimary := []string{"healthy: [shop-db-db-1, ", "healthy: [", "readyInstances: 3", "readyInstances: 2"}
	for name, tc := range map[string]struct {
		text    string
		version string
		want    database.Facts
		says    string
	}{
		"healthy":                  {in(ok), "", up, "takes connections"},
		"a replica is made":        {in(replica, `status: "True"`, `status: "False"`, "readyInstances: 3", "readyInstances: 2"), "", up, "with 2 of 3 servers ready: Creating a new replica"},
		"ready but for a moment":   {in(ok, `status: "True"`, `status: "False"`), "", up, "takes connections"}, // cloudnative-pg#4209
		"all servers fenced":       {in(ok, "{healthy: [shop-db-db-1, shop-db-db-2, shop-db-db-3]}", "{failed: [shop-db-db-1]}", "readyInstances: 3", "readyInstances: 0"), "", down, "(0 of 3 servers are ready)"},
		"the primary is not well":  {in(ok, noPrimary...), "", down, "(2 of 3"},
		"rolling through replicas": {in("Upgrading cluster"), "", up, "takes connections"},
		"rolling, primary down":    {in("Upgrading cluster", noPrimary...), "", down, "Upgrading cluster"},
		"the primary moves":        {in(ok, "targetPrimary: shop-db-db-1", "targetPrimary: shop-db-db-2"), "", down, "does not take"},
		"the target is pending":    {in(ok, "targetPrimary: shop-db-db-1", "targetPrimary: pending"), "", down, "does not take"},
		"failing over":             {in("Failing over"), "", down, "Failing over"},
		"switchover":               {in("Switchover in progress"), "", down, "Switchover"},
		"first primary":            {in("Setting up primary"), "", down, "Setting up primary"},
		"major upgrade":            {in("Upgrading Postgres major version"), "", down, "Upgrading Postgres major version"},
		"unrecoverable":            {in("Cluster is unrecoverable and needs manual intervention", noPrimary...), "", failed, "restore a snapshot"},
		"disk is full":             {in("Not enough disk space", noPrimary...), "", failed, "raise spec.storage"},
		"a phase of the future":    {in("Reticulating splines"), "", down, "Reticulating splines"},
		"no phase":                 {in(""), "", down, "has not said anything"},
		"being deleted": {
			in(ok, "metadata: {", `metadata: {deletionTimestamp: "2026-01-02T03:04:05Z", `), "", deleting, "takes connections",
		},
		"no service yet": {
			in(ok, "  writeService: shop-db-db-rw\n", ""), "", func() database.Facts { f := down; f.Host, f.Port = "", 0; return f }(), "does not take",
		},
		"no status at all":              {"metadata: {uid: u}\nspec: {instances: 1}", "", database.Facts{Exists: true, ID: "u"}, "watches namespace shop"},
		"an older version is asked for": {in(ok), "15", up, "cannot become 15, which is older"},
		"by digest": {
			in(ok, "image: ghcr.io/cloudnative-pg/postgresql:16.4-system-trixie\n", "image: registry.example:5000/pg@sha256:16aa\n"), "",
			func() database.Facts { f := up; f.EngineVersion = "16"; return f }(), "takes connections",
		},
		"a reason": {in("Setting up primary", "  image:", "  phaseReason: no such VolumeSnapshot\n  image:"), "", down, "Setting up primary: no such VolumeSnapshot"},
	} {
		w := wanted(func(w *database.Wanted) { w.Version = tc.version })
		got := provider.Read(w, cluster(t, w, tc.text))
		if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(database.Facts{}, "Message")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !strings.Contains(got.Message, tc.says) || !strings.Contains(got.Message, "Cluster shop-db-db") {
			t.Errorf("%s: the message is %q, without %q", name, got.Message, tc.says)
		}
	}
	if got := provider.Read(wanted(), nil); got != (database.Facts{}) {
		t.Errorf("nothing is there, and Read says %+v", got)
	}
}

func TestReadStorage(t *testing.T) {
	t.Parallel()
	w := wanted()
	have := cluster(t, w, strings.ReplaceAll(healthy, "PHASE", "Cluster in healthy state"))
	volumes := map[string]string{
		"shop-db-db-1": "{metadata: {labels: {cnpg.io/cluster: shop-db-db}}, status: {capacity: {storage: 20Gi}}}",
		"shop-db-db-2": "{metadata: {labels: {cnpg.io/cluster: shop-db-db}}, status: {capacity: {storage: 10Gi}}}",
		"shop-db-db-3": "{metadata: {labels: {cnpg.io/cluster: shop-db-db}}}",
		"shop-db-db-4": "{metadata: {labels: {cnpg.io/cluster: another}}, status: {capacity: {storage: 1Gi}}}",
	}
	for name, text := range volumes {
		ref, u := object(t, w, "PersistentVolumeClaim", name, text)
		have[ref] = u
	}
	if got := provider.Read(w, have).Storage; got != "10Gi" {
		t.Errorf("the disks have %q; the smallest of this Cluster has 10Gi", got)
	}
}

func TestReadSnapshot(t *testing.T) {
	t.Parallel()
	const (
		name  = "shop-db-final"
		mine  = `metadata: {annotations: {beanpod.dev/database-id: 0f0e0d0c-1111-2222-3333-444455556666}}`
		other = `metadata: {annotations: {beanpod.dev/database-id: other}}`
		ref   = "\nspec: {cluster: {name: shop-db-db}}"
		done  = mine + ref + "\nstatus: {phase: completed, snapshotBackupStatus: {elements: [{name: shop-db-final, type: PG_DATA}]}}"
		ready = mine + "\nstatus: {readyToUse: true, restoreSize: 5Gi}"
	)
	usable := database.SnapshotFacts{Exists: true, Usable: true, Name: name}
	wait := database.SnapshotFacts{Exists: true, Name: name}
	failed := database.SnapshotFacts{Exists: true, Failed: true, Name: name}
	for title, tc := range map[string]struct {
		backup, snapshot string
		want             database.SnapshotFacts
		says             string
	}{
		"usable":              {done, ready, usable, ""},
		"nothing":             {"", ready, database.SnapshotFacts{}, ""},
		"no status":           {mine + ref, "", wait, "not begun"},
		"pending":             {mine + ref + "\nstatus: {phase: pending}", "", wait, "is pending"},
		"finalizing":          {mine + ref + "\nstatus: {phase: finalizing}", ready, wait, "is finalizing"},
		"unknown phase":       {mine + ref + "\nstatus: {phase: splendid}", ready, wait, "is splendid"},
		"failed":              {mine + ref + "\nstatus: {phase: failed, error: no class}", ready, failed, "no class"},
		"complete of nothing": {mine + ref + "\nstatus: {phase: completed}", ready, wait, "names no VolumeSnapshot"},
		"more parts":          {strings.Replace(done, "elements: [", "elements: [{name: shop-db-final-wal, type: PG_WAL}, ", 1), ready, wait, "parts besides"},
		"not of the data":     {strings.Replace(done, "PG_DATA", "PG_WAL", 1), ready, wait, "parts besides"},
		"snapshot gone":       {done, "", wait, "is gone"},
		"snapshot not ready":  {done, mine + "\nstatus: {readyToUse: false}", wait, "not ready yet"},
		"snapshot, no status": {done, mine, wait, "not ready yet"},
		"snapshot's error":    {done, mine + "\nstatus: {readyToUse: false, error: {message: driver is ill}}", wait, "driver is ill"},
		"snapshot leaves":     {done, strings.Replace(ready, "metadata: {", `metadata: {deletionTimestamp: "2026-01-02T03:04:05Z", `, 1), wait, "being deleted"},
		"another's snapshot":  {done, other + "\nstatus: {readyToUse: true}", wait, "of another database"},
		"another's backup":    {strings.Replace(done, mine, other, 1), ready, failed, "of another database"},
		"another cluster's":   {strings.Replace(done, "cluster: {name: shop-db-db}", "cluster: {name: x}", 1), ready, failed, "of another database"},
	} {
		w, have := wanted(), database.Objects{}
		for kind, text := range map[string]string{"Backup": tc.backup, "VolumeSnapshot": tc.snapshot} {
			if text != "" {
				ref, u := object(t, w, kind, name, text)
				have[ref] = u
			}
		}
		got := provider.ReadSnapshot(w, name, have)
		if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(database.SnapshotFacts{}, "Message")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", title, diff)
		}
		if !strings.Contains(got.Message, tc.says) {
			t.Errorf("%s: the message is %q, without %q", title, got.Message, tc.says)
		}
	}
}
