// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rds_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/beanpod-dev/beanpod/internal/database"
)

// available is a DBInstance as version 1.11 of ACK's controller writes it.
const available = `
metadata: {name: shop-db-db, namespace: shop, annotations: {beanpod.dev/login-made: "true"}}
spec:
  allocatedStorage: 20
  dbInstanceClass: db.t4g.micro
  dbInstanceIdentifier: beanpod-shop-shop-db-db-52716a49ce
  engine: postgres
  engineVersion: "16.4"
status:
  ackResourceMetadata: {arn: "arn:aws:rds:eu-central-1:123456789012:db:beanpod-shop-shop-db-db-52716a49ce", ownerAccountID: "123456789012", region: eu-central-1}
  dbiResourceID: db-ABCDEFGHIJKLMNOP
  dbInstanceStatus: STATE
  endpoint: {address: beanpod-shop.c0ffee.eu-central-1.rds.amazonaws.com, hostedZoneID: Z1, port: 5432}
  conditions:
  - {type: ACK.ResourceSynced, status: "True", message: Resource synced successfully, reason: "", lastTransitionTime: "2026-01-02T03:04:05Z"}
  - {type: Ready, status: "True", lastTransitionTime: "2026-01-02T03:04:05Z"}
`

func TestRead(t *testing.T) {
	t.Parallel()
	in := func(state string, replace ...string) string {
		return strings.NewReplacer(append([]string{"STATE", state}, replace...)...).Replace(available)
	}
	complains := func(kind string) []string {
		return []string{"  conditions:\n", "  conditions:\n  - {type: " + kind + `, status: "True", message: "InvalidParameterValue: no such group"}` + "\n"}
	}
	up := database.Facts{
		Exists: true, Ready: true, ID: "arn:aws:rds:eu-central-1:123456789012:db:beanpod-shop-shop-db-db-52716a49ce#db-ABCDEFGHIJKLMNOP",
		Host: "beanpod-shop.c0ffee.eu-central-1.rds.amazonaws.com", Port: 5432, EngineVersion: "16.4", Storage: "20Gi",
	}
	down := up
	down.Ready, down.EngineVersion, down.Storage = false, "", ""
	failed, leaving, starting, growing := down, down, up, up
	failed.Failed, leaving.Deleting, growing.Storage = true, true, ""
	starting.Ready, starting.Host, starting.Port = false, "", 0
	restoring := up
	restoring.Ready = false
	leavingUp := up
	leavingUp.Deleting = true
	const address, secret = "endpoint: {address: beanpod-shop.c0ffee.eu-central-1.rds.amazonaws.com, hostedZoneID: Z1, port: 5432}", "rds.services.k8s.aws/last-applied-secret-reference"
	fromSnapshot := []string{"spec:\n", "spec:\n  dbSnapshotIdentifier: s\n"}
	withSecret := append([]string{"annotations: {", "annotations: {" + secret + ": shop/shop-db-db-admin.password, "}, fromSnapshot...)
	for name, tc := range map[string]struct {
		text string
		want database.Facts
		says string
	}{
		"available":                {in("available"), up, "takes connections: it is available"},
		"backing up":               {in("backing-up"), up, "it is backing-up"},
		"optimizing its disk":      {in("storage-optimization"), up, "it is storage-optimization"},
		"a disk that grows":        {in("available", "  conditions:", "  pendingModifiedValues: {allocatedStorage: 40}\n  conditions:"), growing, "available"},
		"creating":                 {in("creating", address, "x: y"), func() database.Facts { f := down; f.Host, f.Port = "", 0; return f }(), "it is creating"},
		"available, no address":    {in("available", address, "x: y"), starting, "its address or its password is not set yet"},
		"modifying":                {in("modifying"), down, "it is modifying"},
		"rebooting":                {in("rebooting"), down, "it is rebooting"},
		"upgrading":                {in("upgrading"), down, "it is upgrading"},
		"a state of the future":    {in("daydreaming"), down, "it is daydreaming"},
		"deleting in AWS":          {in("deleting", complains("ACK.Terminal")...), leaving, "it is deleting"},
		"deleted in AWS":           {in("deleted"), leaving, "it is deleted"},
		"object is being deleted":  {in("available", "metadata: {", `metadata: {deletionTimestamp: "2026-01-02T03:04:05Z", `), leavingUp, "available"},
		"failed":                   {in("failed"), failed, "restore a snapshot"},
		"disk is full":             {in("storage-full"), failed, "raise spec.storage"},
		"stopped":                  {in("stopped"), failed, "start it in AWS"},
		"no key":                   {in("inaccessible-encryption-credentials"), failed, "parameters.rds.kmsKeyID"},
		"refused while it creates": {in("creating", complains("ACK.Terminal")...), failed, "ACK says: InvalidParameterValue: no such group"},
		"refused while it serves":  {in("available", complains("ACK.Terminal")...), up, "ACK says: InvalidParameterValue"},
		"may recover":              {in("creating", complains("ACK.Recoverable")...), down, "ACK says: InvalidParameterValue"},
		"nothing said":             {"spec: {engine: postgres}", database.Facts{Exists: true}, "watches namespace shop"},
		"state is empty":           {in(`""`), down, "has not said anything"},
		"never made": {
			`status: {conditions: [{type: ACK.Terminal, status: "True", message: no quota}]}`, database.Facts{Exists: true, Failed: true}, "is not in AWS yet; ACK says: no quota",
		},
		"cannot ask AWS": {
			`status: {conditions: [{type: ACK.Recoverable, status: "True", message: AccessDenied}]}`, database.Facts{Exists: true}, "AccessDenied",
		},
		"a port that is none":                    {in("available", "port: 5432", "port: 70000"), func() database.Facts { f := up; f.Ready, f.Port = false, 0; return f }(), "not set yet"},
		"no id of AWS":                           {in("available", "dbiResourceID: db-ABCDEFGHIJKLMNOP", "x: y"), func() database.Facts { f := up; f.ID = ""; return f }(), "available"},
		"from a snapshot, with the old password": {in("available", fromSnapshot...), restoring, "its password is not set yet"},
		"from a snapshot":                        {in("available", withSecret...), up, "available"},
		"from a snapshot, the password is on its way": {
			in("available", append([]string{"  conditions:", "  pendingModifiedValues: {masterUserPassword: '****'}\n  conditions:"}, withSecret...)...), restoring, "password",
		},
	} {
		w := wanted()
		got := provider.Read(w, instance(t, w, tc.text))
		if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(database.Facts{}, "Message")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !strings.Contains(got.Message, tc.says) || !strings.Contains(got.Message, "DBInstance shop-db-db") {
			t.Errorf("%s: the message is %q, without %q", name, got.Message, tc.says)
		}
	}
	if got := provider.Read(wanted(), nil); got != (database.Facts{}) {
		t.Errorf("nothing is there, and Read says %+v", got)
	}
}

