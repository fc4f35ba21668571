// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rds

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/naming"
)

const (
	defaultClass   = "db.t4g.micro"
	defaultBackups = 7
)

// Objects are the DBInstance and, for PostgreSQL, what makes the application's user in it.
func (Provider) Objects(w database.Wanted, have database.Objects) []database.Object {
	return append([]database.Object{instanceObject(w, have)}, loginObjects(w, have)...)
}

func instanceObject(w database.Wanted, have database.Objects) database.Object {
	instance := have[instanceRef(w)]
	p := parameters(w)
	spec := created(w, instance)
	maps.Copy(spec, disk(w, instance))
	maps.Copy(spec, map[string]any{
		"dbInstanceClass":       class(w),
		"masterUserPassword":    map[string]any{"namespace": w.Namespace, "name": masterSecret(w, instance), "key": "password"},
		"multiAZ":               w.HighAvailability,
		"publiclyAccessible":    p.Exposure == v1alpha1.RDSPublic,
		"backupRetentionPeriod": backups(p),
		"copyTagsToSnapshot":    true,
		"deletionProtection":    true,
		"tags":                  ordered(instance, "tags", tags(w)),
	})
	if v := version(w, instance); v != "" {
		spec["engineVersion"] = v
	}
	if p.ParameterGroupName != "" {
		spec["dbParameterGroupName"] = p.ParameterGroupName
	}
	if len(p.SecurityGroupIDs) > 0 {
		ids := make([]any, len(p.SecurityGroupIDs))
		for i, id := range p.SecurityGroupIDs {
			ids[i] = id
		}
		spec["vpcSecurityGroupIDs"] = ordered(instance, "vpcSecurityGroupIDs", ids)
	}
	intent := map[string]any{
		"apiVersion": instanceKind.GroupVersion().String(), "kind": instanceKind.Kind, "metadata": metadata(w, w.Resource), "spec": spec,
	}
	if loginMade(w, have) {
		intent["metadata"].(map[string]any)["annotations"].(map[string]any)[v1alpha1.AnnotationLoginMade] = "true"
	}
	return database.Object{Ref: instanceRef(w), Intent: intent}
}

// metadata tells ACK the region, that nothing in AWS is deleted with an object, and that an object which was lost and is made again finds what
// is in AWS: its identifier holds a hash of the data's identity, so that it is nobody else's.
func metadata(w database.Wanted, name string) map[string]any {
	out := w.Metadata(name)
	annotations := out["annotations"].(map[string]any)
	annotations[annotationDeletionPolicy], annotations[annotationAdoptionPolicy] = "retain", "adopt-or-create"
	annotations[annotationRegion] = parameters(w).Region
	return out
}

// Fields that AWS takes only when it makes a database, or whose change would stop it. What the object says stays: ACK fills in what AWS chose,
// the key's ARN for its alias for example, and would take anything else for a change that it can never make.
var once = []string{
	"dbInstanceIdentifier", "engine", "dbName", "masterUsername", "dbSnapshotIdentifier", "storageEncrypted", "kmsKeyID", "dbSubnetGroupName",
}

func created(w database.Wanted, instance *unstructured.Unstructured) map[string]any {
	out := map[string]any{}
	if instance != nil {
		for _, name := range once {
			if value, found, _ := unstructured.NestedFieldCopy(instance.Object, "spec", name); found {
				out[name] = value
			}
		}
		return out
	}
	p := parameters(w)
	out["dbInstanceIdentifier"], out["engine"] = naming.RDS(w.Namespace, w.Resource, w.ID), w.Engine
	if p.SubnetGroupName != "" {
		out["dbSubnetGroupName"] = p.SubnetGroupName
	}
	if w.Restore != "" { // the names and the key are those of the snapshot, and RDS takes no others
		out["dbSnapshotIdentifier"] = w.Restore
		return out
	}
	out["masterUsername"], out["storageEncrypted"] = w.Username, true
	if w.Engine == postgres {
		out["masterUsername"] = master
	}
	if e := engines[w.Engine]; e.database > 0 && !e.makesNone {
		out["dbName"] = w.Database
	}
	if p.KMSKeyID != "" {
		out["kmsKeyID"] = p.KMSKeyID
	}
	return out
}

