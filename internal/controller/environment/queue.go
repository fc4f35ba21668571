// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// look is what is known of a worker's queue, by the daemons of the instances that there are.
func (r *Reconciler) look(env *v1alpha1.Environment, now snapshot.Snapshot) snapshot.Queue {
	if r.queues == nil {
		return snapshot.Queue{}
	}
	name := client.ObjectKeyFromObject(env)
	if env.Spec.Tier != v1alpha1.TierWorker || env.DeletionTimestamp != nil {
		r.queues.Forget(name)
		return snapshot.Queue{}
	}
	daemons := map[string]string{}
	for _, pod := range now.Instances {
		if pod.Address != "" && !pod.Failed && !pod.Terminating {
			daemons[pod.Address] = pod.Name
		}
	}
	return r.queues.Look(name, daemons)
}
