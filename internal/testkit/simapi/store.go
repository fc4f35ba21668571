// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Begin is the moment at which every Store begins.
var Begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Change is one committed write. The objects are those of the store, and nobody may change them.
type Change struct {
	// Number counts commits, from 1; it is also the resource version.
	Number int64
	At     time.Time
	Write  Write
	// Old is nil for a creation, New is nil once the object is gone.
	Old, New client.Object
}

// Store is the API server: objects, a clock and a trace. It is safe for concurrent use.
type Store struct {
	// Intercept is asked before and after every write of a client; nil lets everything pass. Steps of the toy cluster are
	// not writes of a client. It may use the store, through another client also to write; the writes of one client wait for each
	// other.
	Intercept func(Write) Decision
	// Seen is told every committed change, in order; nil tells nobody. It must not call the store.
	Seen func(Change)

	scheme *runtime.Scheme
	// mapper maps the kinds of the scheme.
	mapper func() meta.RESTMapper

	mu      sync.Mutex
	now     time.Time
	version int64
	kinds   map[schema.GroupVersionKind]*kind
	types   map[reflect.Type]*kind
	trace   []Change
	readers []*Process
	// late are requests on their way.
	late []func()
}

// kind is everything of one kind.
type kind struct {
	traits
	gvk schema.GroupVersionKind
	// records are ordered by namespace and name.
	records []*record
	byKey   map[types.NamespacedName]*record
	// lives counts how often a name was used, so that UIDs do not depend on the order of concurrent requests.
	lives   map[types.NamespacedName]int
	indexes map[string]client.IndexerFunc
}

// record is one object. What it holds is never changed, only replaced.
type record struct {
	key    types.NamespacedName
	object client.Object
	// managed says which manager owns which field, as of the last apply; updates since then wait until somebody needs them.
	managed fieldpath.ManagedFields
	updates []update
	// bare is true while the status that a CRD gives every object is not stored: the first write stores it, whatever it changes.
	bare bool
}

// New makes an empty store with a namespace called default.
func New(scheme *runtime.Scheme) *Store {
	mapper := sync.OnceValue(func() meta.RESTMapper { return mapperOf(scheme) })
	s := &Store{scheme: scheme, mapper: mapper, now: Begin, kinds: map[schema.GroupVersionKind]*kind{}, types: map[reflect.Type]*kind{}}
	s.AddNamespace("default")
	return s
}

// Now is the clock that everything in the store lives by.
func (s *Store) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// AdvanceTo moves the clock; it never goes back.
func (s *Store) AdvanceTo(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.After(s.now) {
		s.now = at
	}
}

// Trace returns every committed write so far.
func (s *Store) Trace() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.trace)
}

// IndexField implements client.FieldIndexer. Adding an index again changes nothing: every process adds its own.
func (s *Store) IndexField(obj client.Object, field string, extract client.IndexerFunc) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.kindOf(obj)
	if err != nil {
		return err
	}
	k.indexes[field] = extract
	return nil
}

// kindOf finds the kind of an object by its Go type, or by what it says itself when it is generic.
func (s *Store) kindOf(obj runtime.Object) (*kind, error) {
	t := reflect.TypeOf(obj)
	if k := s.types[t]; k != nil {
		return k, nil
	}
	gvk := obj.GetObjectKind().GroupVersionKind()
	if !generic(obj) {
		kinds, _, err := s.scheme.ObjectKinds(obj)
		if err != nil {
			return nil, err
		}
		gvk = kinds[0]
	}
	k := s.kind(gvk)
	if !generic(obj) {
		s.types[t] = k
	}
	return k, nil
}

func (s *Store) kind(gvk schema.GroupVersionKind) *kind {
	k := s.kinds[gvk]
	if k == nil {
		k = &kind{
			traits: traitsOf(gvk), gvk: gvk, byKey: map[types.NamespacedName]*record{},
			lives: map[types.NamespacedName]int{}, indexes: map[string]client.IndexerFunc{},
		}
		s.kinds[gvk] = k
	}
	return k
}

// make returns an empty object of a kind.
func (s *Store) make(k *kind) (client.Object, error) {
	obj, err := s.scheme.New(k.gvk)
	if err != nil {
		return nil, err
	}
	out, ok := obj.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%s has no metadata", k.gvk)
	}
	out.GetObjectKind().SetGroupVersionKind(k.gvk)
	return out, nil
}

// place is where a key is or would be among the records.
func (k *kind) place(key types.NamespacedName) (int, bool) {
	return slices.BinarySearchFunc(k.records, key, func(r *record, key types.NamespacedName) int {
		if c := strings.Compare(r.key.Namespace, key.Namespace); c != 0 {
			return c
		}
		return strings.Compare(r.key.Name, key.Name)
	})
}

// commit replaces an object (old nil: creates it; new nil: removes it), and counts and tells. Identical objects are not written.
func (s *Store) commit(k *kind, r *record, next client.Object, w Write) client.Object {
	old := r.object
	if old != nil && next != nil {
		if w.same(old, next) && !r.bare {
			return old
		}
		r.bare = false
		k.count(old, next, w)
	}
	s.version++
	if next != nil {
		next.SetResourceVersion(strconv.FormatInt(s.version, 10))
		if k.free(next) {
			next = nil
		}
	}
	s.put(k, r, next)
	w.Kind, w.Namespace, w.Name, w.Committed = k.gvk, r.key.Namespace, r.key.Name, true
	s.tell(Change{Number: s.version, At: s.now, Write: w, Old: old, New: next})
	if next == nil {
		return old
	}
	return next
}

// count raises the generation when a write changes the spec.
func (k *kind) count(old, next client.Object, w Write) {
	if w.Subresource != "status" && k.generation && changedSpec(k, old, next) {
		next.SetGeneration(next.GetGeneration() + 1)
	}
}

// free says whether a deleted object has nothing left to wait for.
func (k *kind) free(obj client.Object) bool {
	return obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0 && !k.lingers(obj)
}

// tell lets everybody know of a change.
func (s *Store) tell(c Change) {
	s.trace = append(s.trace, c)
	for _, p := range s.readers {
		p.inbox = append(p.inbox, c)
	}
	if s.Seen != nil {
		s.Seen(c)
	}
}

func (s *Store) put(k *kind, r *record, next client.Object) {
	i, found := k.place(r.key)
	switch {
	case next == nil && found:
		k.records = slices.Delete(k.records, i, i+1)
		delete(k.byKey, r.key)
	case next != nil && !found:
		k.records = slices.Insert(k.records, i, r)
		k.byKey[r.key] = r
	}
	if next != nil {
		r.object = next
	}
}

// identity gives a new object what the server decides.
func (s *Store) identity(k *kind, key types.NamespacedName, obj client.Object) {
	k.lives[key]++
	obj.SetUID(types.UID(uid(k.resource, key, k.lives[key])))
	obj.SetCreationTimestamp(metav1.NewTime(s.now.Truncate(time.Second)))
	obj.SetGeneration(0)
	if k.generation {
		obj.SetGeneration(1)
	}
	obj.SetDeletionTimestamp(nil)
	obj.SetDeletionGracePeriodSeconds(nil)
	obj.SetManagedFields(nil)
	obj.GetObjectKind().SetGroupVersionKind(k.gvk)
}
