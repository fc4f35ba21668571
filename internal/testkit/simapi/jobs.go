// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
)

// jobController is who writes for Jobs.
const jobController = "job-controller"

// work runs Jobs, and takes away those whose time after their end is over.
func (c *Cluster) work() bool {
	s, moved := c.store, false
	k := s.kindFor(&batchv1.Job{})
	for _, r := range copies(k.records) {
		job := r.object.(*batchv1.Job)
		switch {
		case job.DeletionTimestamp != nil:
		case len(job.Status.Conditions) > 0:
			if !c.expires(job).After(s.now) {
				_, err := s.remove(k, r, client.DeleteOptions{}, &Write{Process: "ttl-after-finished-controller", Verb: Delete})
				moved = moved || err == nil
			}
		default:
			moved = c.run(k, r, job) || moved
		}
	}
	return moved
}

// run lets the pod of a Job act, if it has one, and then the Job's controller, which never knows more than the pod says.
func (c *Cluster) run(k *kind, r *record, job *batchv1.Job) bool {
	s, moved := c.store, false
	ended := !c.ends(job).After(s.now)
	if says := c.says(job); len(says) > 0 && job.Status.StartTime != nil {
		moved = c.jobPod(job, says)
	}
	if job.Status.StartTime != nil && !ended {
		return moved
	}
	s.edit(k, r, Write{Process: jobController, Verb: Update, Subresource: "status"}, func(o client.Object) {
		c.progress(o.(*batchv1.Job), ended)
	})
	return true
}

func (c *Cluster) says(job *batchv1.Job) []string {
	if c.Says == nil {
		return nil
	}
	return c.Says(job)
}

func (c *Cluster) runs(job *batchv1.Job) (int, bool) {
	if c.Runs == nil {
		return 1, false
	}
	return c.Runs(job)
}

// nextOf is when something happens to a Job by itself; toy.Never when nothing does.
func (c *Cluster) nextOf(job *batchv1.Job) time.Time {
	if len(job.Status.Conditions) > 0 {
		return c.expires(job)
	}
	says := c.says(job)
	for i := range says {
		if at := c.containerEnds(job, i, len(says)); at.After(c.store.now) {
			return at
		}
	}
	return c.ends(job)
}

// ends is when a Job is over; it never is before it was started.
func (c *Cluster) ends(job *batchv1.Job) time.Time {
	seconds, _ := c.runs(job)
	if job.Status.StartTime == nil || len(job.Status.Conditions) > 0 {
		return toy.Never
	}
	return job.Status.StartTime.Add(time.Duration(seconds) * time.Second)
}

// expires is when a Job that ended is deleted.
func (c *Cluster) expires(job *batchv1.Job) time.Time {
	kept := job.Spec.TTLSecondsAfterFinished
	if kept == nil || len(job.Status.Conditions) == 0 {
		return toy.Never
	}
	return job.Status.Conditions[0].LastTransitionTime.Add(time.Duration(*kept) * time.Second)
}

// containerEnds is when the i-th of n containers of a Job ends.
func (c *Cluster) containerEnds(job *batchv1.Job, i, n int) time.Time {
	seconds, _ := c.runs(job)
	if job.Status.StartTime == nil {
		return toy.Never
	}
	return job.Status.StartTime.Add(time.Duration(seconds*(i+1)/n) * time.Second)
}

func (c *Cluster) progress(job *batchv1.Job, ended bool) {
	now := c.store.second()
	if job.Status.StartTime == nil {
		job.Status.StartTime, job.Status.Active = &now, 1
		return
	}
	if !ended {
		return
	}
	_, fails := c.runs(job)
	job.Status.Active = 0
	condition := batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastProbeTime: now, LastTransitionTime: now}
	if fails {
		condition.Type, condition.Reason, job.Status.Failed = batchv1.JobFailed, batchv1.JobReasonBackoffLimitExceeded, 1
	} else {
		job.Status.Succeeded, job.Status.CompletionTime = 1, &now
	}
	job.Status.Conditions = append(job.Status.Conditions, condition)
}

// jobPod makes the pod of a Job, and brings its status up to date.
func (c *Cluster) jobPod(job *batchv1.Job, says []string) bool {
	s := c.store
	k := s.kindFor(&corev1.Pod{})
	key := types.NamespacedName{Namespace: job.Namespace, Name: job.Name + "-00000"}
	r := k.byKey[key]
	if r == nil {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, Labels: job.Spec.Template.Labels, Annotations: job.Spec.Template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))},
		}, Spec: job.Spec.Template.Spec}
		pod.Spec.NodeName = "toy"
		if _, err := s.create(k, pod, &Write{Process: jobController, Verb: Create}); err != nil {
			return false // the namespace is going away
		}
		r = k.byKey[key]
	}
	if r.object.GetDeletionTimestamp() != nil || !metav1.IsControlledBy(r.object, job) {
		return false
	}
	status := c.jobPodStatus(job, says)
	if equality.Semantic.DeepEqual(status, r.object.(*corev1.Pod).Status) {
		return false
	}
	s.edit(k, r, Write{Process: "kubelet", Verb: Update, Subresource: "status"}, func(o client.Object) { o.(*corev1.Pod).Status = status })
	return true
}

// jobPodStatus is what a kubelet says of a Job's pod: containers that ended left their messages.
func (c *Cluster) jobPodStatus(job *batchv1.Job, says []string) corev1.PodStatus {
	_, fails := c.runs(job)
	out := corev1.PodStatus{Phase: corev1.PodPending, StartTime: job.Status.StartTime}
	spec := job.Spec.Template.Spec
	for i, x := range slices.Concat(spec.InitContainers, spec.Containers) {
		status := corev1.ContainerStatus{Name: x.Name, Image: x.Image, State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"},
		}}
		if i < len(says) && !c.containerEnds(job, i, len(says)).After(c.store.now) {
			ended := &corev1.ContainerStateTerminated{Message: says[i], FinishedAt: metav1.NewTime(c.containerEnds(job, i, len(says)))}
			if i == len(says)-1 {
				out.Phase = corev1.PodSucceeded
				if fails {
					out.Phase, ended.ExitCode = corev1.PodFailed, 1
				}
			}
			status.State = corev1.ContainerState{Terminated: ended}
		}
		if i < len(spec.InitContainers) {
			out.InitContainerStatuses = append(out.InitContainerStatuses, status)
		} else {
			out.ContainerStatuses = append(out.ContainerStatuses, status)
		}
	}
	return out
}
