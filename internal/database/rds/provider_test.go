// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rds_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/rds"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var provider = rds.Provider{}

func wanted(tweaks ...func(*database.Wanted)) database.Wanted {
	w := database.Wanted{
		Namespace: "shop", Claim: "shop-db", ID: "0f0e0d0c-1111-2222-3333-444455556666", Class: "rds", Provider: v1alpha1.DatabaseRDS,
		Engine: "postgres", Database: "ebdb", Username: "ebroot", Storage: "5Gi", Resource: "shop-db-db", Secret: "shop-db-binding",
		Parameters: v1alpha1.DatabaseParameters{RDS: &v1alpha1.RDSParameters{Region: "eu-central-1"}},
		Operator:   database.Operator{Image: "docker.io/library/postgres"},
	}
	for _, tweak := range tweaks {
		tweak(&w)
	}
	return w
}

func full(w *database.Wanted) {
	w.Version, w.HighAvailability, w.Storage, w.InstanceClass = "16", true, "102401Mi", "db.m7g.large"
	w.Parameters.RDS = &v1alpha1.RDSParameters{
		Region: "eu-central-1", SubnetGroupName: "shop", SecurityGroupIDs: []string{"sg-0a1b2c3d", "sg-4e5f"}, ParameterGroupName: "shop16",
		StorageType: "IO1", KMSKeyID: "alias/shop", BackupRetentionDays: ptr.To[int32](0), Exposure: v1alpha1.RDSPublic,
	}
}

func restored(w *database.Wanted) { w.Restore = "beanpod-shop-shop-db-final-0011223344" }

func sqlserver(w *database.Wanted) { w.Engine = "sqlserver-ex" }

// manifests are what the golden files show, and what the real schema is asked to take.
func manifests() map[string]map[string]any {
	r := provider.Rotation(wanted(), "2026-11-29")
	have := database.Objects{provider.Refs(wanted())[0]: up()}
	return map[string]map[string]any{
		"minimal":   provider.Objects(wanted(), nil)[0].Intent,
		"full":      provider.Objects(wanted(full), nil)[0].Intent,
		"restored":  provider.Objects(wanted(restored), nil)[0].Intent,
		"sqlserver": provider.Objects(wanted(sqlserver), nil)[0].Intent,
		"released":  provider.Release(wanted(), nil)[0].Intent,
		"login":     provider.Objects(wanted(restored), have)[2].Intent,
		"rotate":    provider.Add(wanted(), r, have)[0].Intent,
		"retire":    provider.Drop(wanted(), r, have)[0].Intent,
		"snapshot":  provider.Snapshot(wanted(), "shop-db-final", nil)[0].Intent,
	}
}

// up is a DBInstance that serves.
func up() *unstructured.Unstructured {
	var o map[string]any
	if err := yaml.Unmarshal([]byte(served), &o); err != nil {
		panic(err)
	}
	o["status"].(map[string]any)["endpoint"].(map[string]any)["port"] = int64(5432)
	return &unstructured.Unstructured{Object: o}
}

