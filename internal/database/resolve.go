// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package database

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
)

const (
	defaultUsername = "ebroot" // as in Elastic Beanstalk, like the database's name, which is the CRD's default
	defaultStorage  = "5Gi"
)

// ID is the identity of a claim's data: what it was given, or its own UID when its data begin with it.
func ID(claim *v1alpha1.DatabaseClaim) string {
	return cmp.Or(claim.Annotations[v1alpha1.AnnotationDatabaseID], string(claim.UID))
}

// Resource is the name of a claim's main object with the provider.
func Resource(claim *v1alpha1.DatabaseClaim) string {
	if a := claim.Spec.Adopt; a != nil {
		return a.ProviderResourceName
	}
	return naming.Database(claim.Name)
}

// Resolve fills in the defaults of the class, and says what it does not offer. The claim has a class.
func Resolve(claim *v1alpha1.DatabaseClaim, class *v1alpha1.DatabaseClass, op Operator) (Wanted, []Problem) {
	spec := claim.Spec
	w := Wanted{
		Namespace: claim.Namespace, Claim: claim.Name, ID: ID(claim), Class: class.Name, Provider: class.Spec.Provider,
		Engine: spec.Engine.Name, Version: spec.Engine.Version,
		Database: cmp.Or(spec.DatabaseName, "ebdb"), Username: cmp.Or(spec.Username, defaultUsername),
		Storage: spec.Storage, InstanceClass: cmp.Or(spec.InstanceClass, class.Spec.DefaultInstanceClass),
		HighAvailability: spec.HighAvailability != nil && *spec.HighAvailability,
		Resource:         Resource(claim), Secret: naming.DatabaseSecret(claim.Name), Operator: op,
	}
	if class.Spec.Parameters != nil {
		w.Parameters = *class.Spec.Parameters
	}
	if spec.RestoreFrom != nil {
		w.Restore = spec.RestoreFrom.SnapshotName
	}
	var problems []Problem
	add := func(field, format string, args ...any) {
		problems = append(problems, Problem{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	w.engine(class, add)
	w.size(class, add)
	w.storage(class, add)
	if policy := Policy(claim); !Allows(class, policy) {
		add("spec.deletionPolicy", "%s is not allowed by DatabaseClass %q; choose one of: %s", policy, class.Name, list(class.Spec.AllowedDeletionPolicies))
	}
	return w, problems
}

// Policy is the deletion policy of a claim.
func Policy(claim *v1alpha1.DatabaseClaim) v1alpha1.DatabaseDeletionPolicy {
	return cmp.Or(claim.Spec.DeletionPolicy, v1alpha1.DatabaseRetain)
}

// Protected says whether a claim refuses its deletion: unless somebody says otherwise.
func Protected(claim *v1alpha1.DatabaseClaim) bool {
	return claim.Spec.DeletionProtection == nil || *claim.Spec.DeletionProtection
}

// Allows says whether a class allows a policy. Retain is always allowed: it is the safe one.
func Allows(class *v1alpha1.DatabaseClass, policy v1alpha1.DatabaseDeletionPolicy) bool {
	allowed := class.Spec.AllowedDeletionPolicies
	return policy == v1alpha1.DatabaseRetain || len(allowed) == 0 || slices.Contains(allowed, policy)
}

func (w *Wanted) engine(class *v1alpha1.DatabaseClass, add func(field, format string, args ...any)) {
	offers := class.Spec.Engines
	if len(offers) == 0 {
		return // the provider says what it has
	}
	i := slices.IndexFunc(offers, func(e v1alpha1.DatabaseClassEngine) bool { return e.Name == w.Engine })
	if i < 0 {
		var names []string
		for _, e := range offers {
			names = append(names, e.Name)
		}
		add("spec.engine.name", "%q is not offered by DatabaseClass %q; choose one of: %s", w.Engine, class.Name, strings.Join(names, ", "))
		return
	}
	versions := offers[i].Versions
	switch {
	case len(versions) == 0:
	case w.Version == "":
		w.Version = versions[0]
	default:
		for _, v := range versions {
			if within(w.Version, v) {
				return
			}
			if within(v, w.Version) { // the claim cares less than the class: the newest that comes first
				w.Version = v
				return
			}
		}
		add("spec.engine.version", "%q is not offered by DatabaseClass %q for %s; choose one of: %s", w.Version, class.Name, w.Engine, strings.Join(versions, ", "))
	}
}

// within says whether a version is another one or more exact than it: 16.4 is within 16.
func within(version, of string) bool { return version == of || strings.HasPrefix(version, of+".") }

func (w *Wanted) size(class *v1alpha1.DatabaseClass, add func(field, format string, args ...any)) {
	classes := class.Spec.InstanceClasses
	names := slices.Sorted(maps.Keys(classes))
	switch size, known := classes[w.InstanceClass]; {
	case known:
		w.Resources = size
	case w.InstanceClass != "" && len(classes) == 0:
		add("spec.instanceClass", "%q cannot be chosen, because DatabaseClass %q has no instanceClasses; remove the field", w.InstanceClass, class.Name)
	case w.InstanceClass != "":
		add("spec.instanceClass", "%q is not one of the instanceClasses of DatabaseClass %q; choose one of: %s", w.InstanceClass, class.Name, strings.Join(names, ", "))
	case len(classes) > 0:
		add("spec.instanceClass", "is not set and DatabaseClass %q has no default; choose one of: %s", class.Name, strings.Join(names, ", "))
	}
}

func (w *Wanted) storage(class *v1alpha1.DatabaseClass, add func(field, format string, args ...any)) {
	var bounds v1alpha1.DatabaseStorage
	if class.Spec.Storage != nil {
		bounds = *class.Spec.Storage
	}
	w.Storage = cmp.Or(w.Storage, bounds.Default, defaultStorage)
	if bounds.Max != "" && Mebibytes(w.Storage) > Mebibytes(bounds.Max) {
		add("spec.storage", "%s is more than the %s that DatabaseClass %q allows", w.Storage, bounds.Max, class.Name)
	}
}

// Mebibytes is a size as a number; 0 for what is none.
func Mebibytes(size v1alpha1.StorageSize) int64 {
	var n int64
	var unit string
	if _, err := fmt.Sscanf(string(size), "%d%s", &n, &unit); err != nil {
		return 0
	}
	switch unit {
	case "Ti":
		return n << 20
	case "Gi":
		return n << 10
	case "Mi":
		return n
	default:
		return 0
	}
}

// Size is a number of mebibytes as a size, in the largest unit that says it exactly; empty for none.
func Size(mebibytes int64) v1alpha1.StorageSize {
	switch {
	case mebibytes <= 0:
		return ""
	case mebibytes%(1<<20) == 0:
		return v1alpha1.StorageSize(fmt.Sprintf("%dTi", mebibytes>>20))
	case mebibytes%(1<<10) == 0:
		return v1alpha1.StorageSize(fmt.Sprintf("%dGi", mebibytes>>10))
	default:
		return v1alpha1.StorageSize(fmt.Sprintf("%dMi", mebibytes))
	}
}

func list[T ~string](words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}