func TestReadSnapshot(t *testing.T) {
	t.Parallel()
	const name = "shop-db-final"
	const whole = `
metadata: {name: shop-db-final, annotations: {beanpod.dev/database-id: 0f0e0d0c-1111-2222-3333-444455556666}}
spec: {dbInstanceIdentifier: i, dbSnapshotIdentifier: beanpod-shop-shop-db-final-1}
status:
  ackResourceMetadata: {arn: "arn:aws:rds:eu-central-1:123456789012:snapshot:beanpod-shop-shop-db-final-1", ownerAccountID: "1", region: eu-central-1}
  dbiResourceID: db-ABCDEFGHIJKLMNOP
  status: available
  percentProgress: 100
`
	usable := database.SnapshotFacts{Exists: true, Usable: true, Name: "beanpod-shop-shop-db-final-1"}
	wait, failed := usable, usable
	wait.Usable, failed.Usable, failed.Failed = false, false, true
	database1 := strings.ReplaceAll(available, "STATE", "available")
	for title, tc := range map[string]struct {
		old, new string
		instance string
		want     database.SnapshotFacts
		says     string
	}{
		"usable":                     {"", "", database1, usable, ""},
		"the database is gone":       {"", "", "", usable, ""},
		"not whole":                  {"percentProgress: 100", "percentProgress: 99", database1, wait, "is available, 99 percent"},
		"no percentage":              {"percentProgress: 100", "port: 5432", database1, wait, "0 percent"},
		"creating":                   {"status: available", "status: creating", database1, wait, "is creating"},
		"an unknown state":           {"status: available", "status: elsewhere", database1, wait, "is elsewhere"},
		"no state":                   {"status: available", "x: y", database1, wait, "not begun"},
		"no ARN":                     {"arn: ", "region2: ", database1, wait, "does not say yet"},
		"no id":                      {"dbiResourceID: db-ABCDEFGHIJKLMNOP", "x: y", database1, wait, "does not say yet"},
		"the database has no id yet": {"", "", "spec: {engine: postgres}", wait, "does not say yet"},
		"of another database":        {"db-ABCDEFGHIJKLMNOP", "db-ZZZ", database1, failed, "of another database"},
		"another's object":           {"database-id: 0f", "database-id: 1f", database1, failed, "of another database"},
		"failed":                     {"status: available", "status: failed", database1, failed, "failed"},
		"leaving":                    {"metadata: {", `metadata: {deletionTimestamp: "2026-01-02T03:04:05Z", `, database1, wait, "being deleted"},
		"refused": {
			"  status: available", `  conditions: [{type: ACK.Terminal, status: "True", message: no quota}]`, database1, failed, "ACK says: no quota",
		},
	} {
		w := wanted()
		refs := provider.SnapshotRefs(w, name)
		have := database.Objects{refs[0]: object(t, "DBSnapshot", strings.Replace(whole, tc.old, tc.new, 1))}
		if tc.instance != "" {
			have[refs[1]] = object(t, "DBInstance", tc.instance)
		}
		got := provider.ReadSnapshot(w, name, have)
		if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(database.SnapshotFacts{}, "Message")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", title, diff)
		}
		if !strings.Contains(got.Message, tc.says) {
			t.Errorf("%s: the message is %q, without %q", title, got.Message, tc.says)
		}
	}
	if got := provider.ReadSnapshot(wanted(), name, nil); got != (database.SnapshotFacts{}) {
		t.Errorf("nothing is there, and ReadSnapshot says %+v", got)
	}
}
