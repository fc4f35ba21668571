// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rds

import (
	"fmt"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/naming"
)

// SnapshotRefs names the DBSnapshot, and the DBInstance that it must be of.
func (Provider) SnapshotRefs(w database.Wanted, name string) []database.Ref {
	return []database.Ref{snapshotRef(name), instanceRef(w)}
}

// Snapshot is a DBSnapshot. Its object may go, with its namespace too, and the snapshot stays in AWS.
func (Provider) Snapshot(w database.Wanted, name string, have database.Objects) []database.Object {
	identifier := text(have[instanceRef(w)], "spec", "dbInstanceIdentifier")
	if identifier == "" {
		identifier = naming.RDS(w.Namespace, w.Resource, w.ID)
	}
	intent := map[string]any{
		"apiVersion": snapshotKind.GroupVersion().String(), "kind": snapshotKind.Kind, "metadata": metadata(w, name),
		"spec": map[string]any{
			"dbInstanceIdentifier": identifier, "dbSnapshotIdentifier": naming.RDS(w.Namespace, name, w.ID), "tags": tags(w),
		},
	}
	return []database.Object{{Ref: snapshotRef(name), Intent: intent, Once: true}}
}

// ReadSnapshot says that a snapshot is usable when AWS says that it is available and whole, and that it is of this very database. Its Name is
// AWS's: a claim in any namespace or cluster can restore it.
func (Provider) ReadSnapshot(w database.Wanted, name string, have database.Objects) database.SnapshotFacts {
	snapshot := have[snapshotRef(name)]
	if snapshot == nil {
		return database.SnapshotFacts{}
	}
	facts := database.SnapshotFacts{Exists: true, Name: text(snapshot, "spec", "dbSnapshotIdentifier")}
	instance := have[instanceRef(w)]
	of, is := text(snapshot, "status", "dbiResourceID"), text(instance, "status", "dbiResourceID")
	if instance == nil {
		is = of // the database is gone already, and the identity on the object must do
	}
	state := text(snapshot, "status", "status")
	switch progress := number(snapshot, "status", "percentProgress"); {
	case snapshot.GetAnnotations()[v1alpha1.AnnotationDatabaseID] != w.ID || of != "" && is != "" && of != is:
		facts.Failed, facts.Message = true, fmt.Sprintf("DBSnapshot %s is of another database; choose another name for the snapshot", name)
	case snapshot.GetDeletionTimestamp() != nil:
		facts.Message = fmt.Sprintf("DBSnapshot %s is being deleted", name)
	case condition(snapshot, "ACK.Terminal").status == "True", state == "failed":
		facts.Failed, facts.Message = true, fmt.Sprintf("DBSnapshot %s failed%s", name, because(snapshot))
	case state == "available" && progress == 100 && text(snapshot, "status", "ackResourceMetadata", "arn") != "" && of != "" && of == is:
		facts.Usable = true
	case state == "available" && progress == 100:
		facts.Message = fmt.Sprintf("DBSnapshot %s is available, but AWS does not say yet that it is of this database", name)
	case state == "":
		facts.Message = fmt.Sprintf("ACK has not begun DBSnapshot %s yet%s", name, because(snapshot))
	default:
		facts.Message = fmt.Sprintf("DBSnapshot %s is %s, %d percent%s", name, state, progress, because(snapshot))
	}
	return facts
}

func snapshotRef(name string) database.Ref {
	return database.Ref{GroupVersionKind: snapshotKind, Name: name}
}
