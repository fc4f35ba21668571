// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

var at = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func environment() *v1alpha1.Environment {
	env := testkit.MakeEnvironment("a", "blue", "v1")
	env.UID = "uid"
	return env
}

func owned[T client.Object](o T, name string) T {
	yes := true
	o.SetNamespace("a")
	o.SetName(name)
	o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Environment", Name: "blue", UID: "uid", Controller: &yes}})
	return o
}

func pod(name, uid string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "a", Name: name, Labels: map[string]string{v1alpha1.LabelEnvironmentUID: uid, v1alpha1.LabelSlot: "a"},
		Annotations: map[string]string{v1alpha1.AnnotationRevision: "r1", v1alpha1.AnnotationVersion: "v1"},
	}}
}

func builder(objects ...client.Object) *fake.ClientBuilder {
	byEnvironment := func(o client.Object) []string { return []string{o.GetLabels()[v1alpha1.LabelEnvironmentUID]} }
	return fake.NewClientBuilder().WithScheme(testkit.Scheme()).WithObjects(objects...).
		WithIndex(&corev1.Pod{}, PodsByEnvironment, byEnvironment).
		WithIndex(&appsv1.ControllerRevision{}, RevisionsByEnvironment, byEnvironment).
		WithIndex(&batchv1.Job{}, ReleasesByEnvironment, byEnvironment)
}

