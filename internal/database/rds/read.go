// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rds

import (
	"fmt"
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/scripts"
)

// What RDS calls a database that takes connections. In any other state, and in those that nobody here knows, it counts as not ready.
var serving = []string{
	"available", "backing-up", "storage-optimization", "configuring-enhanced-monitoring", "configuring-iam-database-auth", "configuring-log-exports",
}

// States that end only when somebody does something, with what to do.
var stuck = map[string]string{
	"failed":                                          "AWS cannot recover it; restore a snapshot into another claim",
	"incompatible-credentials":                        "see the events of the database in AWS",
	"incompatible-network":                            "correct parameters.rds.subnetGroupName and securityGroupIDs of the DatabaseClass, and the network in AWS",
	"incompatible-option-group":                       "correct its option group in AWS",
	"incompatible-parameters":                         "correct the parameter group that parameters.rds.parameterGroupName of the DatabaseClass names",
	"incompatible-restore":                            "restore another snapshot",
	"inaccessible-encryption-credentials":             "give RDS access to the key in parameters.rds.kmsKeyID of the DatabaseClass",
	"inaccessible-encryption-credentials-recoverable": "give RDS access to the key in parameters.rds.kmsKeyID of the DatabaseClass, and start the database in AWS",
	"insufficient-capacity":                           "choose another spec.instanceClass",
	"restore-error":                                   "restore another snapshot",
	"stopped":                                         "start it in AWS",
	"storage-full":                                    "raise spec.storage",
	"unsupported-configuration":                       "correct the DatabaseClass",
}

// Read says what ACK says of the database, and whether the application's user is there.
func (Provider) Read(w database.Wanted, have database.Objects) database.Facts {
	instance := have[instanceRef(w)]
	facts, advice := served(w, have)
	if instance == nil {
		return facts
	}
	facts.Message = message(w, instance, facts, advice)
	if facts.Ready && apart(w, instance) && !loginMade(w, have) {
		_, failed, problem := loginJob(w, have)
		facts.Ready, facts.Failed = false, failed
		facts.Message = fmt.Sprintf("DBInstance %s is there, and Job %s makes the user %s in it", w.Resource, scripts.LoginJob(w), w.Username)
		if problem != "" {
			facts.Message += ": " + problem
		}
	}
	return facts
}

// served is what ACK says, with advice for whoever must do something.
func served(w database.Wanted, have database.Objects) (facts database.Facts, advice string) {
	instance := have[instanceRef(w)]
	if instance == nil {
		return database.Facts{}, ""
	}
	state := text(instance, "status", "dbInstanceStatus")
	facts = database.Facts{
		Exists: true, Deleting: instance.GetDeletionTimestamp() != nil || state == "deleting" || state == "deleted", ID: identity(instance),
		Host: text(instance, "status", "endpoint", "address"),
	}
	if port := number(instance, "status", "endpoint", "port"); port > 0 && port <= math.MaxUint16 {
		facts.Port = int32(port)
	}
	if slices.Contains(serving, state) {
		facts.EngineVersion = text(instance, "spec", "engineVersion")
		if number(instance, "status", "pendingModifiedValues", "allocatedStorage") == 0 {
			facts.Storage = database.Size(number(instance, "spec", "allocatedStorage") << 10)
		}
	}
	facts.Ready = slices.Contains(serving, state) && facts.Host != "" && facts.Port != 0 && hasPassword(w, instance)
	advice, isStuck := stuck[state]
	refused := condition(instance, "ACK.Terminal").status == "True"
	facts.Failed = !facts.Ready && !facts.Deleting && (isStuck || refused)
	return facts, advice
}

// identity is the ARN, which the next database of the same name would have too, and AWS's own id, which no other one ever has.
func identity(instance *unstructured.Unstructured) string {
	arn, id := text(instance, "status", "ackResourceMetadata", "arn"), text(instance, "status", "dbiResourceID")
	if arn == "" || id == "" {
		return ""
	}
	return arn + "#" + id
}

// hasPassword says whether the password is the one in the Secret. A database that comes from a snapshot has the old one first, and ACK tells
// AWS the new one after it is available.
func hasPassword(w database.Wanted, instance *unstructured.Unstructured) bool {
	if text(instance, "spec", "dbSnapshotIdentifier") == "" {
		return true
	}
	return instance.GetAnnotations()[annotationSecret] == w.Namespace+"/"+masterSecret(w, instance)+".password" &&
		text(instance, "status", "pendingModifiedValues", "masterUserPassword") == ""
}

func message(w database.Wanted, instance *unstructured.Unstructured, facts database.Facts, advice string) string {
	state := text(instance, "status", "dbInstanceStatus")
	var out string
	switch {
	case facts.Ready:
		out = fmt.Sprintf("DBInstance %s takes connections: it is %s", w.Resource, state)
	case state == "" && because(instance) == "":
		return fmt.Sprintf("ACK has not said anything of DBInstance %s yet; check that its controller for RDS runs and watches namespace %s", w.Resource, w.Namespace)
	case state == "":
		out = fmt.Sprintf("DBInstance %s is not in AWS yet", w.Resource)
	case slices.Contains(serving, state):
		out = fmt.Sprintf("DBInstance %s is %s, but its address or its password is not set yet", w.Resource, state)
	default:
		out = fmt.Sprintf("DBInstance %s does not take connections: it is %s", w.Resource, state)
	}
	out += because(instance)
	if advice != "" {
		out += "; " + advice
	}
	return out
}

// because is what ACK complains of, as the end of a sentence; empty for nothing.
func because(instance *unstructured.Unstructured) string {
	for _, kind := range []string{"ACK.Terminal", "ACK.Recoverable"} {
		if c := condition(instance, kind); c.status == "True" && c.message != "" {
			return "; ACK says: " + c.message
		}
	}
	return ""
}

type ackCondition struct{ status, message, at string }

func condition(o *unstructured.Unstructured, kind string) ackCondition {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		if fields, is := c.(map[string]any); is && fields["type"] == kind {
			status, _ := fields["status"].(string)
			message, _ := fields["message"].(string)
			at, _ := fields["lastTransitionTime"].(string)
			return ackCondition{status, message, at}
		}
	}
	return ackCondition{}
}
