// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package toy

import "time"

// scalePeriod is how long the autoscaler waits before it grows a Deployment again.
const scalePeriod = 15 * time.Second

// Autoscaler is one HorizontalPodAutoscaler and its controller. Instead of metrics it has a number that the caller sets.
type Autoscaler struct {
	// Target names the Deployment, among those that Sync is given.
	Target   string
	Min, Max int32
	// Demand is the number of instances that the load asks for; nil: as many as there are.
	Demand *int32

	grewAt time.Time
}

// Sync scales the target, and says whether it did.
func (a *Autoscaler) Sync(at time.Time, deployments map[string]*Deployment) bool {
	d := deployments[a.Target]
	if d == nil {
		return false
	}
	n := a.Decide(at, d.Spec.Replicas)
	if n == d.Spec.Replicas {
		return false
	}
	d.Spec.Replicas = n
	d.Generation++
	return true
}

// Decide is the number of replicas that follows on the current one. As in Kubernetes, a Deployment of none is left alone, one
// below the minimum gets it at once, and one grows by four instances or to its double in 15 seconds, whichever is more. It shrinks at once, as after the time of stabilization.
func (a *Autoscaler) Decide(at time.Time, current int32) int32 {
	if current == 0 {
		return 0
	}
	wanted := a.wanted(current)
	switch {
	case wanted <= current:
		return wanted
	case current < a.Min:
		return a.Min
	case at.Before(a.grewAt.Add(scalePeriod)):
		return current
	}
	a.grewAt = at
	return min(wanted, max(current+4, 2*current))
}

// Next is when the autoscaler wants to act again although nothing else changes; Never when it is content.
func (a *Autoscaler) Next(at time.Time, current int32) time.Time {
	if current == 0 || a.wanted(current) == current {
		return Never
	}
	if next := a.grewAt.Add(scalePeriod); next.After(at) {
		return next
	}
	return at
}

func (a *Autoscaler) wanted(current int32) int32 {
	wanted := current
	if a.Demand != nil {
		wanted = *a.Demand
	}
	return max(a.Min, min(a.Max, wanted))
}
