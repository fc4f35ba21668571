// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// deployment is a toy Deployment with the annotations that the operator wrote last.
type deployment struct {
	toy.Deployment
	record snapshot.Slot
}

// slot is what the operator observes of the Deployment, as internal/observe does.
func (d *deployment) slot() snapshot.Slot {
	s := d.record
	s.Settled = d.Observed >= d.Generation
	s.Wanted = d.Spec.Replicas
	s.Total, s.Updated, s.Ready, s.Available = d.Status.Total, d.Status.Updated, d.Status.Ready, d.Status.Available
	all := s.Total == s.Updated && (s.Updated > 0 || s.Wanted == 0)
	s.Complete = s.Settled && all && d.Reason == toy.ReasonAvailable
	s.TimedOut = s.Settled && d.Reason == toy.ReasonTimedOut
	s.ProgressAt = d.ProgressAt
	return s
}