func TestTake(t *testing.T) {
	t.Parallel()
	stranger := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "blue"}}
	foreign := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "blue-b"}}
	c := builder(owned(&appsv1.Deployment{}, "blue-a"), owned(&corev1.ServiceAccount{}, "blue"), stranger, foreign,
		pod("z", "uid"), pod("y", "uid"), pod("x", "other"), owned(&corev1.Service{}, "other")).Build()
	now, children, err := Take(t.Context(), c, environment(), Served{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []naming.Child{
		{Kind: naming.Deployment, Name: "blue-a"}, {Kind: naming.Deployment, Name: "blue-b"}, {Kind: naming.Service, Name: "blue"}, {Kind: naming.ServiceAccount, Name: "blue"},
	} {
		if children[want] == nil {
			t.Errorf("%s is missing", want)
		}
	}
	if len(children) != 4 {
		t.Errorf("%d children, want 4", len(children))
	}
	if len(now.Slots) != 1 || now.Slots["a"].Name != "a" {
		t.Errorf("slots are %v, want a alone: b is a stranger's", now.Slots)
	}
	if len(now.Instances) != 2 || now.Instances[0].Name != "y" || now.Instances[1].Name != "z" {
		t.Errorf("instances are %v", now.Instances)
	}
}

func TestTakeFails(t *testing.T) {
	t.Parallel()
	down := errors.New("the cache is not there")
	for name, funcs := range map[string]interceptor.Funcs{
		"children": {Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return down
		}},
		"pods": {List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return down }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := Take(t.Context(), builder().WithInterceptorFuncs(funcs).Build(), environment(), Served{}); !errors.Is(err, down) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestKinds asserts that every child has a Go type: one without would be a nil pointer in a pass.
func TestKinds(t *testing.T) {
	t.Parallel()
	for _, child := range naming.Candidates("blue") {
		if NewObject(child.Kind) == nil {
			t.Errorf("%s has no type", child.Kind)
		}
	}
	if NewObject("Volcano") != nil {
		t.Error("an unknown kind has a type")
	}
}

func TestSlot(t *testing.T) {
	t.Parallel()
	progress := func(status corev1.ConditionStatus, reason string) appsv1.DeploymentCondition {
		return appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: status, Reason: reason, LastUpdateTime: metav1.NewTime(at)}
	}
	two := int32(2)
	for _, test := range []struct {
		name   string
		status appsv1.DeploymentStatus
		want   func(*snapshot.Slot)
	}{
		{"new", appsv1.DeploymentStatus{}, func(*snapshot.Slot) {}},
		{"taken up", appsv1.DeploymentStatus{ObservedGeneration: 3}, func(s *snapshot.Slot) { s.Settled = true }},
		{"complete", appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: 2, UpdatedReplicas: 2, Conditions: []appsv1.DeploymentCondition{progress("True", "NewReplicaSetAvailable")}},
			func(s *snapshot.Slot) {
				s.Settled, s.Complete, s.Total, s.Updated, s.ProgressAt = true, true, 2, 2, at
			}},
		{"complete, but of the generation before", appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 2, UpdatedReplicas: 2, Conditions: []appsv1.DeploymentCondition{progress("True", "NewReplicaSetAvailable")}},
			func(s *snapshot.Slot) { s.Total, s.Updated, s.ProgressAt = 2, 2, at }},
		{"complete, but of the template before", appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: 3, UpdatedReplicas: 1, Conditions: []appsv1.DeploymentCondition{progress("True", "NewReplicaSetAvailable")}},
			func(s *snapshot.Slot) { s.Settled, s.Total, s.Updated, s.ProgressAt = true, 3, 1, at }},
		{"out of time", appsv1.DeploymentStatus{ObservedGeneration: 3, Conditions: []appsv1.DeploymentCondition{progress("False", "ProgressDeadlineExceeded")}},
			func(s *snapshot.Slot) { s.Settled, s.TimedOut, s.ProgressAt = true, true, at }},
		{"refused", appsv1.DeploymentStatus{ObservedGeneration: 3, Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentReplicaFailure, Status: "True", Message: "exceeded quota"},
		}}, func(s *snapshot.Slot) { s.Settled, s.Refused = true, "exceeded quota" }},
		{"no longer refused", appsv1.DeploymentStatus{ObservedGeneration: 3, Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentReplicaFailure, Status: "False", Message: "exceeded quota"},
		}}, func(s *snapshot.Slot) { s.Settled = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := owned(&appsv1.Deployment{}, "blue-a")
			d.Generation, d.Spec.Replicas, d.Status = 3, &two, test.status
			d.Annotations = map[string]string{
				v1alpha1.AnnotationRevision: "r1", v1alpha1.AnnotationConfiguration: "c1", v1alpha1.AnnotationVersion: "v1", v1alpha1.AnnotationDigest: "sha256:1",
				v1alpha1.AnnotationRestart: "t1", v1alpha1.AnnotationRebuild: "t2", v1alpha1.AnnotationRolloutType: "Version", v1alpha1.AnnotationPolicy: "Rolling",
				v1alpha1.AnnotationRolloutID: "7", v1alpha1.AnnotationBatch: "2", v1alpha1.AnnotationRolloutStarted: at.Format(time.RFC3339),
				v1alpha1.AnnotationChange: "h1", v1alpha1.AnnotationFailedChange: "h0", v1alpha1.AnnotationFailedVersion: "v0", v1alpha1.AnnotationFailedReason: "TimedOut",
				v1alpha1.AnnotationFailedMessage: "too late", v1alpha1.AnnotationGoodRevision: "r0", v1alpha1.AnnotationInstances: "4",
				v1alpha1.AnnotationIgnored: "1", v1alpha1.AnnotationAbort: "t3", v1alpha1.AnnotationStageStarted: at.Format(time.RFC3339),
			}
			want := snapshot.Slot{
				Name: "a", Content: snapshot.Content{
					Revision: "r1", Configuration: "c1", Change: "h1", Version: "v1", Digest: "sha256:1", Restart: "t1", Rebuild: "t2", Template: "r1",
				},
				Failed: snapshot.Failure{Change: "h0", Version: "v0", Reason: "TimedOut", Message: "too late"},
				Good:   "r0", Instances: 4, Ignored: 1, Abort: "t3", StageAt: at, Live: &d.Spec.Template,
				RolloutType: "Version", Policy: "Rolling", RolloutID: 7, Batch: 2, StartedAt: at, Wanted: 2,
			}
			test.want(&want)
			if diff := cmp.Diff(want, slot("a", d)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSlotWithBadAnnotations(t *testing.T) {
	t.Parallel()
	d := owned(&appsv1.Deployment{}, "blue-a")
	d.Annotations = map[string]string{v1alpha1.AnnotationRolloutID: "x", v1alpha1.AnnotationBatch: "99999999999", v1alpha1.AnnotationRolloutStarted: "yesterday"}
	if got := slot("a", d); got.RolloutID != 0 || !got.StartedAt.IsZero() || got.Wanted != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestInstance(t *testing.T) {
	t.Parallel()
	condition := func(kind corev1.PodConditionType, status corev1.ConditionStatus, when time.Time) corev1.PodCondition {
		return corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: metav1.NewTime(when)}
	}
	start := metav1.NewTime(at)
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	for _, test := range []struct {
		name   string
		status corev1.PodStatus
		want   func(*snapshot.Instance)
	}{
		{"new", corev1.PodStatus{}, func(*snapshot.Instance) {}},
		{"ready", corev1.PodStatus{
			Conditions:        []corev1.PodCondition{condition(corev1.PodReady, "True", at)},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "web", Ready: true, State: running}},
		}, func(i *snapshot.Instance) {
			i.Ready, i.WasReady, i.ReadySince, i.Started = true, true, at, true
			i.Containers = []snapshot.Container{{Name: "web", Ready: true, Running: true}}
		}},
		{"not ready yet", corev1.PodStatus{StartTime: &start, Conditions: []corev1.PodCondition{condition(corev1.PodReady, "False", at.Add(time.Second))}}, func(*snapshot.Instance) {}},
		{"no longer ready", corev1.PodStatus{StartTime: &start, Conditions: []corev1.PodCondition{condition(corev1.PodReady, "False", at.Add(time.Minute))}},
			func(i *snapshot.Instance) { i.WasReady = true }},
		{"on a node that does not answer", corev1.PodStatus{Conditions: []corev1.PodCondition{condition(corev1.PodReady, "Unknown", at)}}, func(i *snapshot.Instance) { i.Lost = true }},
		{"marked by the node controller", corev1.PodStatus{Conditions: []corev1.PodCondition{
			condition(corev1.PodReady, "False", at), condition(corev1.ContainersReady, "True", at),
		}}, func(i *snapshot.Instance) { i.Lost = true }},
		{"no node fits", corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: "False", Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes"},
		}}, func(i *snapshot.Instance) { i.Unschedulable = "0/3 nodes" }},
		{"evicted", corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "disk"}, func(i *snapshot.Instance) {
			i.Failed, i.FailedReason, i.FailedMessage = true, "Evicted", "disk"
		}},
		{"crash loop", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "web", RestartCount: 3, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error", FinishedAt: metav1.NewTime(at)}},
		}}}, func(i *snapshot.Instance) {
			i.Started = true
			i.Containers = []snapshot.Container{{Name: "web", Restarts: 3, Waiting: "CrashLoopBackOff", Message: "back-off", LastExit: &snapshot.Exit{Code: 2, Reason: "Error", At: at}}}
		}},
		{"image missing", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}},
		}}}, func(i *snapshot.Instance) {
			i.Containers = []snapshot.Container{{Name: "web", Waiting: "ErrImagePull", Message: "not found"}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := pod("p", "uid")
			p.Status = test.status
			want := snapshot.Instance{Name: "p", Slot: "a", Revision: "r1", Version: "v1"}
			test.want(&want)
			if diff := cmp.Diff(want, instance(p)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
