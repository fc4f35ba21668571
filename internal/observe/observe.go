// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package observe reads the children of an Environment from the cache and fills a Snapshot. I/O; called by the environment
// controller. It reads by name and by index only, so that its cost does not grow with the cluster.
package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Indexes of what an Environment may have several of, by its UID.
const (
	PodsByEnvironment      = "beanpod.pods"
	RevisionsByEnvironment = "beanpod.revisions"
	ReleasesByEnvironment  = "beanpod.releases"
)

// NewObject makes an empty object of a kind that has a fixed name; the others are listed.
func NewObject(kind naming.Kind) client.Object {
	switch kind {
	case naming.Deployment:
		return &appsv1.Deployment{}
	case naming.Service:
		return &corev1.Service{}
	case naming.ServiceAccount:
		return &corev1.ServiceAccount{}
	case naming.Ingress:
		return &networkingv1.Ingress{}
	case naming.HTTPRoute:
		return &gatewayv1.HTTPRoute{}
	case naming.HorizontalPodAutoscaler:
		return &autoscalingv2.HorizontalPodAutoscaler{}
	case naming.PodDisruptionBudget:
		return &policyv1.PodDisruptionBudget{}
	case naming.NetworkPolicy:
		return &networkingv1.NetworkPolicy{}
	case naming.Lease:
		return &coordinationv1.Lease{}
	case naming.Role:
		return &rbacv1.Role{}
	case naming.RoleBinding:
		return &rbacv1.RoleBinding{}
	case naming.ScaledObject, naming.TriggerAuthentication:
		obj := &unstructured.Unstructured{}
		obj.SetAPIVersion(naming.KEDA)
		obj.SetKind(string(kind))
		return obj
	default:
		return nil
	}
}

// Served are the kinds of others that a cluster may lack.
type Served struct {
	// GatewayAPI is true when it serves HTTPRoute, KEDA when it serves ScaledObject.
	GatewayAPI, KEDA bool
}

func (s Served) lacks(kind naming.Kind) bool {
	switch kind {
	case naming.HTTPRoute:
		return !s.GatewayAPI
	case naming.ScaledObject, naming.TriggerAuthentication:
		return !s.KEDA
	default:
		return false
	}
}

// Take reads everything that exists for an Environment, of the kinds that are served. Children include strangers that use one of its
// names.
func Take(ctx context.Context, reader client.Reader, env *v1alpha1.Environment, served Served) (snapshot.Snapshot, snapshot.Children, error) {
	children := snapshot.Children{}
	for _, child := range naming.Candidates(env.Name) {
		if served.lacks(child.Kind) {
			continue
		}
		obj := NewObject(child.Kind)
		err := reader.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: child.Name}, obj, client.UnsafeDisableDeepCopy)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return snapshot.Snapshot{}, nil, fmt.Errorf("reading %s: %w", child, err)
		}
		children[child] = obj
	}
	var pods corev1.PodList
	var revisions appsv1.ControllerRevisionList
	var jobs batchv1.JobList
	for _, l := range []struct {
		list  client.ObjectList
		index string
	}{{&pods, PodsByEnvironment}, {&revisions, RevisionsByEnvironment}, {&jobs, ReleasesByEnvironment}} {
		err := reader.List(ctx, l.list, client.InNamespace(env.Namespace), client.MatchingFields{l.index: string(env.UID)}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return snapshot.Snapshot{}, nil, fmt.Errorf("listing %T: %w", l.list, err)
		}
	}
	now := fill(env, children, pods.Items)
	keptTemplates(env, revisions.Items, children, &now)
	releaseCommands(env, jobs.Items, children, &now)
	var err error
	if now.Scaler, err = scaler(ctx, reader, env, children); err != nil {
		return snapshot.Snapshot{}, nil, err
	}
	return now, children, nil
}

func fill(env *v1alpha1.Environment, children snapshot.Children, pods []corev1.Pod) snapshot.Snapshot {
	now := snapshot.Snapshot{Slots: map[string]snapshot.Slot{}}
	for _, name := range []string{snapshot.SlotA, snapshot.SlotB} {
		child := naming.Child{Kind: naming.Deployment, Name: naming.Slot(env.Name, name)}
		if d, ok := children[child].(*appsv1.Deployment); ok && metav1.IsControlledBy(d, env) {
			now.Slots[name] = slot(name, d)
		}
	}
	for i := range pods {
		now.Instances = append(now.Instances, instance(&pods[i]))
	}
	now.Traffic = traffic(env, children)
	slices.SortFunc(now.Instances, func(a, b snapshot.Instance) int { return strings.Compare(a.Name, b.Name) })
	return now
}

