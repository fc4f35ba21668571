// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package snapshot holds what exists now for one Environment: its slots and instances, as values. Pure; internal/observe
// fills it, rollout and health read it.
package snapshot

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Slot names.
const (
	SlotA = "a"
	SlotB = "b"
)

// Snapshot is everything that the pure stages may know about the cluster.
type Snapshot struct {
	// Slots that exist, by name.
	Slots map[string]Slot
	// Instances are the pods of all slots, ordered by name, those that are going away included.
	Instances []Instance
	// Traffic is where requests go.
	Traffic Traffic
	// Revisions are the pod templates that are kept, by revision.
	Revisions map[string]Revision
	// Releases are the release commands that exist, by deployment.
	Releases []Release
	// Queue of a worker Environment.
	Queue Queue
	// Scaler is KEDA's, where it scales.
	Scaler Scaler
	// Databases are those that instances know and that do not run, or cannot be reached.
	Databases []Database
}

// Database is a bound database that does not run, or that cannot be reached.
type Database struct {
	// Claim is the name of the DatabaseClaim.
	Claim string
	// DownSince is when it stopped to run; zero: it runs.
	DownSince time.Time
	// Unreachable is what its probe says; empty: nothing bad.
	Unreachable string
}

// Content is what a slot runs.
type Content struct {
	// Revision, Configuration, Change and Version; see settings.Settings.
	Revision, Configuration, Change, Version string
	// Digest of the image, or of the artifact of a source bundle; empty where the node's own image is used.
	Digest string
	// Platform is the platform version that a source bundle runs on, as platform/branch/version, Image its run image; both are empty
	// for an image.
	Platform, Image string
	// Stamp is what began the last update of the platform version; Request is the last update that was asked for and acted on.
	Stamp, Request string
	// Restart is the restart token, Rebuild the rebuild token for which it was made.
	Restart, Rebuild string
	// Template is the revision under which the pod template is kept. It differs from Revision only after a restart of what a
	// rollback brought back.
	Template string
}

// Of is what the settings ask for.
func Of(s settings.Settings) Content {
	c := Content{
		Revision: s.Revision, Configuration: s.Configuration, Change: s.Change, Version: s.Version.Name, Digest: s.Version.Digest,
		Restart: s.RestartToken, Rebuild: s.RebuildToken, Template: s.Revision,
	}
	if a := s.Version.Artifact; a != nil {
		c.Platform, c.Image, c.Stamp, c.Request = a.Platform, s.Version.Image, a.Stamp, a.Request
	}
	return c
}

// Failure is what failed in an environment; the zero value is nothing.
type Failure struct {
	// Change and Version that failed, the reason in one word, and a sentence about it.
	Change, Version, Reason, Message string
	// Platform is the platform version of an update that failed, as Content has it; empty when something else failed.
	Platform string
}

// Slot is one Deployment.
type Slot struct {
	// Name is "a" or "b".
	Name string
	// Content is what was last applied, from the Deployment's annotations.
	Content
	// RolloutID, RolloutType and Policy describe the rollout that last changed the slot; StartedAt is when it began.
	RolloutID   int64
	RolloutType string
	Policy      string
	Batch       int32
	StartedAt   time.Time
	// Instances is the full size of a new set; StageAt is when its present stage began; zero for a slot that is changed in place.
	Instances int32
	StageAt   time.Time
	// Ignored counts the batches whose failure was ignored.
	Ignored int32
	// Abort is the abort token that was there when the rollout began.
	Abort string
	// Good is the revision that a failed rollout in this slot returns to; empty when there is none.
	Good string
	// Failed is what failed here last, if what runs is what came back.
	Failed Failure
	// Settled is false until the Deployment controller has seen the last write; the counts below are older then.
	Settled bool
	// Deleting is true while the Deployment is going away.
	Deleting bool
	// Wanted is spec.replicas.
	Wanted int32
	// Total, Updated, Ready and Available are the Deployment's own counts. Available instances have passed the health gate.
	Total, Updated, Ready, Available int32
	// Complete is true once all instances have the last revision and are available, and stays so until the next one is written.
	Complete bool
	// TimedOut is true once the Deployment made no progress for its deadline.
	TimedOut bool
	// ProgressAt is when the Deployment last made progress; zero when unknown.
	ProgressAt time.Time
	// Refused is the API server's message when pods cannot be created, for example for a full quota; empty otherwise.
	Refused string
	// Live is the Deployment's pod template. Nobody may change it.
	Live *corev1.PodTemplateSpec
}

// Traffic is where requests go, as the Service and the route say.
type Traffic struct {
	// Slot that the Service selects; empty when it selects both, or does not exist.
	Slot string
	// Both is true when the Service selects the instances of both slots.
	Both bool
	// ServiceSince is when a rollout last changed the Service's selector; zero when none did.
	ServiceSince time.Time
	// Weight of the new instances on the route, in percent; RouteSince is when they got it.
	Weight     int32
	RouteSince time.Time
}

// Revision is a pod template that is kept.
type Revision struct {
	// Name of the object that keeps it.
	Name string
	Content
	// Number is the rollout that first used it.
	Number int64
	// Raw is the pod template's apply configuration as JSON.
	Raw []byte
}

// Release is one release command, run before a deployment changes anything.
type Release struct {
	// Name of the Job.
	Name string
	// ID of the deployment, and what else is known of it.
	ID          int64
	Change      string
	Version     string
	RolloutType string
	Policy      string
	Abort       string
	StartedAt   time.Time
	// Succeeded or Failed; neither while it runs. Message is the Job controller's.
	Succeeded, Failed bool
	Message           string
	// Deleting is true while it is going away.
	Deleting bool
}

// Instance is one pod.
type Instance struct {
	Name string
	// Address of the pod; empty until it has one.
	Address string
	// Cost of losing it, as was last written on it; empty: nothing was.
	Cost string
	// Slot, Revision and Version that the pod was made for.
	Slot, Revision, Version string
	CreatedAt               time.Time
	// Ready is the pod's own readiness; ReadySince is when it last became so.
	Ready      bool
	ReadySince time.Time
	// WasReady is true once it has been ready, also when it no longer is: its Ready condition is True, or became False more
	// than a moment after the kubelet took the pod on (status.startTime). It tells a slow start from a failure.
	WasReady bool
	// Started is true once all containers have run at least for a moment.
	Started bool
	// Terminating is true once the pod is being deleted.
	Terminating bool
	// Failed is true when the pod ended and will not be started again.
	Failed        bool
	FailedReason  string
	FailedMessage string
	// Unschedulable is the scheduler's message when no node fits; empty otherwise.
	Unschedulable string
	// Lost is true when the node does not answer.
	Lost       bool
	Containers []Container
}

// Container is one container of an instance.
type Container struct {
	Name     string
	Ready    bool
	Running  bool
	Restarts int32
	// Waiting is the kubelet's reason for not running it, such as CrashLoopBackOff or ErrImagePull; Message explains.
	Waiting, Message string
	// LastExit describes how it last ended; nil when it never did.
	LastExit *Exit
}

// Exit is how a container ended.
type Exit struct {
	Code   int32
	Reason string
	At     time.Time
}

// Object is a child as the cache holds it. Nobody may change it.
type Object interface {
	metav1.Object
	runtime.Object
}

// Children are the children that exist under the names that an Environment uses, its own and strangers'.
type Children map[naming.Child]Object
