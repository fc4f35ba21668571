// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package builtin is the provider BuiltIn: one PostgreSQL in a StatefulSet with a volume, for development. Pure; called by
// internal/controller/databaseclaim through database.Provider. What runs in the pods are internal/database/scripts;
// docs/spec/databases-builtin.md says what they promise.
package builtin

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
	"github.com/beanpod-dev/beanpod/internal/database/scripts"
)

const (
	// oldest major version that the scripts know.
	oldest = 13
	// Port is where every database answers.
	Port = 5432
	// longest name of a StatefulSet, with room for what belongs to it.
	longest = 50
)

// The kinds of what it makes.
var (
	StatefulSet   = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}
	Volume        = schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}
	Pod           = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	Service       = schema.GroupVersionKind{Version: "v1", Kind: "Service"}
	ConfigMap     = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	Secret        = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	NetworkPolicy = schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}
	Job           = schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}
)

// Provider implements database.Provider, database.Examiner, database.Housed and database.Rotator.
type Provider struct{ jobs.Rotations }

// AdminSecret is the Secret with the superuser's password under the key password: letters, digits, _ and - only. The controller makes it
// before anything else, random, with the Labels and Annotations of internal/database. It lives as long as the data.
func AdminSecret(w database.Wanted) string { return w.Resource + "-admin" }

// AdminSecret implements database.Administered.
func (Provider) AdminSecret(w database.Wanted) string { return AdminSecret(w) }

// Home implements database.Housed: the volume.
func (Provider) Home(w database.Wanted) database.Ref { return volume(w) }

func statefulSet(w database.Wanted) database.Ref {
	return database.Ref{GroupVersionKind: StatefulSet, Name: w.Resource}
}
func volume(w database.Wanted) database.Ref {
	return database.Ref{GroupVersionKind: Volume, Name: dataVolume + "-" + w.Resource + "-0"}
}
func pod(w database.Wanted) database.Ref {
	return database.Ref{GroupVersionKind: Pod, Name: w.Resource + "-0"}
}
func service(w database.Wanted) database.Ref {
	return database.Ref{GroupVersionKind: Service, Name: w.Resource}
}
func policy(w database.Wanted) database.Ref {
	return database.Ref{GroupVersionKind: NetworkPolicy, Name: w.Resource}
}

// Kinds implements database.Provider.
func (Provider) Kinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{StatefulSet, Volume, Service, ConfigMap, NetworkPolicy, Job}
}

// Install implements database.Provider.
func (Provider) Install() string {
	return "These kinds are part of every Kubernetes cluster; ask who runs this one why it does not serve them."
}

// Refs implements database.Provider.
func (Provider) Refs(w database.Wanted) []database.Ref {
	return []database.Ref{statefulSet(w), volume(w), pod(w), service(w), policy(w), scripts.Ref(w)}
}

// Objects implements database.Provider. The volume comes last: a StorageClass may refuse to let it grow.
func (Provider) Objects(w database.Wanted, have database.Objects) []database.Object {
	out := []database.Object{
		scripts.ConfigMap(w, complete(w, have)), {Ref: policy(w), Intent: policyIntent(w)}, {Ref: service(w), Intent: serviceIntent(w)},
		{Ref: statefulSet(w), Intent: statefulSetIntent(w, have)},
	}
	if v := have[volume(w)]; v != nil {
		out = append(out, database.Object{Ref: volume(w), Intent: volumeIntent(w, have)})
	}
	return out
}

// Release implements database.Provider: there is no protection to lift.
func (Provider) Release(database.Wanted, database.Objects) []database.Object { return nil }

// Doomed implements database.Provider. The volume waits by itself until the pod is gone.
func (Provider) Doomed(w database.Wanted, _ database.Objects) []database.Ref {
	return []database.Ref{statefulSet(w), volume(w), service(w), policy(w), scripts.Ref(w), {GroupVersionKind: Secret, Name: AdminSecret(w)}}
}

var (
	dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	tag      = regexp.MustCompile(`^[0-9]+(\.[0-9A-Za-z]+)*$`)
	reserved = []string{"postgres", "template0", "template1"}
)

