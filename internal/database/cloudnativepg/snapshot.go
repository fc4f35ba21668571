// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// SnapshotRefs names the Backup and the VolumeSnapshot that CloudNativePG makes of it, which has the same name.
func (Provider) SnapshotRefs(_ database.Wanted, name string) []database.Ref {
	return []database.Ref{backup(name), volumeSnapshot(name)}
}

// Snapshot is a Backup of the primary: a standby may be behind, and what it lacks would be lost when the database is deleted after it.
func (Provider) Snapshot(w database.Wanted, name string, _ database.Objects) []database.Object {
	intent := map[string]any{
		"apiVersion": backupKind.GroupVersion().String(), "kind": backupKind.Kind, "metadata": w.Metadata(name),
		"spec": map[string]any{
			"cluster": map[string]any{"name": w.Resource},
			"method":  "volumeSnapshot", "online": false, "target": "primary",
		},
	}
	return []database.Object{{Ref: backup(name), Intent: intent, Once: true}}
}

// ReadSnapshot says that a snapshot is usable when CloudNativePG says that it is complete, and the volume snapshot itself that it can be used.
func (Provider) ReadSnapshot(w database.Wanted, name string, have database.Objects) database.SnapshotFacts {
	b := have[backup(name)]
	if b == nil {
		return database.SnapshotFacts{}
	}
	facts := database.SnapshotFacts{Exists: true, Name: name}
	if b.GetAnnotations()[v1alpha1.AnnotationDatabaseID] != w.ID || text(b, "spec", "cluster", "name") != w.Resource {
		facts.Failed, facts.Message = true, fmt.Sprintf("Backup %s is of another database; choose another name for the snapshot", name)
		return facts
	}
	switch phase := text(b, "status", "phase"); phase {
	case "completed":
		facts.Message = missing(w, b, have[volumeSnapshot(name)], name)
		facts.Usable = facts.Message == ""
	case "failed":
		facts.Failed, facts.Message = true, fmt.Sprintf("Backup %s failed: %s", name, text(b, "status", "error"))
	case "":
		facts.Message = fmt.Sprintf("CloudNativePG has not begun Backup %s yet", name)
	default:
		facts.Message = fmt.Sprintf("Backup %s is %s", name, phase)
	}
	return facts
}

// missing says what a complete Backup lacks to be restored from; empty if nothing.
func missing(w database.Wanted, b, snapshot *unstructured.Unstructured, name string) string {
	elements, _, _ := unstructured.NestedSlice(b.Object, "status", "snapshotBackupStatus", "elements")
	if len(elements) == 0 {
		return fmt.Sprintf("Backup %s is complete, but names no VolumeSnapshot", name)
	}
	for _, e := range elements {
		if element, _ := e.(map[string]any); element["name"] != name || element["type"] != "PG_DATA" {
			return fmt.Sprintf("Backup %s has parts besides the VolumeSnapshot of its data: the Cluster has volumes that Beanpod did not ask for", name)
		}
	}
	switch {
	case snapshot == nil:
		return fmt.Sprintf("VolumeSnapshot %s is gone", name)
	case snapshot.GetDeletionTimestamp() != nil:
		return fmt.Sprintf("VolumeSnapshot %s is being deleted", name)
	case snapshot.GetAnnotations()[v1alpha1.AnnotationDatabaseID] != w.ID:
		return fmt.Sprintf("VolumeSnapshot %s is of another database", name)
	}
	if usable, _, _ := unstructured.NestedBool(snapshot.Object, "status", "readyToUse"); !usable {
		if problem := text(snapshot, "status", "error", "message"); problem != "" {
			return fmt.Sprintf("VolumeSnapshot %s is not ready: %s", name, problem)
		}
		return fmt.Sprintf("VolumeSnapshot %s is not ready yet", name)
	}
	return ""
}

func backup(name string) database.Ref { return database.Ref{GroupVersionKind: backupKind, Name: name} }

func volumeSnapshot(name string) database.Ref {
	return database.Ref{GroupVersionKind: snapshotKind, Name: name}
}
