// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// What people read. Every code has at least one row; the table is checked for that.
func TestMessages(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		in   Input
		code string
		want string
	}{
		{
			name: "crash loop", code: CauseCrashLoop,
			in: makeInput(3, instances(2, waiting("CrashLoopBackOff", crashMessage), exit(7, 1, "Error", time.Minute))),
			want: "2 of 3 instances crash again and again: container web exits with code 1 (Error). " +
				"See why with `kubectl logs shop-1 -c web --previous`.",
		},
		{
			name: "crash loop of a program that just ends", code: CauseCrashLoop,
			in: makeInput(3, instances(1, waiting("CrashLoopBackOff", crashMessage), exit(7, 0, "Completed", time.Minute))),
			want: "1 of 3 instances crashes again and again: container web exits with code 0 (Completed), but it must keep running. " +
				"See why with `kubectl logs shop-1 -c web --previous`.",
		},
		{
			name: "crash loop without a known exit", code: CauseCrashLoop, in: makeInput(1, instances(1, waiting("CrashLoopBackOff", ""))),
			want: "1 of 1 instances crashes again and again: container web does not keep running. " +
				"See why with `kubectl logs shop-1 -c web --previous`.",
		},
		{
			name: "restarted by its liveness check", code: CauseRestarted, in: makeInput(3, instances(1, exit(1, 137, "", time.Minute))),
			want: "1 of 3 instances was restarted not long ago: container web exited with code 137: it was killed, usually because its " +
				"liveness check failed. See why with `kubectl logs shop-1 -c web --previous`.",
		},
		{
			name: "image, first attempt", code: CauseImagePullFailed,
			in: makeInput(3, instances(1, waiting("ErrImagePull",
				`failed to pull and unpack image "registry.test/shop:1": registry.test/shop:1: not found`))),
			want: `1 of 3 instances cannot get the image of container web: failed to pull and unpack image "registry.test/shop:1": ` +
				"registry.test/shop:1: not found. Check that the image exists and that the ApplicationVersion's pullSecretRef may read it.",
		},
		{
			name: "image, pause after an attempt", code: CauseImagePullFailed,
			in: makeInput(3, instances(1, waiting("ImagePullBackOff", `Back-off pulling image "registry.test/shop:1": ErrImagePull: `+
				`failed to pull and unpack image "registry.test/shop:1": registry.test/shop:1: not found`))),
			want: `1 of 3 instances cannot get the image of container web: failed to pull and unpack image "registry.test/shop:1": ` +
				"registry.test/shop:1: not found. Check that the image exists and that the ApplicationVersion's pullSecretRef may read it.",
		},
		{
			name: "image, pause of an older kubelet", code: CauseImagePullFailed,
			in: makeInput(3, instances(1, waiting("ImagePullBackOff", `Back-off pulling image "registry.test/shop:1"`))),
			want: `1 of 3 instances cannot get the image of container web: Back-off pulling image "registry.test/shop:1". ` +
				"Check that the image exists and that the ApplicationVersion's pullSecretRef may read it.",
		},
		{
			name: "image that must not be pulled", code: CauseImagePullFailed, in: makeInput(3, instances(1, waiting("ErrImageNeverPull", ""))),
			want: "1 of 3 instances cannot get the image of container web. " +
				"The node does not have the image and may not pull it: push it to a registry, or load it onto every node.",
		},
		{
			name: "image with a wrong name", code: CauseImagePullFailed,
			in: makeInput(3, instances(1, waiting("InvalidImageName", `Failed to apply default image tag "Shop:1": invalid reference format`))),
			want: `1 of 3 instances cannot get the image of container web: Failed to apply default image tag "Shop:1": invalid reference format. ` +
				"Correct the image's name in the ApplicationVersion.",
		},
		{
			name: "root image", code: CauseConfigurationError, in: makeInput(3, instances(3, waiting("CreateContainerConfigError", rootMessage))),
			want: "3 of 3 instances cannot be started as configured: container web: container has runAsNonRoot and image will run as root " +
				"(container: web). Instances may not run as root: set spec.podTemplate.runAsUser to a number other than 0, or give the image a numeric USER.",
		},
		{
			name: "secret key missing", code: CauseConfigurationError,
			in: makeInput(3, instances(1, waiting("CreateContainerConfigError", `couldn't find key password in Secret default/db`))),
			want: "1 of 3 instances cannot be started as configured: container web: couldn't find key password in Secret default/db. " +
				"Create what is missing, or correct the reference in spec.environmentProperties.",
		},
		{
			name: "command missing, first attempt", code: CauseConfigurationError,
			in: makeInput(3, instances(1, waiting("RunContainerError", `exec: "serve": executable file not found in $PATH`))),
			want: "1 of 3 instances cannot be started as configured: container web: its command cannot be started. " +
				"Check the process's command and that the image has it; `kubectl describe pod shop-1` shows the error.",
		},
		{
			name: "command missing, pause after an attempt", code: CauseConfigurationError,
			in: makeInput(3, instances(1, waiting("CrashLoopBackOff", crashMessage), exit(3, 128, "StartError", time.Minute))),
			want: "1 of 3 instances cannot be started as configured: container web: its command cannot be started. " +
				"Check the process's command and that the image has it; `kubectl describe pod shop-1` shows the error.",
		},
		{
			name: "another configuration error", code: CauseConfigurationError, in: makeInput(3, instances(1, waiting("CreateContainerError", ""))),
			want: "1 of 3 instances cannot be started as configured: container web. Look at `kubectl describe pod shop-1`.",
		},
		{
			name: "out of memory", code: CauseOutOfMemory, in: makeInput(3, instances(2, exit(1, 137, "OOMKilled", time.Minute))),
			want: "2 of 3 instances ran out of memory: container web was killed at its memory limit. " +
				"Raise spec.capacity.resources.limits.memory, or let the application use less.",
		},
		{
			name: "no node fits", code: CauseUnschedulable, in: makeInput(3, instances(1, unschedulable(schedMessage))),
			want: "1 of 3 instances finds no node: 0/2 nodes are available: 2 Insufficient memory. " +
				"Add a node, or ask for less with spec.capacity.resources.requests or spec.capacity.placement.",
		},
		{
			name: "node lost", code: CauseNodeLost, in: makeInput(3, instances(2, lost)),
			want: "2 of 3 instances are on a node that does not answer. Kubernetes replaces what was on a node that stays away; " +
				"see which one with `kubectl get nodes`.",
		},
		{
			name: "health check fails", code: CauseProbeFailing, in: makeInput(3, instances(2, unready)),
			want: "2 of 3 instances run but fail the health check: container web is not ready. " +
				"Check the process's port and healthCheck, and read `kubectl logs shop-1 -c web`.",
		},
		{
			name: "health check fails, container unknown", code: CauseProbeFailing,
			in: makeInput(3, instances(1, unready, func(p *snapshot.Instance) { p.Containers = nil })),
			want: "1 of 3 instances runs but fails the health check. " +
				"Check the process's port and healthCheck, and read `kubectl logs shop-1`.",
		},
		{
			name: "does not start", code: CauseNotStarted,
			in: makeInput(3, instances(1, unstarted, func(p *snapshot.Instance) { p.Containers[0].Waiting = "ContainerCreating" })),
			want: "1 of 3 instances has not started in time: container web waits (ContainerCreating). " +
				"See what it waits for with `kubectl describe pod shop-1`.",
		},
		{
			name: "starting after scaling out", code: CauseStarting, in: makeInput(3, instances(2, neverReady, created(time.Minute))),
			want: "2 of 3 instances are starting. Nothing needs to be done.",
		},
		{
			name: "launching", code: CauseStarting, in: makeInput(3, launched(time.Minute), instances(2, neverReady)),
			want: "The environment is being launched: 1 of 3 instances is ready. Nothing needs to be done.",
		},
		{
			name: "launching is held back", code: CauseStarting, in: makeInput(3, launched(time.Minute), paused, instances(1, neverReady)),
			want: "The environment is being launched: 2 of 3 instances are ready. It goes on when spec.paused is false.",
		},
		{
			name: "deploying", code: CauseDeploying, in: makeInput(4, deployed(time.Minute), instances(3, revision("r0", "shop-40"))),
			want: "Version shop-41 is being deployed: 1 of 4 instances runs it. Nothing needs to be done.",
		},
		{
			name: "deploying is held back", code: CauseDeploying, in: makeInput(4, deployed(time.Minute), paused, instances(2, revision("r0", "shop-40"))),
			want: "Version shop-41 is deployed in part: 2 of 4 instances run it. The deployment goes on when spec.paused is false.",
		},
		{
			name: "wrong version", code: CauseWrongVersion, in: makeInput(4, instances(2, revision("r0", "shop-40"))),
			want: "2 of 4 instances run version shop-40, but version shop-41 should run. Deploy again, or delete these instances.",
		},
		{
			name: "wrong configuration", code: CauseWrongVersion, in: makeInput(4, instances(1, revision("r0", "shop-41"))),
			want: "1 of 4 instances runs version shop-41 with an earlier configuration. Deploy again, or delete these instances.",
		},
		{
			name: "version not known", code: CauseWrongVersion, in: makeInput(4, instances(1, revision("", ""))),
			want: "1 of 4 instances runs version unknown, but version shop-41 should run. Deploy again, or delete these instances.",
		},
		{
			name: "below minimum", code: CauseBelowMinimum, in: makeInput(2, wanted(func(w *Wanted) { w.Min = 3 })),
			want: "2 instances are available, at least 3 should be. The other causes say why; if there is none, look at `kubectl get pods`.",
		},
		{
			name: "health gate not passed", code: CauseBelowMinimum, in: makeInput(2, slotA(func(s *snapshot.Slot) { s.Available = 1 })),
			want: "1 instance is available, at least 2 should be. Others are ready, but have not passed the health gate yet.",
		},
		{
			name: "a silent queue", code: CauseQueueNotPolled, in: makeInput(2, queue(snapshot.Queue{Known: true, Silent: true})),
			want: "No instance had an answer of the queue's broker for 3 minutes. See why in the log of the container beanpod-queue-daemon, " +
				"and check the broker, spec.worker.queue and its Secret.",
		},
		{
			name: "old messages", code: CauseQueueBacklog, in: makeInput(2, queue(snapshot.Queue{Known: true, Age: snapshot.AgeOld})),
			want: "The oldest message has waited for more than five minutes. Run more instances with spec.capacity, allow more at a time " +
				"with spec.worker.connections, or see what makes the application slow.",
		},
		{
			name: "very old messages", code: CauseQueueBacklog, in: makeInput(2, queue(snapshot.Queue{Known: true, Age: snapshot.AgeVeryOld})),
			want: "The oldest message has waited for more than an hour. Run more instances with spec.capacity, allow more at a time " +
				"with spec.worker.connections, or see what makes the application slow.",
		},
		{
			name: "a dead letter", code: CauseDeadLetters, in: makeInput(2, queue(snapshot.Queue{Known: true, Dead: 1})),
			want: "1 message was tried too often and lies in the dead-letter queue, status.queue.deadLetterURL. See why in the log of the container " +
				"beanpod-queue-daemon; put them back into the queue when that is mended, or delete them.",
		},
		{
			name: "dead letters", code: CauseDeadLetters, in: makeInput(2, queue(snapshot.Queue{Known: true, Dead: 7})),
			want: "7 messages were tried too often and lie in the dead-letter queue, status.queue.deadLetterURL. See why in the log of the container " +
				"beanpod-queue-daemon; put them back into the queue when that is mended, or delete them.",
		},
		{
			name: "KEDA's error", code: CauseScalerNotReady, in: makeInput(2, scaler(snapshot.Scaler{
				Name: "shop", Reason: "TriggerError", Message: "dial amqp://u:secret@rabbit:5672 refused after 3s\nsee it", Since: at.Add(-time.Hour),
			})),
			want: "KEDA does not scale by ScaledObject shop: TriggerError: dial amqp://rabbit:5672 refused see it. The number of instances stays as it is. " +
				"See its events with `kubectl describe scaledobject shop`, and check that KEDA runs and reaches the broker, spec.worker.queue and its Secret.",
		},
		{
			name: "what KEDA's autoscaler says", code: CauseScalerNotReady, in: makeInput(2, scaler(snapshot.Scaler{
				Name: "shop", Reason: "FailedGetExternalMetric", Since: at.Add(-time.Hour), Message: "the HPA was unable to compute the replica count: unable to get external metric " +
					"team/s0-redis-streams-jobs/&LabelSelector{MatchLabels:map[string]string{scaledobject.keda.sh/name: shop,},MatchExpressions:[]LabelSelectorRequirement{},}: " +
					"unable to fetch metrics from external metrics API: rpc error: code = Unknown desc = error when getting metric values metric:s0-redis-streams-jobs encountered error",
			})),
			want: "KEDA does not scale by ScaledObject shop: FailedGetExternalMetric: the HPA was unable to compute the replica count: unable to get external metric " +
				"team/s0-redis-streams-jobs: unable to fetch metrics from external metrics API: rpc error: code = Unknown desc = error when getting metric values " +
				"metric:s0-redis-streams-jobs encountered error. The number of instances stays as it is. " +
				"See its events with `kubectl describe scaledobject shop`, and check that KEDA runs and reaches the broker, spec.worker.queue and its Secret.",
		},
		{
			name: "KEDA's silence", code: CauseScalerNotReady, in: makeInput(2, scaler(snapshot.Scaler{Name: "shop", Silent: true, Since: at.Add(-time.Hour)})),
			want: "KEDA has said nothing of ScaledObject shop. The number of instances stays as it is. " +
				"See whether its operator runs, with `kubectl get pods -A -l app=keda-operator`, and read its log.",
		},
		{
			name: "quota", code: CauseCreationRefused, in: makeInput(2, slotA(func(s *snapshot.Slot) { s.Refused = quotaMessage })),
			want: "New instances are refused: exceeded quota: compute, requested: cpu=1, used: cpu=2, limited: cpu=2. " +
				"Raise the namespace's ResourceQuota, or ask for less with spec.capacity.",
		},
		{
			name: "pod security", code: CauseCreationRefused, in: makeInput(2, slotA(func(s *snapshot.Slot) {
				s.Refused = `pods "shop-a-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`
			})),
			want: `New instances are refused: violates PodSecurity "restricted:latest": runAsNonRoot != true. ` +
				"Remove from spec.podTemplate what the namespace's Pod Security level forbids, or choose another level.",
		},
		{
			name: "limit range", code: CauseCreationRefused, in: makeInput(2, slotA(func(s *snapshot.Slot) {
				s.Refused = `pods "shop-a-1" is forbidden: maximum cpu usage per Container is 1, but limit is 2`
			})),
			want: "New instances are refused: maximum cpu usage per Container is 1, but limit is 2. " +
				"Keep spec.capacity.resources within the namespace's LimitRange.",
		},
		{
			name: "another refusal", code: CauseCreationRefused,
			in: makeInput(2, slotA(func(s *snapshot.Slot) { s.Refused = `admission webhook "policy.test" denied the request: no` })),
			want: `New instances are refused: admission webhook "policy.test" denied the request: no. ` +
				"Change what the message names; the refusal comes from the cluster, not from Beanpod.",
		},
		{
			name: "evicted", code: CauseInstanceEnded,
			in: makeInput(3, instances(1, failed("Evicted", "The node was low on resource: memory."), created(time.Minute))),
			want: "1 instance has ended and will be replaced (Evicted): The node was low on resource: memory. " +
				"If it happens again, look at `kubectl describe pod shop-1`.",
		},
		{
			name: "ended for no known reason", code: CauseInstanceEnded, in: makeInput(3, instances(2, failed("", ""), created(time.Minute))),
			want: "2 instances have ended and will be replaced (unknown). If it happens again, look at `kubectl describe pod shop-1`.",
		},
	}
	seen := map[string]bool{}
	for _, tc := range rows {
		seen[tc.code] = true
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := "no such cause"
			for _, c := range Assess(tc.in).Causes {
				if c.Code == tc.code {
					got = c.Message
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
	for _, code := range allCodes {
		if !seen[code] {
			t.Errorf("no row for cause %s", code)
		}
	}
}

// allCodes is every code that Assess may use.
var allCodes = []string{
	CauseBelowMinimum, CauseConfigurationError, CauseCrashLoop, CauseCreationRefused, CauseDeploying, CauseImagePullFailed,
	CauseInstanceEnded, CauseNodeLost, CauseNotStarted, CauseOutOfMemory, CauseProbeFailing, CauseRestarted, CauseStarting,
	CauseUnschedulable, CauseWrongVersion, CauseQueueNotPolled, CauseQueueBacklog, CauseDeadLetters, CauseScalerNotReady,
}

func TestCauseNamesInstances(t *testing.T) {
	t.Parallel()
	in := makeInput(8, atLeast(1), instances(7, unready))
	in.Now.Instances[0], in.Now.Instances[6] = in.Now.Instances[6], in.Now.Instances[0]
	got := Assess(in).Causes
	want := []v1alpha1.HealthCause{{
		Code: CauseProbeFailing, Severity: v1alpha1.HealthDegraded, Count: 7,
		Message: "7 of 8 instances run but fail the health check: container web is not ready. " +
			"Check the process's port and healthCheck, and read `kubectl logs shop-1 -c web`.",
		Instances: []string{"shop-1", "shop-2", "shop-3", "shop-4", "shop-5"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, in, want string
	}{
		{name: "nothing", in: "", want: ""},
		{name: "plain", in: "secret \"db\" not found", want: "secret \"db\" not found"},
		{
			name: "back-off", in: "back-off 2m40s restarting failed container=web pod=shop-1_default(0a1b2c3d-0000-4000-8000-000000000001)",
			want: "back-off restarting failed container=web pod=shop-1_default",
		},
		{name: "first back-off", in: "back-off 10s restarting failed container", want: "back-off restarting failed container"},
		{name: "duration at the end", in: "timed out after 1m0.5s", want: "timed out"},
		{name: "durations in a row", in: "waited 5s 6s 7ms for it", want: "waited for it"},
		{name: "duration in brackets", in: "no answer (10s)", want: "no answer"},
		{name: "quantities stay", in: "requested: cpu=100m,memory=5Mi, used: cpu=2", want: "requested: cpu=100m,memory=5Mi, used: cpu=2"},
		{name: "image tags stay", in: `pulling "registry.test/k3s:5s-1m0s" failed`, want: `pulling "registry.test/k3s:5s-1m0s" failed`},
		{name: "digests stay", in: "shop@sha256:0123456789abcdef", want: "shop@sha256:0123456789abcdef"},
		{
			name: "time", in: "certificate has expired: current time 2026-03-04T12:00:00Z is after 2026-03-01T00:00:00+09:00",
			want: "certificate has expired: current time is after",
		},
		{name: "caller's port", in: "read tcp 10.0.0.7:51423->10.0.0.1:443: reset", want: "read tcp 10.0.0.7->10.0.0.1:443: reset"},
		{name: "request id", in: "denied, request id: 0a1b2c3d-0000-4000-8000-000000000001", want: "denied,"},
		{
			name: "secrets in an address", in: `Get "https://me:word@registry.test/v2/?token=abc": EOF`,
			want: `Get "https://registry.test/v2/": EOF`,
		},
		{name: "several lines", in: "one\r\n\ttwo\x00three\x7f ", want: "one two three"},
		{name: "not UTF-8", in: "caf\xe9", want: "caf"},
		{name: "other names of one pod", in: rootMessage, want: "container has runAsNonRoot and image will run as root (container: web)"},
		{name: "other name of a pod alone", in: `cannot verify (pod: "a_b(c)")`, want: "cannot verify"},
		{name: "long", in: strings.Repeat("ä", 400), want: strings.Repeat("ä", 248) + "…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Clean(tc.in)); diff != "" {
				t.Errorf("clean (-want +got):\n%s", diff)
			}
		})
	}
}