// disk is in whole GiB. It is never less than there is, because a disk cannot shrink, and grows by a tenth at least, because RDS would round
// up to that and ACK would take the rounding for a change.
func disk(w database.Wanted, instance *unstructured.Unstructured) map[string]any {
	const mebibytes, tenth = 1024, 10
	kind := strings.ToLower(cmp.Or(string(parameters(w).StorageType), "GP3"))
	least, provisioned := int64(20), strings.HasPrefix(kind, "io")
	if provisioned {
		least = 100
	}
	size := max(least, (database.Mebibytes(w.Storage)+mebibytes-1)/mebibytes)
	if has := number(instance, "spec", "allocatedStorage"); has >= size {
		size = has
	} else if has > 0 {
		size = max(size, has+(has+tenth-1)/tenth)
	}
	out := map[string]any{"storageType": kind, "allocatedStorage": size}
	if provisioned {
		out["iops"] = min(80_000, max(1000, 3*size)) // RDS has no default for these disks; this is what GP3 and GP2 begin with
	}
	return out
}

func class(w database.Wanted) string { return cmp.Or(w.InstanceClass, defaultClass) }

func backups(p v1alpha1.RDSParameters) int64 {
	if p.BackupRetentionDays != nil {
		return int64(*p.BackupRetentionDays)
	}
	return defaultBackups
}

// version is what runs, as ACK wrote it, while that is as new as what is asked for: RDS installs newer ones by itself, and none goes back.
func version(w database.Wanted, instance *unstructured.Unstructured) string {
	runs := text(instance, "spec", "engineVersion")
	if w.Version == "" || runs != "" && !newer(w.Version, runs) {
		return runs
	}
	return w.Version
}

// newer says whether a version is higher than another one as far as it is exact: 16 is not newer than 16.4, nor is 16.4 than 16.4.
func newer(version, than string) bool {
	a, b := strings.Split(version, "."), strings.Split(than, ".")
	for i := range a {
		if i >= len(b) {
			return true
		}
		x, errX := strconv.Atoi(a[i])
		y, errY := strconv.Atoi(b[i])
		switch {
		case a[i] == b[i]:
		case errX == nil && errY == nil:
			return x > y
		default:
			return a[i] > b[i]
		}
	}
	return false
}

// tags say in AWS what the labels and annotations say in the cluster.
func tags(w database.Wanted) []any {
	marks := w.Labels()
	maps.Copy(marks, w.Annotations())
	var out []any
	for _, key := range slices.Sorted(maps.Keys(marks)) {
		out = append(out, map[string]any{"key": key, "value": marks[key]})
	}
	return out
}

// ordered is a list in the order that ACK wrote it in, if it holds the same. To AWS it has no order; to the API server it has.
func ordered(instance *unstructured.Unstructured, field string, want []any) []any {
	if instance == nil {
		return want
	}
	has, _, _ := unstructured.NestedSlice(instance.Object, "spec", field)
	for _, one := range want {
		if !slices.ContainsFunc(has, func(other any) bool { return reflect.DeepEqual(one, other) }) {
			return want
		}
	}
	if len(has) != len(want) {
		return want
	}
	return has
}

// text reads a field; empty when it or the object is not there.
func text(o *unstructured.Unstructured, path ...string) string {
	if o == nil {
		return ""
	}
	s, _, _ := unstructured.NestedString(o.Object, path...)
	return s
}

// number reads a field; 0 when it or the object is not there.
func number(o *unstructured.Unstructured, path ...string) int64 {
	if o == nil {
		return 0
	}
	n, _, _ := unstructured.NestedInt64(o.Object, path...)
	return n
}
