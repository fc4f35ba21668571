// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package database resolves a DatabaseClaim against its DatabaseClass, and says what providers of databases are asked. Pure: the
// providers are below it, one package for each; internal/controller/databaseclaim writes what they want and reads what they need.
package database

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Wanted is what a claim asks for, with the defaults of its class.
type Wanted struct {
	// Namespace and Claim name the claim.
	Namespace, Claim string
	// ID is the identity of the data: v1alpha1.AnnotationDatabaseID.
	ID string
	// Class is the name of the DatabaseClass, Provider and Parameters are its.
	Class      string
	Provider   v1alpha1.DatabaseProvider
	Parameters v1alpha1.DatabaseParameters
	// Engine is what the claim says. Version is as exact as somebody cares; empty: the provider's default.
	Engine, Version string
	// Database and Username are names inside the server.
	Database, Username string
	// Storage is the size of the disk, InstanceClass the name of the server's size and Resources what that means in a cluster.
	Storage          v1alpha1.StorageSize
	InstanceClass    string
	Resources        v1alpha1.Resources
	HighAvailability bool
	// Resource is the name of the provider's main object; everything else that belongs to the database begins with it. At most 50 characters.
	Resource string
	// Secret is the name of the Secret with the credentials.
	Secret string
	// Restore is the snapshot that a new database is filled from; empty: it starts empty.
	Restore string
	// Clients are the names of the Environments that may connect, sorted.
	Clients []string
	// Operator is what the installation decides.
	Operator Operator
}

// Operator is what an installation decides for every database.
type Operator struct {
	// Image is the image of PostgreSQL of the built-in provider, without a tag, for classes that name none.
	Image string
	// BundleImage holds the program that brings snapshots to the store and back. StoreURL is where the store answers; empty: there is none.
	BundleImage, StoreURL string
	// Namespace is where the operator runs.
	Namespace string
}

// Ref names an object in the namespace of a claim.
type Ref struct {
	schema.GroupVersionKind
	Name string
}

// String is kind and name, as in messages.
func (r Ref) String() string { return r.Kind + " " + r.Name }

// Objects are what was read, by name. What is not there was not found; what could not be read is an error before anybody asks.
type Objects map[Ref]*unstructured.Unstructured

// Object is one object that should exist.
type Object struct {
	Ref
	// Intent is the object as server-side apply wants it: unset fields are not ours. It carries Labels and Annotations of this package.
	Intent map[string]any
	// Once is true for what is made and never changed, such as Jobs.
	Once bool
}

// Problem is a field of the claim that asks for something that cannot be had.
type Problem struct {
	Field   string
	Message string
}

// Facts are what a provider's objects say about a database.
type Facts struct {
	// Exists says that the main object is there, Deleting that it is going away.
	Exists, Deleting bool
	// ID is the provider's own unforgeable name of the database: a UID or an ARN.
	ID string
	// Ready says that it takes connections. Failed says that it will not become ready by itself; Message says what it is about, as a sentence.
	Ready, Failed bool
	Message       string
	// Host and Port are where it answers; empty and 0 while they are not known.
	Host string
	Port int32
	// EngineVersion runs, Storage is what the disk has now; empty while they are not known.
	EngineVersion string
	Storage       v1alpha1.StorageSize
}

// SnapshotFacts are what a provider's objects say about a snapshot.
type SnapshotFacts struct {
	// Exists says that somebody asked for it.
	Exists bool
	// Usable says that it is complete and can be restored; Failed that it never will be. Message says what it is about.
	Usable, Failed bool
	Message        string
	// Name is what restoreFrom takes; usually the name that was asked for.
	Name string
}

// Provider makes databases. It is a pure function of its arguments: somebody else reads and writes.
type Provider interface {
	// Kinds must be served by the cluster; Install says what to install when they are not: a sentence.
	Kinds() []schema.GroupVersionKind
	Install() string
	// Problems says what of a claim the provider does not have.
	Problems(w Wanted) []Problem
	// Refs names everything that Objects, Snapshot and Rotate may make, and everything that Read, ReadSnapshot, ReadRotation and Doomed
	// need. It is what is read before they are asked.
	Refs(w Wanted) []Ref
	// Objects are what should exist while the claim lives. They depend on have only where a provider must not be told the same again.
	Objects(w Wanted, have Objects) []Object
	// Read says what there is.
	Read(w Wanted, have Objects) Facts

	// SnapshotRefs names what a snapshot is made of, Snapshot makes it, ReadSnapshot says how far it is. None of it is ever owned by
	// the claim or by the database.
	SnapshotRefs(w Wanted, name string) []Ref
	Snapshot(w Wanted, name string, have Objects) []Object
	ReadSnapshot(w Wanted, name string, have Objects) SnapshotFacts

	// Release is what must be changed right before a database is deleted: the provider's own protection is lifted here and nowhere else.
	Release(w Wanted, have Objects) []Object
	// Doomed names what a deletion deletes, in this order, each by UID and resource version after a live read, and only with the ID of
	// the data on it. The database is gone when none of them is there any more.
	Doomed(w Wanted, have Objects) []Ref
}

// Labels are on everything that belongs to a database.
func (w Wanted) Labels() map[string]string {
	return map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelDatabase: w.Claim}
}

// Annotations are on everything that belongs to a database.
func (w Wanted) Annotations() map[string]string {
	return map[string]string{v1alpha1.AnnotationDatabaseID: w.ID}
}

// Metadata are those of an object, for an Intent.
func (w Wanted) Metadata(name string) map[string]any {
	out := map[string]any{"name": name, "namespace": w.Namespace}
	labels, annotations := map[string]any{}, map[string]any{}
	for k, v := range w.Labels() {
		labels[k] = v
	}
	for k, v := range w.Annotations() {
		annotations[k] = v
	}
	out["labels"], out["annotations"] = labels, annotations
	return out
}

// Retained is what the Secret of a retained database says: enough to take it over, by people too.
type Retained struct {
	Claim        string                    `json:"claim"`
	ClaimUID     string                    `json:"claimUID"`
	At           string                    `json:"at"`
	Class        string                    `json:"class"`
	Provider     v1alpha1.DatabaseProvider `json:"provider"`
	Resource     string                    `json:"resource"`
	ID           string                    `json:"id"`
	ProviderID   string                    `json:"providerID,omitempty"`
	Engine       string                    `json:"engine"`
	DatabaseName string                    `json:"databaseName"`
	Username     string                    `json:"username"`
	Storage      v1alpha1.StorageSize      `json:"storage,omitempty"`
}

// String is the record as it is written.
func (r Retained) String() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // texts only
	}
	return string(text)
}

// ParseRetained reads a record; false when it is none.
func ParseRetained(text string) (Retained, bool) {
	var r Retained
	err := json.Unmarshal([]byte(text), &r)
	return r, err == nil && r.Claim != "" && r.ID != ""
}
