// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/desired/buildjob"
)

// maxAttempts is how often a build is tried whose failure may pass by itself.
const maxAttempts = 5

// pauseAfter is how long the next attempt waits after a failed one: 10, 30, 90 and 270 seconds.
func pauseAfter(attempts int32) time.Duration {
	out := 10 * time.Second
	for range max(0, attempts-1) {
		out *= 3
	}
	return out
}

// follow is the entry of status after one look at the last attempt.
func follow(entry v1alpha1.Artifact, a *attempt, seconds int64) v1alpha1.Artifact {
	settled := entry.State == v1alpha1.ArtifactBuilt || entry.State == v1alpha1.ArtifactFailed
	if a == nil || settled || a.number < entry.Attempts || (a.number == entry.Attempts && entry.State == v1alpha1.ArtifactRetrying) {
		return entry
	}
	entry.State, entry.Attempts, entry.Message = v1alpha1.ArtifactBuilding, a.number, condition.Cut(a.waits())
	end := a.ended()
	if end == nil {
		return entry
	}
	if end.Type == batchv1.JobComplete {
		if r, ok := a.told(buildjob.Push); ok && r.Artifact != nil {
			entry.Recipe = a.job.Annotations[v1alpha1.AnnotationRecipe]
			return complete(entry, r, end)
		}
		return miss(entry, report.Report{Reason: report.Internal, Retry: true, Error: "The build's result was lost."}, end)
	}
	return miss(entry, a.failed(end, seconds), end)
}

// The bounds of processes in the schema.
const (
	maxProcesses = 10
	maxCommand   = 1024
)

// tooMuch says which commands the API cannot hold; empty when it can hold all.
func tooMuch(processes map[string]string) string {
	if len(processes) > maxProcesses {
		return fmt.Sprintf("The bundle has %d processes, and a version has at most %d.", len(processes), maxProcesses)
	}
	for _, name := range slices.Sorted(maps.Keys(processes)) {
		if n := utf8.RuneCountInString(processes[name]); n == 0 || n > maxCommand {
			return fmt.Sprintf("The command of process %q has %d characters, and may have 1 to %d. Put it into a script in the bundle.", name, n, maxCommand)
		}
	}
	return ""
}

// complete is an entry whose build succeeded.
func complete(entry v1alpha1.Artifact, r report.Report, end *batchv1.JobCondition) v1alpha1.Artifact {
	if problem := tooMuch(r.Processes); problem != "" {
		return miss(entry, report.Report{Reason: report.BuildFailed, Error: problem}, end)
	}
	entry.State, entry.Reason, entry.Message, entry.FailedAt, entry.LogsRef = v1alpha1.ArtifactBuilt, "", "", nil, nil
	entry.SHA256, entry.SizeBytes, entry.Release, entry.Postdeploy = r.Artifact.SHA256, r.Artifact.SizeBytes, r.Release, r.Postdeploy
	entry.Processes = map[string]v1alpha1.ProcessCommand{}
	for name, command := range r.Processes {
		entry.Processes[name] = v1alpha1.ProcessCommand(command)
	}
	return entry
}

// miss is an entry whose attempt failed.
func miss(entry v1alpha1.Artifact, f report.Report, end *batchv1.JobCondition) v1alpha1.Artifact {
	at := end.LastTransitionTime
	entry.State, entry.Reason, entry.FailedAt = v1alpha1.ArtifactFailed, string(f.Reason), &at
	text := f.Error
	switch {
	case f.Retry && entry.Attempts < maxAttempts:
		entry.State = v1alpha1.ArtifactRetrying
		text += fmt.Sprintf(" It is tried again %s after attempt %d of %d.", pauseAfter(entry.Attempts), entry.Attempts, maxAttempts)
	case f.Retry:
		text += fmt.Sprintf(" It was tried %d times. Create another version to try again.", entry.Attempts)
	}
	entry.Message = condition.Cut(text)
	return entry
}

// next is the number of the attempt that is due now, or how long the next one has to wait; both are zero when none comes. A Job that
// vanished without a result is made again under its old name.
func next(entry v1alpha1.Artifact, last *attempt, now time.Time) (int32, time.Duration) {
	switch entry.State {
	case v1alpha1.ArtifactBuilt, v1alpha1.ArtifactFailed:
		return 0, 0
	case v1alpha1.ArtifactRetrying:
		if wait := entry.FailedAt.Add(pauseAfter(entry.Attempts)).Sub(now); wait > 0 {
			return 0, wait
		}
		return entry.Attempts + 1, 0
	default:
		if last != nil {
			return 0, 0
		}
		return max(1, entry.Attempts), 0
	}
}
