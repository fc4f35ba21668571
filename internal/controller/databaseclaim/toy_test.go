// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// toy is a provider whose databases are ConfigMaps: what they say of themselves is in their data, which tests write.
type toy struct{}

var configMap = corev1.SchemeGroupVersion.WithKind("ConfigMap")

func ref(name string) database.Ref { return database.Ref{GroupVersionKind: configMap, Name: name} }

func (toy) Kinds() []schema.GroupVersionKind     { return []schema.GroupVersionKind{configMap} }
func (toy) Install() string                      { return "install toys" }
func (toy) AdminSecret(w database.Wanted) string { return w.Resource + "-admin" }
func (toy) Home(w database.Wanted) database.Ref  { return ref(w.Resource) }

// Refs names the toy, and a volume that somebody else may have made for it.
func (toy) Refs(w database.Wanted) []database.Ref {
	return []database.Ref{ref(w.Resource), ref(w.Resource + "-volume")}
}

func (toy) Problems(w database.Wanted) []database.Problem {
	if w.HighAvailability {
		return []database.Problem{{Field: "spec.highAvailability", Message: "toys have none"}}
	}
	return nil
}

func (toy) Objects(w database.Wanted, _ database.Objects) []database.Object {
	return []database.Object{{Ref: ref(w.Resource), Intent: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": w.Metadata(w.Resource), "data": map[string]any{"storage": string(w.Storage), "secret": w.Secret},
	}}}
}

func says(obj *unstructured.Unstructured, key string) string {
	text, _, _ := unstructured.NestedString(obj.Object, "data", key)
	return text
}

func (toy) Read(w database.Wanted, have database.Objects) database.Facts {
	f := database.Facts{Host: w.Resource + ".example", Port: 5432}
	if obj := have[ref(w.Resource)]; obj != nil {
		f.Exists, f.ID, f.Ready, f.Failed = true, string(obj.GetUID()), says(obj, "is") == "ready", says(obj, "is") == "failed"
		f.Message, f.Storage = says(obj, "message"), v1alpha1.StorageSize(says(obj, "storage"))
	}
	return f
}

func (toy) SnapshotRefs(_ database.Wanted, name string) []database.Ref {
	return []database.Ref{ref(name)}
}

func (toy) Snapshot(w database.Wanted, name string, _ database.Objects) []database.Object {
	return []database.Object{{Ref: ref(name), Once: true, Intent: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": w.Metadata(name)}}}
}

func (toy) ReadSnapshot(_ database.Wanted, name string, have database.Objects) database.SnapshotFacts {
	obj := have[ref(name)]
	if obj == nil {
		return database.SnapshotFacts{Name: name}
	}
	return database.SnapshotFacts{Name: name, Exists: true, Usable: says(obj, "is") == "usable", Failed: says(obj, "is") == "failed", Message: says(obj, "message")}
}

func (toy) Release(database.Wanted, database.Objects) []database.Object { return nil }

func (toy) Doomed(w database.Wanted, _ database.Objects) []database.Ref {
	return []database.Ref{ref(w.Resource), ref(w.Resource + "-volume")}
}

func (toy) Unrotatable(w database.Wanted, _ database.Objects) string {
	if w.Engine != "postgres" {
		return "The engine " + w.Engine + " of toys has no rotation."
	}
	return ""
}

func (toy) Rotation(w database.Wanted, token string) database.Rotation {
	return database.Rotation{Token: token, Role: w.Username + "_" + token, PasswordSecret: w.Resource + "-r-" + token}
}

func (toy) RotationRefs(w database.Wanted, r database.Rotation) []database.Ref {
	return []database.Ref{ref(w.Resource + "-add-" + r.Token), ref(w.Resource + "-end-" + r.Token)}
}

func (toy) Add(w database.Wanted, r database.Rotation, _ database.Objects) []database.Object {
	return step(w, w.Resource+"-add-"+r.Token)
}

func (toy) Drop(w database.Wanted, r database.Rotation, _ database.Objects) []database.Object {
	return step(w, w.Resource+"-end-"+r.Token)
}

func (toy) ReadAdd(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	return progress(have[ref(w.Resource+"-add-"+r.Token)])
}

func (toy) ReadDrop(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	return progress(have[ref(w.Resource+"-end-"+r.Token)])
}

func step(w database.Wanted, name string) []database.Object {
	return []database.Object{{Ref: ref(name), Once: true, Intent: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": w.Metadata(name)}}}
}

func progress(o *unstructured.Unstructured) database.Progress {
	if o == nil {
		return database.Progress{}
	}
	return database.Progress{Exists: true, Done: says(o, "is") == "done", Failed: says(o, "is") == "failed", Message: "The toy failed."}
}
