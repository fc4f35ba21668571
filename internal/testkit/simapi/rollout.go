// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
)

// deploymentController is who writes for Deployments.
const deploymentController = "deployment-controller"

// deploymentKind stands for the kind where it is looked up.
var deploymentKind = &appsv1.Deployment{}

// rollout is what the controllers of one Deployment remember.
type rollout struct {
	toy  toy.Deployment
	pods map[podID]*podState
	// seen is the generation that the toy's spec was read from.
	seen int64
}

// podID is an instance of the toy.
type podID struct {
	revision string
	number   int
}

type podState struct {
	key   types.NamespacedName
	ready bool
}

// Fail keeps a pod from being ready from now on, until it is replaced. It says whether there is such a pod.
func (c *Cluster) Fail(pod client.ObjectKey) bool {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	for _, p := range c.rollout {
		for id, state := range p.pods {
			if i := p.instance(id); i != nil && state.key == pod {
				i.Ready = toy.Never
				return true
			}
		}
	}
	return false
}

// roll lets every Deployment and its ReplicaSets act once.
func (c *Cluster) roll() bool {
	s, moved := c.store, false
	k := s.kindFor(deploymentKind)
	for _, r := range copies(k.records) {
		d := r.object.(*appsv1.Deployment)
		if d.DeletionTimestamp == nil {
			moved = c.rollOne(k, r, d) || moved
		}
	}
	return moved
}

func (c *Cluster) rollOne(k *kind, r *record, d *appsv1.Deployment) bool {
	s := c.store
	p := c.rollout[d.UID]
	if p == nil {
		p = &rollout{pods: map[podID]*podState{}}
		c.rollout[d.UID] = p
	}
	p.read(d)
	c.lose(p)
	moved := p.toy.Sync(s.now)
	for _, set := range p.toy.Sets {
		owner := c.replicaSet(d, set.Revision)
		moved = set.Sync(s.now, p.toy.Gate(), func(revision string, n int) int { return c.makePod(p, d, owner, podID{revision, n}) }) || moved
	}
	moved = c.pods(p) || moved
	status := p.status(d, s.second())
	if !equality.Semantic.DeepEqual(status, d.Status) {
		moved = true
		s.edit(k, r, Write{Process: deploymentController, Verb: Update, Subresource: "status"}, func(o client.Object) {
			o.(*appsv1.Deployment).Status = status
		})
	}
	return moved
}

// read takes over what the Deployment is told.
func (p *rollout) read(d *appsv1.Deployment) {
	p.toy.Generation = d.Generation
	if p.seen == d.Generation {
		return
	}
	p.seen = d.Generation
	spec := toy.Spec{Revision: revision(&d.Spec.Template), Replicas: *d.Spec.Replicas}
	spec.Strategy = plan.Strategy{
		MaxSurge: intstr.FromString("25%"), MaxUnavailable: intstr.FromString("25%"),
		MinReadySeconds: d.Spec.MinReadySeconds, ProgressDeadlineSeconds: 600,
	}
	if x := d.Spec.ProgressDeadlineSeconds; x != nil {
		spec.Strategy.ProgressDeadlineSeconds = *x
	}
	if x := d.Spec.Strategy.RollingUpdate; x != nil {
		if x.MaxSurge != nil {
			spec.Strategy.MaxSurge = *x.MaxSurge
		}
		if x.MaxUnavailable != nil {
			spec.Strategy.MaxUnavailable = *x.MaxUnavailable
		}
	}
	p.toy.Spec = spec
}

func revision(template *corev1.PodTemplateSpec) string {
	raw, err := json.Marshal(template)
	if err != nil {
		panic(err)
	}
	sum := fnv.New32a()
	_, _ = sum.Write(raw)
	return fmt.Sprintf("%08x", sum.Sum32())
}

func (p *rollout) instance(id podID) *toy.Instance {
	if set := p.toy.Find(id.revision); set != nil {
		for _, i := range set.Instances {
			if i.Number == id.number {
				return i
			}
		}
	}
	return nil
}

// lose forgets instances whose pods somebody deleted.
func (c *Cluster) lose(p *rollout) {
	pods := c.store.kindFor(&corev1.Pod{})
	for id, state := range p.pods {
		if r := pods.byKey[state.key]; r != nil && r.object.GetDeletionTimestamp() == nil {
			continue
		}
		delete(p.pods, id)
		if set := p.toy.Find(id.revision); set != nil {
			set.Instances = slices.DeleteFunc(set.Instances, func(i *toy.Instance) bool { return i.Number == id.number })
		}
	}
}

