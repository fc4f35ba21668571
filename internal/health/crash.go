// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// settling is how long an instance must be ready before its earlier crashes are forgiven; without a health check it is
// ready for a moment between two crashes.
const settling = time.Minute

// exitHints explain exit codes that say little by themselves.
var exitHints = map[int32]string{
	0:   ", but it must keep running",
	126: ": its command cannot be executed",
	127: ": its command was not found",
	137: ": it was killed, usually because its liveness check failed",
	139: ": it crashed on an invalid memory access",
	143: ": it was asked to stop, usually because its liveness check failed",
}

// exited says whether the container ended not long ago.
func exited(in Input, c snapshot.Container) bool {
	return c.LastExit != nil && in.At.Before(c.LastExit.At.Add(recently))
}

// crashing says whether the container starts and ends again and again. The kubelet's own word is missing while the container
// runs for a moment, so repeated restarts count too until it has been ready for a while.
func crashing(in Input, pod snapshot.Instance, c snapshot.Container) bool {
	if c.Waiting == "CrashLoopBackOff" {
		return true
	}
	settled := c.Ready && (!pod.Ready || !in.At.Before(pod.ReadySince.Add(settling)))
	return c.Restarts >= 2 && exited(in, c) && !settled
}

func findCrashLoop(in Input, pod snapshot.Instance) finding {
	for _, c := range pod.Containers {
		if crashing(in, pod, c) {
			return finding{status: v1alpha1.HealthSevere, container: c}
		}
	}
	return finding{}
}

func tellCrashLoop(g group) string {
	f := g.first()
	return fmt.Sprintf("%s again and again: container %s %s. See why with `kubectl logs %s -c %s --previous`.",
		g.some("crashes", "crash"), f.container.Name, describeExit(f.container.LastExit, "exits"), f.pod.Name, f.container.Name)
}

// findRestarted is for instances that crashed but are back. A new deployment may stumble. Completed init containers have
// ended, but well.
func findRestarted(in Input, pod snapshot.Instance) finding {
	if in.grace() && fresh(in, pod) {
		return finding{}
	}
	for _, c := range pod.Containers {
		if c.Restarts > 0 && exited(in, c) && (c.Running || c.LastExit.Code != 0) {
			return finding{status: v1alpha1.HealthWarning, container: c}
		}
	}
	return finding{}
}

func tellRestarted(g group) string {
	f := g.first()
	return fmt.Sprintf("%s restarted not long ago: container %s %s. See why with `kubectl logs %s -c %s --previous`.",
		g.some("was", "were"), f.container.Name, describeExit(f.container.LastExit, "exited"), f.pod.Name, f.container.Name)
}

func describeExit(e *snapshot.Exit, verb string) string {
	if e == nil {
		return "does not keep running"
	}
	reason := ""
	if e.Reason != "" {
		reason = fmt.Sprintf(" (%s)", Clean(e.Reason))
	}
	return fmt.Sprintf("%s with code %d%s%s", verb, e.Code, reason, exitHints[e.Code])
}

// findOutOfMemory wins over a crash loop, because it says what to do.
func findOutOfMemory(in Input, pod snapshot.Instance) finding {
	for _, c := range pod.Containers {
		if !exited(in, c) || c.LastExit.Reason != "OOMKilled" {
			continue
		}
		switch {
		case crashing(in, pod, c):
			return finding{status: v1alpha1.HealthSevere, container: c}
		case !pod.Ready:
			return finding{status: v1alpha1.HealthDegraded, container: c}
		default:
			return finding{status: v1alpha1.HealthWarning, container: c}
		}
	}
	return finding{}
}

func tellOutOfMemory(g group) string {
	return fmt.Sprintf("%s out of memory: container %s was killed at its memory limit. "+
		"Raise spec.capacity.resources.limits.memory, or let the application use less.",
		g.some("ran", "ran"), g.first().container.Name)
}

// ended tells of instances that Kubernetes has given up and replaced. It harms nothing by itself, but explains other causes.
func ended(all census) *v1alpha1.HealthCause {
	g := group{in: all.in}
	for _, pod := range all.ended {
		if all.in.At.Before(endedAt(pod).Add(recently)) {
			g.findings = append(g.findings, finding{pod: pod})
		}
	}
	if len(g.findings) == 0 {
		return nil
	}
	n, pod := len(g.findings), g.first().pod
	message := fmt.Sprintf("%d %s ended and will be replaced (%s)",
		n, number(n, "instance has", "instances have"), orUnknown(Clean(pod.FailedReason)))
	if detail := Clean(pod.FailedMessage); detail != "" {
		message += ": " + detail
	}
	return &v1alpha1.HealthCause{
		Code: CauseInstanceEnded, Severity: v1alpha1.HealthInfo, Count: count(len(g.findings)), Instances: g.names(),
		Message: sentence(message) + fmt.Sprintf(" If it happens again, look at `kubectl describe pod %s`.", pod.Name),
	}
}

// endedAt is when an instance ended: the last exit of its containers, or its creation if they never ran.
func endedAt(pod snapshot.Instance) time.Time {
	at := pod.CreatedAt
	for _, c := range pod.Containers {
		if c.LastExit != nil && c.LastExit.At.After(at) {
			at = c.LastExit.At
		}
	}
	return at
}
