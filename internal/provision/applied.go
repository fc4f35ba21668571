// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// memory is what was applied a short while ago, so that what is still right is not sent again. It is in memory only: forgetting costs a
// request that changes nothing. What is older than repair is applied again anyway and is forgotten, so it holds no more than what lives.
type memory struct {
	mu    sync.Mutex
	facts map[types.UID]applied
	// swept is when what is too old was looked for last.
	swept time.Time
}

// applied is an object as it was after it was applied.
type applied struct {
	// hash of what was applied, and owner: the identity of the data that it belongs to.
	hash, owner string
	// state is what changes when somebody changes what we want of it.
	state string
	at    time.Time
}

// state is the generation where the server counts one, because status comes and goes; and the resource version where it does not.
func state(obj *unstructured.Unstructured) string {
	if n := obj.GetGeneration(); n != 0 {
		return "generation " + strconv.FormatInt(n, 10)
	}
	return "version " + obj.GetResourceVersion()
}

// fresh says whether an object is as it was when this was applied, a short while ago.
func (m *memory) fresh(live, want *unstructured.Unstructured, hash string, now time.Time) bool {
	m.mu.Lock()
	last, known := m.facts[live.GetUID()]
	m.mu.Unlock()
	return known && last.hash == hash && last.state == state(live) && now.Sub(last.at) < repair &&
		within(want.GetLabels(), live.GetLabels()) && within(want.GetAnnotations(), live.GetAnnotations())
}

// within says whether everything of one map is in the other: no server counts changes of metadata.
func within(want, have map[string]string) bool {
	for key, value := range want {
		if is, found := have[key]; !found || is != value {
			return false
		}
	}
	return true
}

// remember what the server answered to an apply.
func (m *memory) remember(obj *unstructured.Unstructured, hash string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.facts == nil {
		m.facts = map[types.UID]applied{}
	}
	m.facts[obj.GetUID()] = applied{hash: hash, owner: obj.GetAnnotations()[v1alpha1.AnnotationDatabaseID], state: state(obj), at: now}
	if now.Sub(m.swept) < repair {
		return
	}
	m.swept = now
	for uid, a := range m.facts {
		if now.Sub(a.at) >= repair {
			delete(m.facts, uid)
		}
	}
}

// forget an object, and everything that belongs to the same data as owner.
func (m *memory) forget(uid types.UID, owner string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.facts, uid)
	for uid, a := range m.facts {
		if owner != "" && a.owner == owner {
			delete(m.facts, uid)
		}
	}
}
