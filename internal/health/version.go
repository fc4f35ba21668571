// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// astray says whether an instance runs something else than it should although nothing is about to change that.
func astray(in Input, pod snapshot.Instance) bool {
	wanted := in.Wanted
	idle := !wanted.Launching && !wanted.Deploying && !wanted.Paused
	return idle && wanted.Revision != "" && pod.Revision != wanted.Revision
}

func findWrongVersion(in Input, pod snapshot.Instance) finding {
	if astray(in, pod) {
		return finding{status: v1alpha1.HealthDegraded}
	}
	return finding{}
}

// wrongVersion counts all instances that are astray, whatever else is the matter with them.
func wrongVersion(all census) *v1alpha1.HealthCause {
	g := group{in: all.in, whole: all.whole}
	for _, f := range all.findings {
		if astray(all.in, f.pod) {
			g.findings = append(g.findings, f)
		}
	}
	if len(g.findings) == 0 {
		return nil
	}
	wanted, running := label(all.in.Wanted.Version), label(g.first().pod.Version)
	what := fmt.Sprintf("%s version %s, but version %s should run", g.some("runs", "run"), running, wanted)
	if running == wanted {
		what = fmt.Sprintf("%s version %s with an earlier configuration", g.some("runs", "run"), wanted)
	}
	return &v1alpha1.HealthCause{
		Code: CauseWrongVersion, Count: count(len(g.findings)), Instances: g.names(),
		Severity: milder(v1alpha1.HealthDegraded, share(len(g.findings), all.whole)),
		Message:  what + ". Deploy again, or delete these instances.",
	}
}

// deploying says how far a deployment is. It is information, never a fault.
func deploying(all census) *v1alpha1.HealthCause {
	if !all.in.Wanted.Deploying || all.in.Wanted.Launching {
		return nil
	}
	done, want := 0, int(all.in.Wanted.Desired)
	revision, version := all.in.Wanted.Revision, all.in.Wanted.Version
	if all.in.Wanted.NextRevision != "" {
		revision, version = all.in.Wanted.NextRevision, all.in.Wanted.NextVersion
	}
	for _, f := range all.findings {
		if f.pod.Ready && f.pod.Revision == revision {
			done++
		}
	}
	done = min(done, want)
	verb, next := "is being deployed", "Nothing needs to be done."
	if all.in.Wanted.Paused {
		verb, next = "is deployed in part", "The deployment goes on when spec.paused is false."
	}
	return &v1alpha1.HealthCause{
		Code: CauseDeploying, Severity: v1alpha1.HealthInfo, Count: count(want - done),
		Message: fmt.Sprintf("Version %s %s: %s it. %s", label(version), verb, some(done, want, "runs", "run"), next),
	}
}

// launching stands in for deploying as long as nothing was ever deployed.
func launching(all census) *v1alpha1.HealthCause {
	if !all.in.Wanted.Launching {
		return nil
	}
	want := int(all.in.Wanted.Desired)
	ready, next := min(all.ready, want), "Nothing needs to be done."
	if all.in.Wanted.Paused {
		next = "It goes on when spec.paused is false."
	}
	return &v1alpha1.HealthCause{
		Code: CauseStarting, Severity: v1alpha1.HealthPending, Count: count(want - ready),
		Message: fmt.Sprintf("The environment is being launched: %s ready. %s", some(ready, want, "is", "are"), next),
	}
}

func label(version string) string { return orUnknown(Clean(version)) }
