// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rds makes databases with the ACK controller for Amazon RDS: a DBInstance for each, and a DBSnapshot for each snapshot. Pure.
package rds

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
	"github.com/beanpod-dev/beanpod/internal/database/scripts"
)

// What RDS takes as a password, whatever the engine: at most PasswordLength printable ASCII characters, none of PasswordExcludes.
const (
	PasswordLength   = 30
	PasswordExcludes = `/@"' \`
)

const group = "rds.services.k8s.aws"

// Annotations of the ACK controller.
const (
	annotationRegion         = "services.k8s.aws/region"
	annotationDeletionPolicy = "services.k8s.aws/deletion-policy"
	annotationAdoptionPolicy = "services.k8s.aws/adoption-policy"
	annotationSkipFinal      = group + "/skip-final-snapshot"
	annotationSecret         = group + "/last-applied-secret-reference"
)

var (
	instanceKind = schema.GroupVersionKind{Group: group, Version: "v1alpha1", Kind: "DBInstance"}
	snapshotKind = schema.GroupVersionKind{Group: group, Version: "v1alpha1", Kind: "DBSnapshot"}
)

// Provider makes databases with RDS.
type Provider struct{ jobs.Rotations }

var _ database.Provider = Provider{}

// Kinds must be served by the cluster.
func (Provider) Kinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{instanceKind, snapshotKind}
}

// Install says what to install.
func (Provider) Install() string {
	return "install the ACK controller for RDS, 1.11 or newer (https://aws-controllers-k8s.github.io/community)"
}

// engine is what RDS asks of an engine's names. A limit of 0 says that there is no database of a name; makesNone that RDS does not make it.
type engine struct {
	username, database int
	makesNone          bool
	reserved           []string
}

var (
	mysql     = engine{username: 16, database: 64, reserved: []string{"rdsadmin"}}
	oracle    = engine{username: 30, database: 8, reserved: []string{"rdsadmin", "sys", "system"}}
	sqlserver = engine{username: 128, reserved: []string{"rdsadmin", "sa", "admin"}}
	engines   = map[string]engine{
		"postgres": {username: 63, database: 63, makesNone: true, reserved: []string{"rdsadmin", "admin", master}},
		"mysql":    mysql, "mariadb": mysql,
		"oracle-ee": oracle, "oracle-ee-cdb": oracle, "oracle-se2": oracle, "oracle-se2-cdb": oracle,
		"sqlserver-ee": sqlserver, "sqlserver-se": sqlserver, "sqlserver-ex": sqlserver, "sqlserver-web": sqlserver,
	}
)

// Problems says what of a claim RDS does not have.
func (Provider) Problems(w database.Wanted) []database.Problem {
	var out []database.Problem
	add := func(field, format string, args ...any) {
		out = append(out, database.Problem{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	e, known := engines[w.Engine]
	if !known {
		var names []string
		for name := range engines {
			names = append(names, name)
		}
		slices.Sort(names)
		add("spec.engine.name", "%q cannot be had from RDS; choose one of: %s", w.Engine, strings.Join(names, ", "))
		return out
	}
	if len(w.Username) > e.username {
		add("spec.username", "%q is longer than the %d characters that RDS takes for %s", w.Username, e.username, w.Engine)
	}
	if slices.Contains(e.reserved, strings.ToLower(w.Username)) {
		add("spec.username", "%q is reserved by RDS for %s; choose another one", w.Username, w.Engine)
	}
	if e.database > 0 && len(w.Database) > e.database {
		add("spec.databaseName", "%q is longer than the %d characters that RDS takes for %s", w.Database, e.database, w.Engine)
	}
	if w.Engine == postgres && w.Operator.Image == "" {
		add("spec.classRef", "a database of DatabaseClass %q needs an image of PostgreSQL to make its user with, and the operator has none; set databases.image in the chart's values", w.Class)
	}
	if !strings.HasPrefix(class(w), "db.") {
		add("spec.instanceClass", "%q is no size of RDS, whose names begin with db.: db.t4g.micro", class(w))
	}
	return out
}

// Refs names the DBInstance, first, and what makes the application's user.
func (Provider) Refs(w database.Wanted) []database.Ref {
	out := []database.Ref{instanceRef(w)}
	if w.Engine == postgres {
		out = append(out, scripts.Ref(w), jobs.Ref(scripts.LoginJob(w)), database.PodOf(scripts.LoginJob(w)))
	}
	return out
}

// Release lifts AWS's protection and tells ACK to delete the database in AWS with the object, without another snapshot. Only after Released the
// object may be deleted: ACK changes nothing of an object that is being deleted, and AWS would refuse the deletion for ever.
func (Provider) Release(w database.Wanted, have database.Objects) []database.Object {
	o := instanceObject(w, have)
	annotations := o.Intent["metadata"].(map[string]any)["annotations"].(map[string]any)
	annotations[annotationDeletionPolicy], annotations[annotationSkipFinal] = "delete", "true"
	o.Intent["spec"].(map[string]any)["deletionProtection"] = false
	return []database.Object{o}
}

// Released says whether ACK has told AWS what Release changed; if not, why. ACK says of no change that it was seen: so its condition must be
// newer than the change itself, which the API server dates. It has whole seconds, and the same second proves nothing.
func (Provider) Released(w database.Wanted, have database.Objects) (bool, string) {
	instance := have[instanceRef(w)]
	if instance == nil {
		return true, ""
	}
	protected, set, _ := unstructured.NestedBool(instance.Object, "spec", "deletionProtection")
	if protected || !set || instance.GetAnnotations()[annotationDeletionPolicy] != "delete" {
		return false, fmt.Sprintf("DBInstance %s is still protected", w.Resource)
	}
	synced := condition(instance, "ACK.ResourceSynced")
	at, err := time.Parse(time.RFC3339, synced.at)
	if changed := lastChange(instance); synced.status != "True" || err != nil || changed.IsZero() || !at.After(changed) {
		return false, fmt.Sprintf("ACK has not lifted the protection of DBInstance %s in AWS yet%s", w.Resource, because(instance))
	}
	return true, ""
}

// lastChange is when somebody who owns the protection last changed the object; zero when nothing says it.
func lastChange(o *unstructured.Unstructured) time.Time {
	var last time.Time
	for _, entry := range o.GetManagedFields() {
		if entry.Time != nil && entry.FieldsV1 != nil &&
			strings.Contains(string(entry.FieldsV1.Raw), `"f:deletionProtection"`) && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}

// Doomed names the DBInstance, if it is there, and before it the scripts, which alone would not be a database.
func (Provider) Doomed(w database.Wanted, have database.Objects) []database.Ref {
	switch {
	case have[instanceRef(w)] == nil:
		return nil
	case have[scripts.Ref(w)] == nil:
		return []database.Ref{instanceRef(w)}
	default:
		return []database.Ref{scripts.Ref(w), instanceRef(w)}
	}
}

func instanceRef(w database.Wanted) database.Ref {
	return database.Ref{GroupVersionKind: instanceKind, Name: w.Resource}
}

func parameters(w database.Wanted) v1alpha1.RDSParameters {
	if p := w.Parameters.RDS; p != nil {
		return *p
	}
	return v1alpha1.RDSParameters{}
}
