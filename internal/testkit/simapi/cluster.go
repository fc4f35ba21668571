// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
)

// Cluster is the rest of Kubernetes: controllers of Deployments, StatefulSets, HorizontalPodAutoscalers, Jobs and namespaces, a kubelet, and the
// garbage collector. They act only when Step is called, and never fail. The functions are what a scenario decides; all may be nil.
type Cluster struct {
	// Starts says after how many seconds a pod is ready, the n-th (from 0) of its ReplicaSet; negative: never. Nil: one second.
	Starts func(pod *corev1.Pod, n int) int
	// Stops says how many seconds a deleted pod takes to end. Nil: none.
	Stops func(pod *corev1.Pod) int
	// Demand is the number of instances that the load of an autoscaler's target asks for; nil: as many as there are.
	Demand func(hpa *autoscalingv2.HorizontalPodAutoscaler) *int32
	// Runs says how many seconds a Job takes, and whether it fails then. Nil: one second, and it succeeds.
	Runs func(job *batchv1.Job) (seconds int, fails bool)
	// Says are the termination messages of a Job's containers, in the order in which they run; each takes an equal part of the Job's time.
	// A Job that fails fails in the last of them, and those after it never run. Nil, or no message: the Job is played without a pod.
	Says func(job *batchv1.Job) []string
	// Crashes says whether the containers of a pod that is not ready end again and again. Nil: none does.
	Crashes func(pod *corev1.Pod) bool

	store   *Store
	rollout map[types.UID]*rollout
	scalers map[types.UID]*toy.Autoscaler
	// collected is the version at which the garbage collector had nothing left to do.
	collected int64
}

// NewCluster makes the controllers of a store.
func NewCluster(s *Store) *Cluster {
	return &Cluster{store: s, rollout: map[types.UID]*rollout{}, scalers: map[types.UID]*toy.Autoscaler{}}
}

// Step lets every controller act once, and says whether anything changed.
func (c *Cluster) Step() bool {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := c.scale()
	moved = c.roll() || moved
	moved = c.stop() || moved
	moved = c.work() || moved
	moved = c.serve() || moved
	moved = c.collect() || moved
	return c.empty() || moved
}

// Next is the next moment at which a controller acts although nobody writes; toy.Never when there is none.
func (c *Cluster) Next() time.Time {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	next := toy.Never
	consider := func(at time.Time) {
		if at.After(s.now) && at.Before(next) {
			next = at
		}
	}
	for _, r := range s.kindFor(&batchv1.Job{}).records {
		consider(c.nextOf(r.object.(*batchv1.Job)))
	}
	for _, r := range s.kindFor(&corev1.Pod{}).records {
		if r.object.GetDeletionTimestamp() != nil {
			consider(c.stopped(r.object.(*corev1.Pod)))
		}
	}
	for _, r := range s.kindFor(deploymentKind).records {
		if p := c.rollout[r.object.GetUID()]; p != nil {
			consider(p.toy.Next(s.now))
		}
	}
	for _, r := range s.kindFor(&autoscalingv2.HorizontalPodAutoscaler{}).records {
		if a, d := c.scalers[r.object.GetUID()], c.target(r.object.(*autoscalingv2.HorizontalPodAutoscaler)); a != nil && d != nil {
			consider(a.Next(s.now, *d.Spec.Replicas))
		}
	}
	return next
}

// stop lets deleted pods go, as a kubelet does.
func (c *Cluster) stop() bool {
	s, moved := c.store, false
	k := s.kindFor(&corev1.Pod{})
	for _, r := range copies(k.records) {
		pod := r.object.(*corev1.Pod)
		if pod.DeletionTimestamp != nil && !c.stopped(pod).After(s.now) {
			none := int64(0)
			_, err := s.remove(k, r, client.DeleteOptions{GracePeriodSeconds: &none}, &Write{Process: "kubelet", Verb: Delete})
			moved = moved || err == nil
		}
	}
	return moved
}

func (c *Cluster) stopped(pod *corev1.Pod) time.Time {
	seconds := 0
	if c.Stops != nil {
		seconds = c.Stops(pod)
	}
	grace := int64(0)
	if pod.DeletionGracePeriodSeconds != nil {
		grace = *pod.DeletionGracePeriodSeconds
	}
	return pod.DeletionTimestamp.Add(time.Duration(int64(seconds)-grace) * time.Second)
}

// AddNamespace makes a namespace.
func (s *Store) AddNamespace(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	obj := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := s.create(s.kindFor(obj), obj, &Write{Process: "simapi", Verb: Create}); err != nil {
		panic(err)
	}
}

// kindFor is kindOf for types that the scheme must know.
func (s *Store) kindFor(obj client.Object) *kind {
	k, err := s.kindOf(obj)
	if err != nil {
		panic(err)
	}
	return k
}

// edit is a write of a toy controller.
func (s *Store) edit(k *kind, r *record, w Write, change func(client.Object)) {
	old := r.object
	next := copyOf(old)
	change(next)
	if out := s.commit(k, r, next, w); out != old && w.Subresource != "status" {
		r.updated(old, out, w.Process)
	}
}

// second is the time as the API writes it.
func (s *Store) second() metav1.Time { return metav1.NewTime(s.now.Truncate(time.Second)) }

// copies is a list that stays as it is while records come and go.
func copies(records []*record) []*record { return append([]*record(nil), records...) }
