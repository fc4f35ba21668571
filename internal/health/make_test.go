// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// at is the time of all assessments, unless a test says otherwise.
var at = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// makeInput is a healthy environment of n instances, shop-1 to shop-n, that has run for an hour.
func makeInput(n int, tweaks ...func(*Input)) Input {
	in := Input{
		At: at,
		Wanted: Wanted{
			Revision: "r1", Version: "shop-41", Min: int32(n), Desired: int32(n),
			DeploymentStarted: at.Add(-time.Hour), Timeout: 10 * time.Minute,
		},
		Now: snapshot.Snapshot{Slots: map[string]snapshot.Slot{
			snapshot.SlotA: {Name: snapshot.SlotA, Settled: true, Wanted: int32(n), Total: int32(n), Available: int32(n)},
		}},
	}
	for i := range n {
		in.Now.Instances = append(in.Now.Instances, makeInstance(fmt.Sprintf("shop-%d", i+1)))
	}
	for _, tweak := range tweaks {
		tweak(&in)
	}
	return in
}

// makeInstance is a healthy instance.
func makeInstance(name string, tweaks ...func(*snapshot.Instance)) snapshot.Instance {
	pod := snapshot.Instance{
		Name: name, Slot: snapshot.SlotA, Revision: "r1", Version: "shop-41", CreatedAt: at.Add(-time.Hour),
		Ready: true, ReadySince: at.Add(-59 * time.Minute), WasReady: true, Started: true,
		Containers: []snapshot.Container{{Name: "web", Ready: true, Running: true}},
	}
	for _, tweak := range tweaks {
		tweak(&pod)
	}
	return pod
}

// instances changes the first n instances; those that are not ready are not available either.
func instances(n int, tweaks ...func(*snapshot.Instance)) func(*Input) {
	return func(in *Input) {
		slot := in.Now.Slots[snapshot.SlotA]
		for i := range n {
			pod := &in.Now.Instances[i]
			ready := pod.Ready
			for _, tweak := range tweaks {
				tweak(pod)
			}
			if ready && !pod.Ready {
				slot.Available--
			}
		}
		in.Now.Slots[snapshot.SlotA] = slot
	}
}

func slotA(tweak func(*snapshot.Slot)) func(*Input) {
	return func(in *Input) {
		slot := in.Now.Slots[snapshot.SlotA]
		tweak(&slot)
		in.Now.Slots[snapshot.SlotA] = slot
	}
}

func wanted(tweak func(*Wanted)) func(*Input) {
	return func(in *Input) { tweak(&in.Wanted) }
}

func queue(q snapshot.Queue) func(*Input) {
	return func(in *Input) { in.Now.Queue = q }
}

func scaler(s snapshot.Scaler) func(*Input) {
	return func(in *Input) { in.Now.Scaler = s }
}

func atLeast(n int32) func(*Input) {
	return wanted(func(w *Wanted) { w.Min = n })
}

// launched began the first deployment some time ago.
func launched(ago time.Duration) func(*Input) {
	return wanted(func(w *Wanted) { w.Launching, w.DeploymentStarted = true, at.Add(-ago) })
}

// deployed began a later deployment, of revision r1, some time ago.
func deployed(ago time.Duration) func(*Input) {
	return wanted(func(w *Wanted) { w.Deploying, w.DeploymentStarted = true, at.Add(-ago) })
}

func paused(in *Input) { in.Wanted.Paused = true }

func basicReporting(in *Input) { in.Wanted.Basic = true }

func unready(pod *snapshot.Instance) {
	pod.Ready, pod.ReadySince = false, time.Time{}
	pod.Containers[0].Ready = false
}

func neverReady(pod *snapshot.Instance) {
	unready(pod)
	pod.WasReady = false
}

func unstarted(pod *snapshot.Instance) {
	neverReady(pod)
	pod.Started = false
	pod.Containers[0].Running = false
}

func waiting(reason, message string) func(*snapshot.Instance) {
	return func(pod *snapshot.Instance) {
		unready(pod)
		c := &pod.Containers[0]
		c.Running, c.Waiting, c.Message = false, reason, message
	}
}

func exit(restarts, code int32, reason string, ago time.Duration) func(*snapshot.Instance) {
	return func(pod *snapshot.Instance) {
		c := &pod.Containers[0]
		c.Restarts, c.LastExit = restarts, &snapshot.Exit{Code: code, Reason: reason, At: at.Add(-ago)}
	}
}

func created(ago time.Duration) func(*snapshot.Instance) {
	return func(pod *snapshot.Instance) { pod.CreatedAt = at.Add(-ago) }
}

func revision(revision, version string) func(*snapshot.Instance) {
	return func(pod *snapshot.Instance) { pod.Revision, pod.Version = revision, version }
}

func lost(pod *snapshot.Instance) {
	unready(pod)
	pod.Lost = true
}

func terminating(pod *snapshot.Instance) {
	unready(pod)
	pod.Terminating = true
}

func failed(reason, message string) func(*snapshot.Instance) {
	return func(pod *snapshot.Instance) {
		unready(pod)
		pod.Failed, pod.FailedReason, pod.FailedMessage = true, reason, message
	}
}

func unschedulable(message string) func(*snapshot.Instance) {
	return func(pod *snapshot.Instance) {
		unstarted(pod)
		pod.Unschedulable = message
	}
}