func slot(name string, d *appsv1.Deployment) snapshot.Slot {
	a := d.Annotations
	s := snapshot.Slot{
		Name: name, Content: content(a),
		RolloutType: a[v1alpha1.AnnotationRolloutType], Policy: a[v1alpha1.AnnotationPolicy],
		Abort: a[v1alpha1.AnnotationAbort], Good: a[v1alpha1.AnnotationGoodRevision],
		Failed: snapshot.Failure{
			Change: a[v1alpha1.AnnotationFailedChange], Version: a[v1alpha1.AnnotationFailedVersion],
			Reason: a[v1alpha1.AnnotationFailedReason], Message: a[v1alpha1.AnnotationFailedMessage],
			Platform: a[v1alpha1.AnnotationFailedPlatform],
		},
		Settled:  d.Status.ObservedGeneration >= d.Generation,
		Deleting: d.DeletionTimestamp != nil,
		Wanted:   1, Total: d.Status.Replicas, Updated: d.Status.UpdatedReplicas, Ready: d.Status.ReadyReplicas, Available: d.Status.AvailableReplicas,
		Live: &d.Spec.Template,
	}
	s.RolloutID = number(a[v1alpha1.AnnotationRolloutID])
	s.Batch = int32(number(a[v1alpha1.AnnotationBatch]))
	s.Instances = int32(number(a[v1alpha1.AnnotationInstances]))
	s.Ignored = int32(number(a[v1alpha1.AnnotationIgnored]))
	s.StartedAt = moment(a[v1alpha1.AnnotationRolloutStarted])
	s.StageAt = moment(a[v1alpha1.AnnotationStageStarted])
	if d.Spec.Replicas != nil {
		s.Wanted = *d.Spec.Replicas
	}
	for _, c := range d.Status.Conditions {
		switch c.Type {
		case appsv1.DeploymentProgressing:
			progressing(c, &s)
		case appsv1.DeploymentReplicaFailure:
			if c.Status == corev1.ConditionTrue {
				s.Refused = c.Message
			}
		}
	}
	return s
}

// progressing reads how far the Deployment controller is. Returning to an older template, it reports the new generation while
// its condition still speaks of the rollout before. The counts tell: as in its own code, a rollout is over when every instance
// is an updated one.
func progressing(c appsv1.DeploymentCondition, s *snapshot.Slot) {
	all := s.Total == s.Updated && (s.Updated > 0 || s.Wanted == 0)
	s.ProgressAt = c.LastUpdateTime.Time
	s.Complete = s.Settled && all && c.Reason == "NewReplicaSetAvailable"
	s.TimedOut = s.Settled && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded"
}

func instance(p *corev1.Pod) snapshot.Instance {
	out := snapshot.Instance{
		Name: p.Name, Address: p.Status.PodIP, Cost: p.Annotations[corev1.PodDeletionCost], Slot: p.Labels[v1alpha1.LabelSlot],
		Revision: p.Annotations[v1alpha1.AnnotationRevision], Version: p.Annotations[v1alpha1.AnnotationVersion],
		CreatedAt: p.CreationTimestamp.Time, Terminating: p.DeletionTimestamp != nil,
		Failed: p.Status.Phase == corev1.PodFailed, FailedReason: p.Status.Reason, FailedMessage: p.Status.Message,
		Lost: p.Status.Reason == "NodeLost", Started: len(p.Status.ContainerStatuses) > 0,
	}
	readiness(p, &out)
	for _, c := range p.Status.InitContainerStatuses {
		if sidecar(p, c.Name) {
			add(&out, c)
			continue
		}
		// What runs before the application is of interest only while it fails: an artifact that cannot be fetched, an image.
		if failing := c.RestartCount > 0 || c.State.Waiting != nil && c.State.Waiting.Reason != "PodInitializing"; failing && !c.Ready {
			out.Containers = append(out.Containers, container(c))
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		add(&out, c)
	}
	return out
}

// add takes a container of the instance itself.
func add(out *snapshot.Instance, c corev1.ContainerStatus) {
	out.Containers = append(out.Containers, container(c))
	out.Started = out.Started && (c.State.Running != nil || c.LastTerminationState.Terminated != nil)
}

// sidecar says whether an init container runs as long as the pod: in a worker it is the application.
func sidecar(p *corev1.Pod, name string) bool {
	return slices.ContainsFunc(p.Spec.InitContainers, func(c corev1.Container) bool {
		return c.Name == name && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
}

// settleTime is how far apart the kubelet's own first writes about a pod may be.
const settleTime = 2 * time.Second

// readiness reads a pod's conditions. A pod that turned unready well after it started was ready before. One that is not ready
// although its containers are was marked so by the node controller, because its node does not answer.
func readiness(p *corev1.Pod, out *snapshot.Instance) {
	conditions := map[corev1.PodConditionType]corev1.PodCondition{}
	for _, c := range p.Status.Conditions {
		conditions[c.Type] = c
	}
	if c := conditions[corev1.PodScheduled]; c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
		out.Unschedulable = c.Message
	}
	switch ready := conditions[corev1.PodReady]; ready.Status {
	case corev1.ConditionTrue:
		out.Ready, out.WasReady, out.ReadySince = true, true, ready.LastTransitionTime.Time
	case corev1.ConditionFalse:
		start := p.Status.StartTime
		out.WasReady = start != nil && ready.LastTransitionTime.After(start.Add(settleTime))
		running := conditions[corev1.ContainersReady].Status == corev1.ConditionTrue
		out.Lost = out.Lost || (running && len(p.Spec.ReadinessGates) == 0)
	case corev1.ConditionUnknown:
		out.Lost = true
	}
}

func container(c corev1.ContainerStatus) snapshot.Container {
	out := snapshot.Container{Name: c.Name, Ready: c.Ready, Running: c.State.Running != nil, Restarts: c.RestartCount}
	if w := c.State.Waiting; w != nil {
		out.Waiting, out.Message = w.Reason, w.Message
	}
	last := c.LastTerminationState.Terminated
	if c.State.Terminated != nil {
		last = c.State.Terminated
	}
	if last != nil {
		out.LastExit = &snapshot.Exit{Code: last.ExitCode, Reason: last.Reason, At: last.FinishedAt.Time}
	}
	return out
}
