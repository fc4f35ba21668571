// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cloudnativepg makes databases with the CloudNativePG operator: a Cluster for each, and a Backup for each snapshot. Pure.
package cloudnativepg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
)

// ReloadLabel, on the Secret with the credentials and with any value, makes CloudNativePG set the user's password again when the Secret changes.
const ReloadLabel = "cnpg.io/reload"

const (
	group = "postgresql.cnpg.io"
	// snapshotGroup is that of the volume snapshots that CloudNativePG makes.
	snapshotGroup = "snapshot.storage.k8s.io"
	// defaultImage is where CloudNativePG's own images are, for classes that name none.
	defaultImage = "ghcr.io/cloudnative-pg/postgresql"
	port         = 5432
	// clusterLabel is on every volume of a Cluster.
	clusterLabel = "cnpg.io/cluster"
)

var (
	clusterKind  = schema.GroupVersionKind{Group: group, Version: "v1", Kind: "Cluster"}
	backupKind   = schema.GroupVersionKind{Group: group, Version: "v1", Kind: "Backup"}
	snapshotKind = schema.GroupVersionKind{Group: snapshotGroup, Version: "v1", Kind: "VolumeSnapshot"}
	volumeKind   = schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}
)

// Names that PostgreSQL and CloudNativePG keep for themselves.
var (
	reservedUsers     = []string{"postgres", "streaming_replica", "cnpg_pooler_pgbouncer"}
	reservedDatabases = []string{"postgres", "template0", "template1"}
)

// Provider makes databases with CloudNativePG.
type Provider struct{ jobs.Rotations }

var _ database.Provider = Provider{}

// Home implements database.Housed: the Cluster, which owns its volumes.
func (Provider) Home(w database.Wanted) database.Ref { return clusterRef(w) }

// SecretLabels implements database.Labeller.
func (Provider) SecretLabels() map[string]string { return map[string]string{ReloadLabel: "true"} }

// Kinds must be served by the cluster. VolumeSnapshots must not: without them there are databases but no snapshots.
func (Provider) Kinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{clusterKind, backupKind}
}

// Install says what to install.
func (Provider) Install() string {
	return "install the CloudNativePG operator, 1.26 or newer (https://cloudnative-pg.io)"
}

// Problems says what of a claim CloudNativePG does not have.
func (Provider) Problems(w database.Wanted) []database.Problem {
	var out []database.Problem
	add := func(field, format string, args ...any) {
		out = append(out, database.Problem{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	if w.Engine != "postgres" {
		add("spec.engine.name", "%q cannot be had, because CloudNativePG makes only postgres; choose another DatabaseClass", w.Engine)
	}
	if errs := validation.IsDNS1035Label(w.Resource); len(errs) > 0 {
		add("metadata.name", "%q cannot name a Cluster of CloudNativePG; the name of the claim must begin with a letter and hold only lower-case letters, digits and hyphens", w.Resource)
	}
	if w.Version == "" && parameters(w).Image != "" {
		add("spec.engine.version", "is not set, and DatabaseClass %q names an image, whose tag is the version; set it, or give the class's engine versions", w.Class)
	}
	if reserved(w.Username, reservedUsers) {
		add("spec.username", "%q is reserved by PostgreSQL or CloudNativePG; choose another one", w.Username)
	}
	if reserved(w.Database, reservedDatabases) {
		add("spec.databaseName", "%q is reserved by PostgreSQL; choose another one", w.Database)
	}
	return out
}

func reserved(name string, names []string) bool {
	return slices.Contains(names, strings.ToLower(name)) || strings.HasPrefix(strings.ToLower(name), "pg_")
}

// Refs names the Cluster, and its volumes, which are told apart by a number that grows when a server is made anew: some more are looked for
// than there are servers.
func (Provider) Refs(w database.Wanted) []database.Ref {
	const replaced = 3
	out := []database.Ref{clusterRef(w)}
	for n := range servers(w) + replaced {
		out = append(out, database.Ref{GroupVersionKind: volumeKind, Name: w.Resource + "-" + strconv.FormatInt(n+1, 10)})
	}
	return out
}

// Release changes nothing: CloudNativePG has no protection of its own.
func (Provider) Release(database.Wanted, database.Objects) []database.Object { return nil }

// Doomed names the Cluster and those of its volumes that are there. The Cluster owns the volumes: it is enough to delete it, and a deletion in
// the foreground ends only when all volumes are gone, those with numbers that Refs does not name included.
func (p Provider) Doomed(w database.Wanted, have database.Objects) []database.Ref {
	var out []database.Ref
	for _, ref := range p.Refs(w) {
		object := have[ref]
		if object == nil || ref.Kind == volumeKind.Kind && object.GetLabels()[clusterLabel] != w.Resource {
			continue
		}
		out = append(out, ref)
	}
	return out
}

func clusterRef(w database.Wanted) database.Ref {
	return database.Ref{GroupVersionKind: clusterKind, Name: w.Resource}
}
