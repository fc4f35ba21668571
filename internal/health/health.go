// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"slices"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Limits of the result, the same as the schema's.
const (
	maxCauses  = 10
	maxNames   = 5
	maxMessage = 1024
	maxCount   = 100000
)

// Input is everything that an assessment depends on.
type Input struct {
	// Now is what exists.
	Now snapshot.Snapshot
	// At is the time of the assessment.
	At time.Time
	// Wanted is what should exist.
	Wanted Wanted
	// judging is true while a deployment is judged by its instances: one that was ready has no time left to become so again.
	judging bool
}

// Wanted is what an Environment should look like.
type Wanted struct {
	// Revision and Version that should run; an empty Revision means that any will do.
	Revision, Version string
	// NextRevision and NextVersion are what is being deployed, when it is not what should run by now: beside it, or later.
	NextRevision, NextVersion string
	// Min is the fewest instances that should be available; Desired is how many should exist.
	Min, Desired int32
	// Launching is true until the first deployment is done; Deploying is true while a rollout is under way.
	Launching, Deploying bool
	// DeploymentStarted is when the deployment, or its current batch, began; zero when it has not begun yet.
	DeploymentStarted time.Time
	// Timeout is how long an instance may take until it is ready. Zero: no time at all.
	Timeout time.Duration
	// Deleting, Paused and Basic say that the Environment is going away, may not be changed, and wants basic reporting.
	Deleting, Paused, Basic bool
	// Databases is the severity of a database that does not run; empty: it counts nothing.
	Databases v1alpha1.HealthStatus
	// Unreachable is the severity of a database that runs for all that its provider says, and that its probe cannot reach; empty: it
	// counts nothing.
	Unreachable v1alpha1.HealthStatus
}

// grace says whether the deployment that is under way still has time. A paused one has, because nothing moves.
func (in Input) grace() bool {
	if !in.Wanted.Launching && !in.Wanted.Deploying {
		return false
	}
	started := in.Wanted.DeploymentStarted
	return in.Wanted.Paused || started.IsZero() || in.At.Before(started.Add(in.Wanted.Timeout))
}

// suspended says whether there is nothing to judge. Without instances a queue that cannot be seen, or a KEDA that does not scale, is worth
// a word: what waits would wait for ever.
func (in Input) suspended() bool {
	return in.Wanted.Deleting || in.Wanted.Desired <= 0 && !in.Now.Queue.Unseen && !in.unscaled()
}

// environmentChecks see the whole environment. Instances that an instanceCheck explains are grouped into causes before.
var environmentChecks = []func(census) *v1alpha1.HealthCause{
	creationRefused, belowMinimum, wrongVersion, ended, deploying, launching, queueSilent, queueOld, deadLetters,
	databaseDown, databaseUnreachable, scalerNotReady,
}

// Assess judges the environment. It always gives a status; since is left to the caller, who knows the previous status.
// With basic reporting there are no causes. Next says when the result may change without anything else changing.
func Assess(in Input) v1alpha1.Health {
	all := takeCensus(in)
	hs := v1alpha1.Health{Status: v1alpha1.HealthSuspended, Instances: all.counts}
	switch {
	case in.suspended():
	case in.Wanted.Basic:
		hs.Status = basic(all)
	default:
		hs.Causes = causes(all)
		hs.Status = all.severity(all.findings)
		for _, c := range hs.Causes {
			hs.Status = worse(hs.Status, c.Severity)
		}
	}
	hs.Color = Color(hs.Status)
	return hs
}

// causes lists what is wrong, worst first; among equals the one that concerns more instances, then by code.
func causes(all census) []v1alpha1.HealthCause {
	out := instanceCauses(all)
	for _, check := range environmentChecks {
		if c := check(all); c != nil {
			out = append(out, *c)
		}
	}
	for i := range out {
		out[i].Message = cut(out[i].Message, maxMessage)
	}
	slices.SortStableFunc(out, func(a, b v1alpha1.HealthCause) int {
		return cmp.Or(rank(b.Severity)-rank(a.Severity), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code))
	})
	return out[:min(len(out), maxCauses)]
}

// basic grades as Beanstalk's basic reporting does: grey while something is going on, red when nothing serves, yellow when
// something is wrong, green otherwise.
func basic(all census) v1alpha1.HealthStatus {
	switch {
	case all.in.grace():
		return v1alpha1.HealthPending
	case all.available == 0 && all.ready == 0:
		return v1alpha1.HealthSevere
	case countFailing(all.findings) > 0 || belowMinimum(all) != nil:
		return v1alpha1.HealthWarning
	default:
		return v1alpha1.HealthOk
	}
}

// Next returns when Assess may give another result although nothing in the cluster has changed; zero when never.
func Next(in Input) time.Time {
	var next time.Time
	consider := func(t time.Time) {
		if t.After(in.At) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if in.Wanted.Launching || in.Wanted.Deploying {
		consider(in.Wanted.DeploymentStarted.Add(in.Wanted.Timeout))
	}
	consider(in.nextUnscaled())
	for _, d := range in.Now.Databases {
		if d.DownSince.IsZero() {
			continue
		}
		consider(d.DownSince.Add(databasePatience))
	}
	for _, pod := range in.Now.Instances {
		consider(pod.CreatedAt.Add(in.Wanted.Timeout))
		consider(pod.ReadySince.Add(settling))
		consider(endedAt(pod).Add(recently))
		for _, c := range pod.Containers {
			if c.LastExit != nil {
				consider(c.LastExit.At.Add(recently))
			}
		}
	}
	return next
}
