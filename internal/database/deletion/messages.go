// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// most Environments that a message names.
const most = 5

// patch is the command that changes a field of the spec. The values are JSON.
func (o Observed) patch(field, value string) string {
	return fmt.Sprintf(`kubectl patch databaseclaim %s -n %s --type=merge -p '{"spec":{"%s":%s}}'`, o.Claim, o.Namespace, field, value)
}

func (o Observed) retain() string { return o.patch("deletionPolicy", `"Retain"`) }

func (o Observed) protected() string {
	return fmt.Sprintf("spec.deletionProtection is true, so nothing is deleted. To go on with policy %s: %s",
		cmp.Or(o.Policy, v1alpha1.DatabaseRetain), o.patch("deletionProtection", "false"))
}

func (o Observed) classMissing() string {
	return fmt.Sprintf("DatabaseClass %q does not exist, so nothing is destroyed. Create it again, or let go of the database and keep it: %s", o.ClassName, o.retain())
}

func (o Observed) classForbids() string {
	return fmt.Sprintf("DatabaseClass %q does not allow spec.deletionPolicy %s. Choose one that it allows, or keep the database: %s", o.ClassName, o.Policy, o.retain())
}

func (o Observed) inUse() string {
	names, more := o.Users, ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(o.Users)-most)
	}
	return fmt.Sprintf("Environments bind the claim: %s%s. Remove it from their spec.databases, or keep the database: %s", strings.Join(names, ", "), more, o.retain())
}

func (o Observed) unconfirmed() string {
	given := ""
	if o.Confirmation != "" {
		given = fmt.Sprintf(" The annotation is %q, which is not the UID of this claim.", o.Confirmation)
	}
	return fmt.Sprintf("spec.deletionPolicy is Delete, and nobody confirmed it.%s To delete the data %s after a confirmation: kubectl annotate databaseclaim %s -n %s --overwrite %s=%s",
		given, span(o.delay()), o.Claim, o.Namespace, v1alpha1.AnnotationConfirmDeletion, o.UID)
}

func (o Observed) unavailable() string {
	text := fmt.Sprintf("The provider cannot be asked about %s, so nothing is destroyed and the claim stays; it is asked again every minute.", o.resource())
	if o.Record.Phase == v1alpha1.DeletionDestroying {
		return fmt.Sprintf("The provider cannot be asked whether %s is gone, so the claim stays; it is asked again every minute.", o.resource())
	}
	return text + " To let go without asking and keep the database: " + o.retain()
}

func (o Observed) notOurs() string {
	return fmt.Sprintf("%s has id %q and annotation %s %q; the claim's database has id %q and %q. It is not touched. Find out who made it; to let go of it: %s",
		o.resource(), o.FoundID, v1alpha1.AnnotationDatabaseID, o.Mark, o.RecordedID, o.OurMark, o.retain())
}

func (o Observed) snapshotting(name string) string {
	return fmt.Sprintf("Snapshot %s must be complete and checked before %s is deleted. %s", name, o.resource(), o.callBack())
}

func (o Observed) snapshotFailed() string {
	said := ""
	if o.SnapshotMessage != "" {
		said = ": " + strings.TrimSuffix(o.SnapshotMessage, ".")
	}
	return fmt.Sprintf("Snapshot %s failed%s. Nothing is deleted. For another attempt set spec.deletionProtection to true and back to false, which begins anew; to keep the database: %s",
		o.Record.Snapshot, said, o.retain())
}

func (o Observed) coolingUntil(since time.Time) string {
	return fmt.Sprintf("%s is deleted after %s. %s", o.resource(), since.Add(o.delay()).UTC().Format(time.RFC3339), o.callBack())
}

// callBack is the surest way back, whatever the policy.
func (o Observed) callBack() string {
	return "To call it back: " + o.patch("deletionProtection", "true")
}

func (o Observed) braked() string {
	return fmt.Sprintf("The pause is over, and other databases were deleted just now, so %s waits for %s more. %s", o.resource(), span(o.Brake), o.callBack())
}

func (o Observed) destroyed() string {
	return fmt.Sprintf("%s is being deleted, which cannot be called back. The claim goes when the provider says that it is gone.", o.resource())
}

func (o Observed) missingUnsaved() string {
	return fmt.Sprintf("%s does not exist any more, so no snapshot can be taken of it. To let go of the claim set spec.deletionPolicy to Delete or Retain: %s", o.resource(), o.retain())
}

func (o Observed) looksGone() string {
	return fmt.Sprintf("%s was not found. The provider is asked once more before the claim goes.", o.resource())
}

func (o Observed) resource() string { return cmp.Or(o.Resource, "The database") }

// span is a duration as people write it: 72h, 30m, 45s.
func span(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