// replicaSet finds or makes the ReplicaSet of a revision.
func (c *Cluster) replicaSet(d *appsv1.Deployment, revision string) *appsv1.ReplicaSet {
	s := c.store
	k := s.kindFor(&appsv1.ReplicaSet{})
	base := d.Name + "-" + revision
	key := types.NamespacedName{Namespace: d.Namespace, Name: base}
	for _, r := range k.records {
		if r.key.Namespace == d.Namespace && strings.HasPrefix(r.key.Name, base) && metav1.IsControlledBy(r.object, d) {
			return r.object.(*appsv1.ReplicaSet)
		}
	}
	// One of a predecessor of the same name is still going away: the real controller counts collisions, too.
	for n := 1; k.byKey[key] != nil; n++ {
		key.Name = fmt.Sprintf("%s-%d", base, n)
	}
	out := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: key.Namespace, Name: key.Name, Labels: d.Spec.Template.Labels,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
	}}
	out.Spec.Selector, out.Spec.Template = d.Spec.Selector, d.Spec.Template
	if _, err := s.create(k, out, &Write{Process: deploymentController, Verb: Create}); err != nil {
		return out // the namespace is going away, and with it all of this
	}
	return out
}

// makePod makes the pod of an instance, running and not ready, and says after how many seconds it is ready.
func (c *Cluster) makePod(p *rollout, d *appsv1.Deployment, owner *appsv1.ReplicaSet, id podID) int {
	s := c.store
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: d.Namespace, Name: fmt.Sprintf("%s-%05d", owner.Name, id.number),
		Labels: owner.Spec.Template.Labels, Annotations: owner.Spec.Template.Annotations,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
	}}
	pod.Spec = owner.Spec.Template.Spec
	pod.Spec.NodeName = "toy"
	k := s.kindFor(pod)
	// One of a predecessor of the same name is still going away; the real suffix is random.
	for n := 1; k.byKey[client.ObjectKeyFromObject(pod)] != nil; n++ {
		pod.Name = fmt.Sprintf("%s-%05d-%d", owner.Name, id.number, n)
	}
	if _, err := s.create(k, pod, &Write{Process: "replicaset-controller", Verb: Create}); err != nil {
		return -1
	}
	key := client.ObjectKeyFromObject(pod)
	p.pods[id] = &podState{key: key}
	c.readiness(key, false)
	if c.Starts == nil {
		return 1
	}
	return c.Starts(pod, id.number)
}

// pods deletes the pods of instances that are gone, and makes readiness visible.
func (c *Cluster) pods(p *rollout) bool {
	s, moved := c.store, false
	k := s.kindFor(&corev1.Pod{})
	for _, id := range p.ids() {
		state, i := p.pods[id], p.instance(id)
		if i == nil {
			delete(p.pods, id)
			if r := k.byKey[state.key]; r != nil {
				_, err := s.remove(k, r, client.DeleteOptions{}, &Write{Process: "replicaset-controller", Verb: Delete})
				moved = moved || err == nil
			}
			continue
		}
		if ready := !i.Ready.After(s.now); ready != state.ready {
			state.ready, moved = ready, true
			c.readiness(state.key, ready)
		}
	}
	return moved
}

func (p *rollout) ids() []podID {
	out := make([]podID, 0, len(p.pods))
	for id := range p.pods {
		out = append(out, id)
	}
	slices.SortFunc(out, func(a, b podID) int {
		if a.revision != b.revision {
			if a.revision < b.revision {
				return -1
			}
			return 1
		}
		return a.number - b.number
	})
	return out
}

// readiness writes a pod's status as its kubelet does.
func (c *Cluster) readiness(key types.NamespacedName, ready bool) {
	s := c.store
	k := s.kindFor(&corev1.Pod{})
	r := k.byKey[key]
	if r == nil {
		return
	}
	s.edit(k, r, Write{Process: "kubelet", Verb: Update, Subresource: "status"}, func(o client.Object) {
		pod, now := o.(*corev1.Pod), s.second()
		word := corev1.ConditionFalse
		if ready {
			word = corev1.ConditionTrue
		}
		start := pod.Status.StartTime
		if start == nil {
			start = &now
		}
		pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: start, Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: word, LastTransitionTime: now}, {Type: corev1.ContainersReady, Status: word, LastTransitionTime: now},
		}}
		for _, x := range pod.Spec.Containers {
			status := corev1.ContainerStatus{
				Name: x.Name, Image: x.Image, Ready: ready, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: *start}},
			}
			if !ready && c.Crashes != nil && c.Crashes(pod) {
				crash(&status, now)
			}
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
		}
	})
}

