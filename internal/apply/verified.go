// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// refusedRetry is when a refused write is tried again although nothing changed: a quota or a policy may have been.
const refusedRetry = time.Minute

// verified remembers, in memory only, which child was right at which resource version, so that a pass over an unchanged
// Environment compares nothing. After a restart the comparison itself, which needs no request, fills it again.
type verified struct {
	mu    sync.Mutex
	known map[types.UID]map[naming.Child]fact
}

type fact struct {
	uid             types.UID
	resourceVersion string
	hash            string
}

// unchanged says whether a live child is what we want: same intent as last applied, and every field of it still in place.
func (v *verified) unchanged(env *v1alpha1.Environment, w object.Object, live snapshot.Object) bool {
	if live.GetAnnotations()[v1alpha1.AnnotationIntentHash] != w.Hash {
		return false
	}
	now := fact{uid: live.GetUID(), resourceVersion: live.GetResourceVersion(), hash: w.Hash}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known[env.UID][w.Child] == now {
		return true
	}
	have, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil || !holds(w.Intent, have) {
		return false
	}
	if v.known == nil {
		v.known = map[types.UID]map[naming.Child]fact{}
	}
	if v.known[env.UID] == nil {
		v.known[env.UID] = map[naming.Child]fact{}
	}
	v.known[env.UID][w.Child] = now
	return true
}

func (v *verified) forget(env *v1alpha1.Environment) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.known, env.UID)
}
