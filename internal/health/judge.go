// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// crashes is how often a container of a new instance must have ended before it is a failure of the rollout. Fewer may be a
// stumble: an application that starts before its database.
const crashes = 3

// Judge judges the instances of one revision in one slot by themselves: how they are, and whether one crashes again and again.
// The status is empty when there are none; instances that start have the time that in.Wanted gives them, those that were ready have none.
func Judge(in Input, slot, revision string) (status v1alpha1.HealthStatus, crash string) {
	alone := in
	alone.judging = true
	alone.Now.Instances = nil
	for _, pod := range in.Now.Instances {
		if pod.Slot == slot && pod.Revision == revision && !pod.Terminating {
			alone.Now.Instances = append(alone.Now.Instances, pod)
		}
	}
	if len(alone.Now.Instances) == 0 {
		return "", ""
	}
	alone.Now.Slots = map[string]snapshot.Slot{slot: in.Now.Slots[slot]}
	alone.Wanted.Desired, alone.Wanted.Launching, alone.Wanted.Deploying = int32(len(alone.Now.Instances)), false, true
	alone.Wanted.Revision = revision
	all := takeCensus(alone)
	return all.severity(all.findings), crashed(all)
}

func crashed(all census) string {
	for _, f := range all.findings {
		c := f.container
		if (f.code == CauseCrashLoop || f.code == CauseOutOfMemory) && c.Restarts >= crashes && !f.pod.Ready {
			return fmt.Sprintf("instance %s crashes again and again: container %s %s", f.pod.Name, c.Name, describeExit(c.LastExit, "exits"))
		}
	}
	return ""
}
