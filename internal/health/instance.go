// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// recently is how long an exit counts: longer than the kubelet's longest back-off, so that a crash loop does not look well
// while it runs for a moment.
const recently = 10 * time.Minute

// finding explains why one instance is not Ok.
type finding struct {
	code   string
	status v1alpha1.HealthStatus
	pod    snapshot.Instance
	// container concerned, and what the kubelet or the scheduler says, as it came; both may be empty.
	container snapshot.Container
	detail    string
}

// instanceCheck is one way in which an instance can be unwell.
type instanceCheck struct {
	code string
	// find returns the instance's status, or an empty one when this check finds nothing.
	find func(Input, snapshot.Instance) finding
	// tell says it in a sentence or two, with the next step, for all instances concerned. Nil: another check tells it.
	tell func(group) string
}

// instanceChecks in the order of asking: what prevents everything else comes first.
var instanceChecks = []instanceCheck{
	{code: CauseNodeLost, find: findNodeLost, tell: tellNodeLost},
	{code: CauseImagePullFailed, find: findImagePull, tell: tellImagePull},
	{code: CauseConfigurationError, find: findConfiguration, tell: tellConfiguration},
	{code: CauseOutOfMemory, find: findOutOfMemory, tell: tellOutOfMemory},
	{code: CauseCrashLoop, find: findCrashLoop, tell: tellCrashLoop},
	{code: CauseUnschedulable, find: findUnschedulable, tell: tellUnschedulable},
	{code: CauseStarting, find: findStarting, tell: tellStarting},
	{code: CauseRestarted, find: findRestarted, tell: tellRestarted},
	{code: CauseNotStarted, find: findNotStarted, tell: tellNotStarted},
	{code: CauseProbeFailing, find: findProbeFailing, tell: tellProbeFailing},
	{code: CauseWrongVersion, find: findWrongVersion},
}

// diagnose asks the checks in order.
func diagnose(in Input, pod snapshot.Instance) finding {
	for _, check := range instanceChecks {
		if f := check.find(in, pod); f.status != "" {
			f.code, f.pod = check.code, pod
			return f
		}
	}
	return finding{status: v1alpha1.HealthOk, pod: pod}
}

// Classify gives the status of one instance. One that is going away is Info; one that has ended and is replaced is
// Suspended. Neither is counted by Assess.
func Classify(pod snapshot.Instance, in Input) v1alpha1.HealthStatus {
	switch {
	case pod.Failed:
		return v1alpha1.HealthSuspended
	case pod.Terminating:
		return v1alpha1.HealthInfo
	default:
		return diagnose(in, pod).status
	}
}

// group is all instances with the same explanation. There is at least one; they are ordered by name.
type group struct {
	in       Input
	findings []finding
	whole    int
}

// first is the finding whose words stand for the whole group.
func (g group) first() finding { return g.findings[0] }

// some begins a sentence: "1 of 3 instances is" or "2 of 3 instances are".
func (g group) some(one, many string) string {
	return some(len(g.findings), g.whole, one, many)
}

func some(n, whole int, one, many string) string {
	return fmt.Sprintf("%d of %d instances %s", n, whole, number(n, one, many))
}

// names of the first few instances.
func (g group) names() []string {
	out := make([]string, 0, maxNames)
	for _, f := range g.findings[:min(len(g.findings), maxNames)] {
		out = append(out, f.pod.Name)
	}
	return out
}

// instanceCauses makes one cause for every code among the findings.
func instanceCauses(all census) []v1alpha1.HealthCause {
	var out []v1alpha1.HealthCause
	for _, check := range instanceChecks {
		g := group{in: all.in, whole: all.whole}
		for _, f := range all.findings {
			if f.code == check.code {
				g.findings = append(g.findings, f)
			}
		}
		if len(g.findings) == 0 || check.tell == nil {
			continue
		}
		if message := check.tell(g); message != "" {
			out = append(out, v1alpha1.HealthCause{
				Code: check.code, Severity: all.severity(g.findings), Message: message,
				Count: count(len(g.findings)), Instances: g.names(),
			})
		}
	}
	return out
}
