// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// collector is the name of the garbage collector.
const collector = "garbage-collector"

// collect deletes what has lost all its owners, and works on deletions that wait for dependents.
func (c *Cluster) collect() bool {
	s := c.store
	if c.collected == s.version {
		return false
	}
	moved := false
	alive := map[types.UID]bool{}
	all := s.everything()
	for _, x := range all {
		alive[x.r.object.GetUID()] = true
	}
	for _, x := range all {
		moved = c.collectOne(x, alive) || moved
		moved = c.finish(x, all) || moved
	}
	if !moved {
		c.collected = s.version
	}
	return moved
}

// located is a record with its kind.
type located struct {
	k *kind
	r *record
}

// everything lists all records, ordered by kind, namespace and name.
func (s *Store) everything() []located {
	var kinds []*kind
	for _, k := range s.kinds {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(a, b *kind) int {
		if a.gvk.String() < b.gvk.String() {
			return -1
		}
		return 1
	})
	var out []located
	for _, k := range kinds {
		for _, r := range k.records {
			out = append(out, located{k, r})
		}
	}
	return out
}

func (c *Cluster) collectOne(x located, alive map[types.UID]bool) bool {
	owners := x.r.object.GetOwnerReferences()
	owned := slices.ContainsFunc(owners, func(o metav1.OwnerReference) bool { return alive[o.UID] })
	if len(owners) == 0 || owned || x.r.object.GetDeletionTimestamp() != nil || x.k.byKey[x.r.key] != x.r {
		return false
	}
	_, err := c.store.remove(x.k, x.r, client.DeleteOptions{}, &Write{Process: collector, Verb: Delete})
	return err == nil
}

// finish takes the finalizers away by which a deletion waits for dependents, or for letting them go.
func (c *Cluster) finish(x located, all []located) bool {
	obj := x.r.object
	if obj.GetDeletionTimestamp() == nil || x.k.byKey[x.r.key] != x.r {
		return false
	}
	switch {
	case slices.Contains(obj.GetFinalizers(), metav1.FinalizerDeleteDependents):
		if left, moved := c.deleteDependents(obj, all); left {
			return moved
		}
		c.release(x, metav1.FinalizerDeleteDependents)
	case slices.Contains(obj.GetFinalizers(), metav1.FinalizerOrphanDependents):
		for _, d := range dependents(obj, all) {
			c.store.edit(d.k, d.r, Write{Process: collector, Verb: Patch}, func(o client.Object) {
				o.SetOwnerReferences(slices.DeleteFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == obj.GetUID() }))
			})
		}
		c.release(x, metav1.FinalizerOrphanDependents)
	default:
		return false
	}
	return true
}

func (c *Cluster) deleteDependents(owner client.Object, all []located) (left, moved bool) {
	for _, d := range dependents(owner, all) {
		if d.k.byKey[d.r.key] != d.r {
			continue
		}
		if d.r.object.GetDeletionTimestamp() == nil {
			policy := metav1.DeletePropagationForeground
			_, err := c.store.remove(d.k, d.r, client.DeleteOptions{PropagationPolicy: &policy}, &Write{Process: collector, Verb: Delete})
			moved = moved || err == nil
		}
		left = left || d.k.byKey[d.r.key] == d.r
	}
	return left, moved
}

func (c *Cluster) release(x located, finalizer string) {
	c.store.edit(x.k, x.r, Write{Process: collector, Verb: Patch}, func(o client.Object) {
		o.SetFinalizers(slices.DeleteFunc(o.GetFinalizers(), func(f string) bool { return f == finalizer }))
	})
}

func dependents(owner client.Object, all []located) []located {
	var out []located
	for _, x := range all {
		if slices.ContainsFunc(x.r.object.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == owner.GetUID() }) {
			out = append(out, x)
		}
	}
	return out
}

// empty deletes what is in namespaces that are going away, and then the namespaces.
func (c *Cluster) empty() bool {
	s, moved := c.store, false
	namespaces := s.kindFor(&corev1.Namespace{})
	for _, r := range copies(namespaces.records) {
		if r.object.GetDeletionTimestamp() == nil {
			continue
		}
		left := false
		for _, x := range s.everything() {
			if x.r.key.Namespace != r.key.Name {
				continue
			}
			left = true
			if x.r.object.GetDeletionTimestamp() == nil {
				_, err := s.remove(x.k, x.r, client.DeleteOptions{}, &Write{Process: "namespace-controller", Verb: Delete})
				moved = moved || err == nil
			}
		}
		if !left {
			moved = true
			s.edit(namespaces, r, Write{Process: "namespace-controller", Verb: Update, Subresource: "finalize"}, func(o client.Object) {
				o.(*corev1.Namespace).Spec.Finalizers = nil
			})
		}
	}
	return moved
}