// Problems implements database.Provider.
func (Provider) Problems(w database.Wanted) []database.Problem {
	var out []database.Problem
	add := func(wrong bool, field, format string, args ...any) {
		if wrong {
			out = append(out, database.Problem{Field: field, Message: fmt.Sprintf(format, args...)})
		}
	}
	add(w.Engine != "postgres", "spec.engine.name", "%q is not offered by provider BuiltIn, which has postgres only; use a class of another provider", w.Engine)
	add(w.Version != "" && (!tag.MatchString(w.Version) || major(w.Version) < oldest), "spec.engine.version",
		"%q is not a version that provider BuiltIn knows; choose %d or newer", w.Version, oldest)
	add(w.HighAvailability, "spec.highAvailability", "provider BuiltIn has one server only; use CloudNativePG: a DatabaseClass with that provider")
	add(repository(w) == "", "spec.classRef", "DatabaseClass %q names no image of PostgreSQL and the operator has no default; set parameters.builtIn.image in the class", w.Class)
	add(slices.Contains(reserved, w.Database), "spec.databaseName", "%q is PostgreSQL's own database; choose another name", w.Database)
	lower := strings.ToLower(w.Username)
	add(lower == "postgres" || lower == "public" || lower == "none" || strings.HasPrefix(lower, "pg_"), "spec.username",
		"%q is PostgreSQL's own; choose another name", w.Username)
	add(len(w.Resource) > longest || !dnsLabel.MatchString(w.Resource), "spec.adopt.providerResourceName",
		"%q is not the name of a database of provider BuiltIn; see status.resource.name of the claim that had it, or the Secret's annotation %s",
		w.Resource, v1alpha1.AnnotationRetained)
	add(w.Restore != "" && w.Operator.StoreURL == "", "spec.restoreFrom", "snapshots of provider BuiltIn are in the artifact store, and the operator has none; set store in the chart's values")
	add(w.Restore != "" && !dnsLabel.MatchString(w.Restore), "spec.restoreFrom.snapshotName",
		"%q is not the name of a snapshot of provider BuiltIn; see status.lastSnapshot.name of the claim that took it", w.Restore)
	return out
}

// Examine implements database.Examiner.
func (Provider) Examine(w database.Wanted, have database.Objects) []database.Problem {
	was := recorded(w, have)
	if was == "" || w.Version == "" || major(was) == major(w.Version) {
		return nil
	}
	return []database.Problem{{Field: "spec.engine.version", Message: fmt.Sprintf(
		"%q is another major version than %s, which the data are of, and provider BuiltIn does not upgrade them; set it to %d, or take a snapshot and restore it with another DatabaseClaim",
		w.Version, was, major(was))}}
}

// recorded is the version that the data are of: it is written on the volume when the database was ready for the first time. Empty: no data yet.
func recorded(w database.Wanted, have database.Objects) string {
	if v := have[volume(w)]; v != nil {
		return v.GetAnnotations()[v1alpha1.AnnotationEngineVersion]
	}
	return ""
}

// version that runs: another major one than that of the data is not even tried.
func version(w database.Wanted, have database.Objects) string {
	was := recorded(w, have)
	wanted := cmp.Or(w.Version, was, scripts.DefaultVersion)
	if was != "" && major(was) != major(wanted) {
		return was
	}
	return wanted
}

func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return n
}

func repository(w database.Wanted) string {
	if p := w.Parameters.BuiltIn; p != nil && p.Image != "" {
		return p.Image
	}
	return w.Operator.Image
}

func image(w database.Wanted, have database.Objects) string {
	return repository(w) + ":" + version(w, have)
}

// running says whether the server takes connections, as far as the StatefulSet knows.
func running(w database.Wanted, have database.Objects) bool {
	s := have[statefulSet(w)]
	return s != nil && number(s, "status", "readyReplicas") > 0
}

// number at a path of an object; 0 when there is none.
func number(o *unstructured.Unstructured, path ...string) int64 {
	n, _, err := unstructured.NestedInt64(o.Object, path...)
	if err != nil {
		return 0
	}
	return n
}
