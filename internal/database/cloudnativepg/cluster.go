// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg

import (
	"cmp"
	"maps"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// Objects are the Cluster.
func (Provider) Objects(w database.Wanted, have database.Objects) []database.Object {
	cluster := have[clusterRef(w)]
	return []database.Object{clusterOf(w, cluster, roles(w, cluster))}
}

// clusterOf is the Cluster with the roles that it manages.
func clusterOf(w database.Wanted, cluster *unstructured.Unstructured, managed []any) database.Object {
	spec := map[string]any{
		"instances": servers(w),
		"storage":   storage(w, cluster),
		"bootstrap": bootstrap(w, cluster, managed),
		// The volumes carry the identity of the data too: nothing is deleted without it.
		"inheritedMetadata": marks(w),
		"backup":            map[string]any{"volumeSnapshot": snapshots(w)},
	}
	if name := image(w, cluster); name != "" {
		spec["imageName"] = name
	}
	if r := resources(w.Resources); len(r) > 0 {
		spec["resources"] = r
	}
	if len(managed) > 0 {
		spec["managed"] = map[string]any{"roles": managed}
	}
	intent := map[string]any{
		"apiVersion": clusterKind.GroupVersion().String(), "kind": clusterKind.Kind,
		"metadata": w.Metadata(w.Resource), "spec": spec,
	}
	return database.Object{Ref: clusterRef(w), Intent: intent}
}

func parameters(w database.Wanted) v1alpha1.CloudNativePGParameters {
	if p := w.Parameters.CloudNativePG; p != nil {
		return *p
	}
	return v1alpha1.CloudNativePGParameters{}
}

func servers(w database.Wanted) int64 {
	const several = 3
	switch p := parameters(w); {
	case !w.HighAvailability:
		return 1
	case p.Instances != nil:
		return int64(*p.Instances)
	default:
		return several
	}
}

// storage is never less than the Cluster has: CloudNativePG refuses every other change together with a disk that shrinks.
func storage(w database.Wanted, cluster *unstructured.Unstructured) map[string]any {
	size := w.Storage
	if has := v1alpha1.StorageSize(text(cluster, "spec", "storage", "size")); database.Mebibytes(has) > database.Mebibytes(size) {
		size = has
	}
	out := map[string]any{"size": string(size)}
	if class := parameters(w).StorageClassName; class != "" {
		out["storageClass"] = class
	}
	return out
}

// bootstrap is where the data came from. It cannot be changed later, and a claim that adopts a database does not know it: what is there stays,
// but for the Secret, from which CloudNativePG keeps setting the owner's password. Where applications have another login, the Secret is not
// the owner's: CloudNativePG would stop at it, and without any it would make one. So it is told the name of one that does not exist.
func bootstrap(w database.Wanted, cluster *unstructured.Unstructured, managed []any) map[string]any {
	secret := w.Secret
	if rotated(w, managed) {
		secret = w.Resource + "-owner"
	}
	application := map[string]any{"database": w.Database, "owner": w.Username, "secret": map[string]any{"name": secret}}
	if cluster != nil {
		if has, found, _ := unstructured.NestedMap(cluster.Object, "spec", "bootstrap"); found {
			for method := range has {
				if fields, is := has[method].(map[string]any); is {
					fields["secret"] = application["secret"]
				}
			}
			return has
		}
	}
	if w.Restore == "" {
		return map[string]any{"initdb": application}
	}
	application["volumeSnapshots"] = map[string]any{"storage": map[string]any{
		"apiGroup": snapshotGroup, "kind": snapshotKind.Kind, "name": w.Restore,
	}}
	return map[string]any{"recovery": application}
}

// snapshots are cold, because nothing archives the log: only a snapshot of a stopped server is complete by itself. They belong to nobody.
func snapshots(w database.Wanted) map[string]any {
	out := marks(w)
	out["snapshotOwnerReference"], out["online"] = "none", false
	if class := parameters(w).VolumeSnapshotClassName; class != "" {
		out["className"] = class
	}
	return out
}

// marks are for what CloudNativePG makes: the label that says who manages an object is its own.
func marks(w database.Wanted) map[string]any {
	return map[string]any{
		"labels":      map[string]any{v1alpha1.LabelDatabase: w.Claim},
		"annotations": map[string]any{v1alpha1.AnnotationDatabaseID: w.ID},
	}
}

// image is empty where CloudNativePG chooses. What runs stays when nobody cares for the version any more, or when it cannot become another one.
func image(w database.Wanted, cluster *unstructured.Unstructured) string {
	runs := text(cluster, "spec", "imageName")
	if w.Version == "" || refusal(w, cluster) != "" {
		return runs
	}
	return cmp.Or(parameters(w).Image, defaultImage) + ":" + w.Version
}

// refusal says why a Cluster cannot become the version that is asked for; empty if it can.
func refusal(w database.Wanted, cluster *unstructured.Unstructured) string {
	const firstTarget = 16 // CloudNativePG upgrades in place only to this one and later ones
	runs, asked := number(cluster, "status", "pgDataImageInfo", "majorVersion"), major(w.Version)
	switch {
	case runs == 0 || asked == 0 || runs == asked:
		return ""
	case asked < runs:
		return "spec.engine.version: PostgreSQL " + strconv.FormatInt(runs, 10) + " cannot become " + w.Version + ", which is older; set it back"
	case asked < firstTarget:
		return "spec.engine.version: CloudNativePG upgrades only to 16 and later, not to " + w.Version + "; choose a later version"
	default:
		return ""
	}
}

func major(version string) int64 {
	first, _, _ := strings.Cut(version, ".")
	n, _ := strconv.ParseInt(first, 10, 64)
	return n
}

func resources(r v1alpha1.Resources) map[string]any {
	out := map[string]any{}
	for name, amounts := range map[string]*v1alpha1.ResourceAmounts{"requests": r.Requests, "limits": r.Limits} {
		if amounts == nil {
			continue
		}
		list := map[string]any{"cpu": amounts.CPU, "memory": amounts.Memory, "ephemeral-storage": amounts.EphemeralStorage}
		maps.DeleteFunc(list, func(_ string, amount any) bool { return amount == "" })
		if len(list) > 0 {
			out[name] = list
		}
	}
	return out
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
