// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// fresh says whether the instance belongs to the deployment that is under way.
func fresh(in Input, pod snapshot.Instance) bool {
	return pod.Revision == in.Wanted.Revision || !pod.CreatedAt.Before(in.Wanted.DeploymentStarted)
}

// inTime says whether an instance that is not ready may still be starting: it belongs to a deployment that has time left, or
// it came later, by scaling or as a replacement, was never ready and is younger than the timeout.
func inTime(in Input, pod snapshot.Instance) bool {
	if in.grace() && fresh(in, pod) && !(in.judging && pod.WasReady) {
		return true
	}
	return !pod.WasReady && in.At.Before(pod.CreatedAt.Add(in.Wanted.Timeout))
}

func findStarting(in Input, pod snapshot.Instance) finding {
	switch {
	case pod.Ready || !inTime(in, pod):
		return finding{}
	case in.Wanted.Launching || !pod.Started:
		return finding{status: v1alpha1.HealthPending}
	default:
		return finding{status: v1alpha1.HealthInfo}
	}
}

// tellStarting is silent while the causes Deploying and launching already say so.
func tellStarting(g group) string {
	if g.in.Wanted.Launching || g.in.Wanted.Deploying {
		return ""
	}
	return g.some("is", "are") + " starting. Nothing needs to be done."
}

func findNotStarted(in Input, pod snapshot.Instance) finding {
	if pod.Ready || pod.Started {
		return finding{}
	}
	f := finding{status: v1alpha1.HealthDegraded}
	for _, c := range pod.Containers {
		if c.Waiting != "" {
			f.container, f.detail = c, c.Waiting
			break
		}
	}
	return f
}

func tellNotStarted(g group) string {
	f := g.first()
	message := g.some("has not started", "have not started") + " in time"
	if f.detail != "" {
		message += fmt.Sprintf(": container %s waits (%s)", f.container.Name, Clean(f.detail))
	}
	return fmt.Sprintf("%s See what it waits for with `kubectl describe pod %s`.", sentence(message), f.pod.Name)
}

func findProbeFailing(_ Input, pod snapshot.Instance) finding {
	if pod.Ready {
		return finding{}
	}
	f := finding{status: v1alpha1.HealthDegraded}
	for _, c := range pod.Containers {
		if !c.Ready {
			f.container = c
			break
		}
	}
	return f
}

func tellProbeFailing(g group) string {
	f := g.first()
	where, logs := "", f.pod.Name
	if f.container.Name != "" {
		where, logs = ": container "+f.container.Name+" is not ready", f.pod.Name+" -c "+f.container.Name
	}
	return fmt.Sprintf("%s but %s the health check%s. Check the process's port and healthCheck, and read `kubectl logs %s`.",
		g.some("runs", "run"), number(len(g.findings), "fails", "fail"), where, logs)
}