// crash is what a kubelet says of a container that ended again and again.
func crash(status *corev1.ContainerStatus, at metav1.Time) {
	status.RestartCount = 5
	status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	status.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", FinishedAt: at}}
}

// status is what the controller writes about a Deployment.
func (p *rollout) status(d *appsv1.Deployment, now metav1.Time) appsv1.DeploymentStatus {
	t := &p.toy
	out := appsv1.DeploymentStatus{
		ObservedGeneration: t.Observed, Replicas: t.Status.Total, UpdatedReplicas: t.Status.Updated, ReadyReplicas: t.Status.Ready,
		AvailableReplicas: t.Status.Available, UnavailableReplicas: max(0, t.Spec.Replicas-t.Status.Available),
	}
	progressing := corev1.ConditionTrue
	if t.Reason == toy.ReasonTimedOut {
		progressing = corev1.ConditionFalse
	}
	available := corev1.ConditionFalse
	if out.UnavailableReplicas == 0 {
		available = corev1.ConditionTrue
	}
	at := metav1.NewTime(t.ProgressAt.Truncate(time.Second))
	out.Conditions = []appsv1.DeploymentCondition{
		{Type: appsv1.DeploymentAvailable, Status: available, Reason: "MinimumReplicas" + string(available), LastUpdateTime: now, LastTransitionTime: now},
		{Type: appsv1.DeploymentProgressing, Status: progressing, Reason: t.Reason, LastUpdateTime: at, LastTransitionTime: at},
	}
	for i := range out.Conditions {
		for _, was := range d.Status.Conditions {
			if was.Type == out.Conditions[i].Type && was.Status == out.Conditions[i].Status {
				out.Conditions[i].LastTransitionTime = was.LastTransitionTime
				if was.Type == appsv1.DeploymentAvailable {
					out.Conditions[i].LastUpdateTime = was.LastUpdateTime
				}
			}
		}
	}
	return out
}

// target is the Deployment that an autoscaler scales; nil when there is none.
func (c *Cluster) target(hpa *autoscalingv2.HorizontalPodAutoscaler) *appsv1.Deployment {
	r := c.store.kindFor(deploymentKind).byKey[types.NamespacedName{Namespace: hpa.Namespace, Name: hpa.Spec.ScaleTargetRef.Name}]
	if r == nil || r.object.GetDeletionTimestamp() != nil {
		return nil
	}
	return r.object.(*appsv1.Deployment)
}

// scale lets every autoscaler act once.
func (c *Cluster) scale() bool {
	s, moved := c.store, false
	deployments := s.kindFor(deploymentKind)
	for _, r := range s.kindFor(&autoscalingv2.HorizontalPodAutoscaler{}).records {
		hpa := r.object.(*autoscalingv2.HorizontalPodAutoscaler)
		d := c.target(hpa)
		if d == nil || hpa.DeletionTimestamp != nil {
			continue
		}
		replicas := c.scaler(hpa).Decide(s.now, *d.Spec.Replicas)
		if replicas == *d.Spec.Replicas {
			continue
		}
		moved = true
		s.edit(deployments, deployments.byKey[client.ObjectKeyFromObject(d)], Write{Process: "horizontal-pod-autoscaler", Verb: Update, Subresource: "scale"},
			func(o client.Object) { o.(*appsv1.Deployment).Spec.Replicas = &replicas })
	}
	return moved
}

func (c *Cluster) scaler(hpa *autoscalingv2.HorizontalPodAutoscaler) *toy.Autoscaler {
	a := c.scalers[hpa.UID]
	if a == nil {
		a = &toy.Autoscaler{}
		c.scalers[hpa.UID] = a
	}
	a.Target, a.Min, a.Max, a.Demand = hpa.Spec.ScaleTargetRef.Name, 1, hpa.Spec.MaxReplicas, nil
	if hpa.Spec.MinReplicas != nil {
		a.Min = *hpa.Spec.MinReplicas
	}
	if c.Demand != nil {
		a.Demand = c.Demand(hpa)
	}
	return a
}