// TestManifests compares what is asked for with testdata; -update rewrites it.
func TestManifests(t *testing.T) {
	t.Parallel()
	for name, intent := range manifests() {
		got, err := yaml.Marshal(intent)
		if err != nil {
			t.Fatal(err)
		}
		file := "testdata/" + name + ".yaml"
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// TestRetained says that nothing in AWS ends with an object of ours, but after Release.
func TestRetained(t *testing.T) {
	t.Parallel()
	for name, intent := range manifests() {
		u := unstructured.Unstructured{Object: intent}
		policy := u.GetAnnotations()["services.k8s.aws/deletion-policy"]
		if want := map[bool]string{true: "delete", false: "retain"}[name == "released"]; policy != want && u.GetKind() != "Job" {
			t.Errorf("%s: the deletion policy is %q, not %q", name, policy, want)
		}
		protected, set, _ := unstructured.NestedBool(intent, "spec", "deletionProtection")
		if u.GetKind() == "DBInstance" && (!set || protected == (name == "released")) {
			t.Errorf("%s: protected is %v", name, protected)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("u", 17)
	for name, tc := range map[string]struct {
		tweak func(*database.Wanted)
		want  []string
	}{
		"none":              {full, nil},
		"engine":            {func(w *database.Wanted) { w.Engine = "db2" }, []string{"spec.engine.name"}},
		"long for mysql":    {func(w *database.Wanted) { w.Engine, w.Username = "mysql", long }, []string{"spec.username"}},
		"long for mariadb":  {func(w *database.Wanted) { w.Engine, w.Username = "mariadb", long }, []string{"spec.username"}},
		"not for postgres":  {func(w *database.Wanted) { w.Username = long }, nil},
		"reserved":          {func(w *database.Wanted) { w.Username = "Admin" }, []string{"spec.username"}},
		"the master user":   {func(w *database.Wanted) { w.Username = "beanpod" }, []string{"spec.username"}},
		"no image":          {func(w *database.Wanted) { w.Operator.Image = "" }, []string{"spec.classRef"}},
		"none needed":       {func(w *database.Wanted) { w.Engine, w.Operator.Image = "mysql", "" }, nil},
		"not for mysql":     {func(w *database.Wanted) { w.Engine, w.Username = "mysql", "admin" }, nil},
		"SID of Oracle":     {func(w *database.Wanted) { w.Engine, w.Database = "oracle-se2", "warehouse" }, []string{"spec.databaseName"}},
		"sqlserver has any": {func(w *database.Wanted) { w.Engine, w.Database = "sqlserver-ex", "warehouse" }, nil},
		"size":              {func(w *database.Wanted) { w.InstanceClass = "small" }, []string{"spec.instanceClass"}},
	} {
		var got []string
		for _, p := range provider.Problems(wanted(tc.tweak)) {
			got = append(got, p.Field)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// object makes one that was read, from YAML.
func object(t *testing.T, kind, text string) *unstructured.Unstructured {
	t.Helper()
	json, err := yaml.YAMLToJSON([]byte("kind: " + kind + "\napiVersion: rds.services.k8s.aws/v1alpha1\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(json); err != nil {
		t.Fatal(err)
	}
	return u
}

func instance(t *testing.T, w database.Wanted, text string) database.Objects {
	t.Helper()
	return database.Objects{provider.Refs(w)[0]: object(t, "DBInstance", text)}
}

// TestNotToldTheSameAgain is what becomes of fields that a DBInstance has already.
func TestNotToldTheSameAgain(t *testing.T) {
	t.Parallel()
	version := func(v string) func(*database.Wanted) { return func(w *database.Wanted) { w.Version = v } }
	storage := func(s v1alpha1.StorageSize) func(*database.Wanted) {
		return func(w *database.Wanted) { w.Storage = s }
	}
	for name, tc := range map[string]struct {
		w     database.Wanted
		have  string
		field string
		want  any
	}{
		"what AWS chose of a version":   {wanted(version("16")), `{engineVersion: "16.4"}`, "engineVersion", "16.4"},
		"an upgrade":                    {wanted(version("17")), `{engineVersion: "16.4"}`, "engineVersion", "17"},
		"a minor upgrade":               {wanted(version("16.10")), `{engineVersion: "16.9"}`, "engineVersion", "16.10"},
		"AWS was faster":                {wanted(version("16.4")), `{engineVersion: "16.6"}`, "engineVersion", "16.6"},
		"nothing goes back":             {wanted(version("15")), `{engineVersion: "16.4"}`, "engineVersion", "16.4"},
		"any version":                   {wanted(), `{engineVersion: "16.4"}`, "engineVersion", "16.4"},
		"any version, and none known":   {wanted(), `{}`, "engineVersion", nil},
		"a family of MySQL":             {wanted(version("8.4")), `{engineVersion: "8.0.40"}`, "engineVersion", "8.4"},
		"Oracle's suffix":               {wanted(version("19.0.0.0.ru2025")), `{engineVersion: "19.0.0.0.ru2024"}`, "engineVersion", "19.0.0.0.ru2025"},
		"a disk grows":                  {wanted(storage("50Gi")), `{allocatedStorage: 20}`, "allocatedStorage", int64(50)},
		"by a tenth at least":           {wanted(storage("41Gi")), `{allocatedStorage: 40}`, "allocatedStorage", int64(44)},
		"and not again":                 {wanted(storage("41Gi")), `{allocatedStorage: 44}`, "allocatedStorage", int64(44)},
		"a disk never shrinks":          {wanted(storage("50Gi")), `{allocatedStorage: 100}`, "allocatedStorage", int64(100)},
		"RDS's least":                   {wanted(), "{}", "allocatedStorage", int64(20)},
		"the least of IO1":              {wanted(full, storage("5Gi")), "{}", "allocatedStorage", int64(100)},
		"the key's ARN for its alias":   {wanted(full), `{kmsKeyID: "arn:aws:kms:eu-central-1:1:key/1"}`, "kmsKeyID", "arn:aws:kms:eu-central-1:1:key/1"},
		"the network stays":             {wanted(full), `{dbSubnetGroupName: other}`, "dbSubnetGroupName", "other"},
		"the order of security groups":  {wanted(full), `{vpcSecurityGroupIDs: [sg-4e5f, sg-0a1b2c3d]}`, "vpcSecurityGroupIDs", []any{"sg-4e5f", "sg-0a1b2c3d"}},
		"another security group":        {wanted(full), `{vpcSecurityGroupIDs: [sg-4e5f, sg-0a1b2c3d, sg-1]}`, "vpcSecurityGroupIDs", []any{"sg-0a1b2c3d", "sg-4e5f"}},
		"a lost claim's identifier":     {wanted(), `{dbInstanceIdentifier: shop}`, "dbInstanceIdentifier", "shop"},
		"a restore is not asked twice":  {wanted(), `{dbSnapshotIdentifier: s}`, "dbSnapshotIdentifier", "s"},
		"nor for what was made already": {wanted(restored), `{dbName: ebdb}`, "dbSnapshotIdentifier", nil},
	} {
		have := instance(t, tc.w, "spec: "+tc.have)
		got := provider.Objects(tc.w, have)[0].Intent["spec"].(map[string]any)[tc.field]
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestReleased is when the object of a protected database may be deleted.
func TestReleased(t *testing.T) {
	t.Parallel()
	const text = `
metadata:
  annotations: {services.k8s.aws/deletion-policy: delete}
  managedFields:
  - {manager: beanpod, operation: Apply, time: "2026-01-02T10:00:05Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:deletionProtection": {}}}}
  - {manager: ack, operation: Update, time: "2026-01-02T11:00:00Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:engineVersion": {}}}}
  - {manager: ack, operation: Update, subresource: status, time: "2026-01-02T12:00:00Z", fieldsType: FieldsV1, fieldsV1: {"f:status": {}}}
spec: {deletionProtection: false}
status: {conditions: [{type: ACK.ResourceSynced, status: "True", lastTransitionTime: "2026-01-02T10:00:06Z"}]}`
	for name, tc := range map[string]struct {
		old, new string
		want     bool
		says     string
	}{
		"yes":                       {"", "", true, ""},
		"protected":                 {"Protection: false", "Protection: true", false, "still protected"},
		"not said":                  {"{deletionProtection: false}", "{}", false, "still protected"},
		"retained":                  {"policy: delete", "policy: retain", false, "still protected"},
		"ACK has not seen it":       {"10:00:06Z", "09:00:00Z", false, "not lifted"},
		"in the same second":        {"10:00:06Z", "10:00:05Z", false, "not lifted"},
		"not in step":               {`status: "True"`, `status: "False"`, false, "not lifted"},
		"unknown":                   {`status: "True"`, `status: Unknown`, false, "not lifted"},
		"no time":                   {`, lastTransitionTime: "2026-01-02T10:00:06Z"`, "", false, "not lifted"},
		"no conditions":             {"status: {conditions", "status: {others", false, "not lifted"},
		"nobody says who changed":   {"f:deletionProtection", "f:other", false, "not lifted"},
		"another change after that": {"f:engineVersion", "f:deletionProtection", false, "not lifted"},
		"an older change is listed last, and counts for nothing": {
			`10:00:05Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:deletionProtection": {}}}}
  - {manager: ack, operation: Update, time: "2026-01-02T11:00:00Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:engineVersion"`,
			`10:00:09Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:deletionProtection": {}}}}
  - {manager: ack, operation: Update, time: "2026-01-02T09:00:00Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:deletionProtection"`, false, "not lifted",
		},
		"not before the newest": {
			`11:00:00Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:engineVersion"`, `10:00:07Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:deletionProtection"`, false, "not lifted",
		},
		"a reason": {
			`status: {conditions: [`, `status: {conditions: [{type: ACK.Recoverable, status: "True", message: throttled}, `, true, "",
		},
	} {
		w := wanted()
		got, says := provider.Released(w, instance(t, w, strings.Replace(text, tc.old, tc.new, 1)))
		if got != tc.want || !strings.Contains(says, tc.says) {
			t.Errorf("%s: %v, %q", name, got, says)
		}
	}
	if got, _ := provider.Released(wanted(), nil); !got {
		t.Error("nothing is there, and it is not released")
	}
}

func TestDoomed(t *testing.T) {
	t.Parallel()
	w := wanted()
	if got := provider.Doomed(w, nil); len(got) != 0 {
		t.Errorf("nothing is there, and %v is doomed", got)
	}
	have := instance(t, w, "spec: {}")
	if got := provider.Doomed(w, have); len(got) != 1 || got[0].String() != "DBInstance shop-db-db" {
		t.Errorf("doomed: %v", got)
	}
	have[provider.Refs(w)[1]] = object(t, "ConfigMap", "data: {}")
	if got := provider.Doomed(w, have); len(got) != 2 || got[1].String() != "DBInstance shop-db-db" {
		t.Errorf("doomed with the scripts: %v", got)
	}
	delete(have, provider.Refs(w)[0])
	if got := provider.Doomed(w, have); len(got) != 0 {
		t.Errorf("the scripts alone count as a database: %v", got)
	}
}
