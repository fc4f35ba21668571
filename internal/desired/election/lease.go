// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package election builds what the instances of a worker elect by who enqueues periodic tasks, where their broker offers no election: a
// Lease, and the right to get and update that one Lease. Pure; called by internal/desired.
package election

import (
	coordinationv1ac "k8s.io/client-go/applyconfigurations/coordination/v1"

	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Lease is made once: from then on it belongs to the daemons. They could not make it themselves, because a right to create is not bound
// to a name.
func Lease(s settings.Settings) (object.Object, error) {
	name := naming.Election(s.Name)
	obj, err := object.New(naming.Child{Kind: naming.Lease, Name: name}, coordinationv1ac.Lease(name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)))
	obj.Once = true
	return obj, err
}
