// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
)

// Fork makes a store that holds the same and goes on by itself, with an empty trace and without clients or processes. Objects are
// never changed, only replaced, so the two share them, and a fork costs little.
func (s *Store) Fork() (*Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &Store{scheme: s.scheme, mapper: s.mapper, now: s.now, version: s.version, kinds: make(map[schema.GroupVersionKind]*kind, len(s.kinds)), types: make(map[reflect.Type]*kind, len(s.types))}
	for name, k := range s.kinds {
		next, err := s.forkKind(k)
		if err != nil {
			return nil, err
		}
		out.kinds[name] = next
	}
	for t, k := range s.types {
		out.types[t] = out.kinds[k.gvk]
	}
	return out, nil
}

// forkKind works off what is known of field owners first, so that the forks need not do it each.
func (s *Store) forkKind(k *kind) (*kind, error) {
	out := &kind{
		traits: k.traits, gvk: k.gvk, records: make([]*record, 0, len(k.records)), byKey: make(map[types.NamespacedName]*record, len(k.records)),
		lives: maps.Clone(k.lives), indexes: maps.Clone(k.indexes),
	}
	for _, r := range k.records {
		if len(r.managed) > 0 {
			if err := s.catchUp(k, r); err != nil {
				return nil, err
			}
		}
		next := *r
		next.updates = slices.Clip(r.updates)
		out.records = append(out.records, &next)
		out.byKey[r.key] = &next
	}
	return out, nil
}

// Fork makes the controllers of a fork of the store, with the same memory and the same decisions of the scenario.
func (c *Cluster) Fork(s *Store) *Cluster {
	out := *c
	out.store = s
	out.rollout = make(map[types.UID]*rollout, len(c.rollout))
	for uid, r := range c.rollout {
		next := &rollout{toy: r.toy.Clone(), pods: make(map[podID]*podState, len(r.pods)), seen: r.seen}
		for id, state := range r.pods {
			p := *state
			next.pods[id] = &p
		}
		out.rollout[uid] = next
	}
	out.scalers = make(map[types.UID]*toy.Autoscaler, len(c.scalers))
	for uid, a := range c.scalers {
		next := *a
		out.scalers[uid] = &next
	}
	return &out
}

// Objects lists everything there is, ordered by kind, namespace and name. Nobody may change them.
func (s *Store) Objects() []client.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []client.Object
	for _, x := range s.everything() {
		out = append(out, x.r.object)
	}
	return out
}
