// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

const (
	// modelName and modelRevision are labels: the Deployment, and what stands for its template.
	modelName, modelRevision = "model", "revision"
	// silence is how long nothing may have been written before a state counts as quiet. If it is not the wanted one, the controllers
	// get longSilence, because they have timers: the deadline, and 2 s of the autoscaler.
	silence, longSilence = 400 * time.Millisecond, 15 * time.Second
)

// observed is what can be seen of a Deployment, in the toy as in the cluster.
type observed struct {
	Replicas             int32
	Generation, Observed int64
	Status               toy.Counts
	Reason               string
	Sets                 map[string]observedSet
}

type observedSet struct{ Want, Total, Ready, Available int32 }

// arena is a namespace whose Deployments are watched.
type arena struct {
	ctx       context.Context
	namespace string
	client    kubernetes.Interface
	kubelet   *testkit.Kubelet

	mu       sync.Mutex
	subjects map[string]*subject
}

// subject is one real Deployment.
type subject struct {
	arena *arena
	name  string

	mu         sync.Mutex
	luck       luck
	deployment *appsv1.Deployment
	sets       map[types.UID]*appsv1.ReplicaSet
	pods       map[types.UID]*corev1.Pod
	// lucky are the pods that become ready by themselves.
	lucky map[types.UID]bool
	// killed are those that the test deleted, until that is seen.
	killed map[types.UID]bool
	moved  time.Time
	// promise is what must hold on the way to the next quiet point; broken is the first thing that did not.
	promise promise
	broken  string
}

// promise bounds the sizes of all ReplicaSets together, and the pods that are ready.
type promise struct{ ceiling, floor int32 }

// newArena makes a namespace and watches it.
func newArena(t testing.TB, w *world) *arena {
	t.Helper()
	clients, err := kubernetes.NewForConfig(w.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	t.Cleanup(cancel)
	a := &arena{ctx: ctx, namespace: w.namespace, client: clients, kubelet: w.cluster.Kubelet, subjects: map[string]*subject{}}
	w.Eventually(func() error {
		_, err := clients.CoreV1().ServiceAccounts(a.namespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	}).Should(Succeed())
	a.kubelet.Choose(a.namespace, a.choose)
	factory := informers.NewSharedInformerFactoryWithOptions(clients, 0, informers.WithNamespace(a.namespace))
	for _, informer := range []cache.SharedIndexInformer{
		factory.Apps().V1().Deployments().Informer(), factory.Apps().V1().ReplicaSets().Informer(), factory.Core().V1().Pods().Informer(),
	} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { a.see(obj, false) },
			UpdateFunc: func(_, obj any) { a.see(obj, false) },
			DeleteFunc: func(obj any) { a.see(obj, true) },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return a
}

// subject registers a Deployment that does not exist yet.
func (a *arena) subject(name string) *subject {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &subject{
		arena: a, name: name, luck: luck{}, moved: time.Now(),
		sets: map[types.UID]*appsv1.ReplicaSet{}, pods: map[types.UID]*corev1.Pod{}, lucky: map[types.UID]bool{}, killed: map[types.UID]bool{},
	}
	a.subjects[name] = s
	return s
}

func (a *arena) find(o metav1.Object) *subject {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.subjects[o.GetLabels()[modelName]]
}

// choose is the kubelet's question about a new pod.
func (a *arena) choose(pod *corev1.Pod) bool {
	s := a.find(pod)
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ready := s.luck.draw(pod.Labels[modelRevision])
	s.lucky[pod.UID] = ready
	return ready
}

// see takes over what was written, and checks the promise.
func (a *arena) see(obj any, gone bool) {
	if late, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = late.Obj
	}
	o, ok := obj.(metav1.Object)
	if !ok {
		return
	}
	s := a.find(o)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = time.Now()
	switch o := obj.(type) {
	case *appsv1.Deployment:
		s.deployment = o
	case *appsv1.ReplicaSet:
		s.sets[o.UID] = o
		if gone {
			delete(s.sets, o.UID)
		}
		var wanted int32
		for _, set := range s.sets {
			wanted += *set.Spec.Replicas
		}
		if wanted > s.promise.ceiling && s.broken == "" {
			s.broken = fmt.Sprintf("%d instances are asked for, at most %d were promised", wanted, s.promise.ceiling)
		}
	case *corev1.Pod:
		s.pods[o.UID] = o
		if gone {
			delete(s.pods, o.UID)
		}
		if ready := int32(len(s.running(func(p *corev1.Pod) bool { return isReady(p) }))); ready < s.promise.floor && s.broken == "" {
			s.broken = fmt.Sprintf("%d pods are ready, at least %d were promised", ready, s.promise.floor)
		}
	}
}

// expect sets the promise of the next operation.
func (s *subject) expect(p promise) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.promise = p
}

func (s *subject) promised() promise {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.promise
}

func (s *subject) failed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// running are the pods that nobody has deleted and that match.
func (s *subject) running(match func(*corev1.Pod) bool) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range s.pods {
		if p.DeletionTimestamp == nil && match(p) {
			out = append(out, p)
		}
	}
	return out
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// state is what is seen now, why it is not quiet, and for how long nothing was written.
func (s *subject) state() (observed, string, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deployment == nil {
		return observed{}, "there is no Deployment", time.Since(s.moved)
	}
	d := s.deployment
	o := observed{
		Replicas: *d.Spec.Replicas, Generation: d.Generation, Observed: d.Status.ObservedGeneration, Sets: map[string]observedSet{},
		Status: toy.Counts{
			Total: d.Status.Replicas, Updated: d.Status.UpdatedReplicas, Ready: d.Status.ReadyReplicas, Available: d.Status.AvailableReplicas,
		},
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing {
			o.Reason = c.Reason
		}
	}
	why := ""
	for _, set := range s.sets {
		revision := set.Labels[modelRevision]
		if _, twice := o.Sets[revision]; twice {
			why = "two ReplicaSets of one revision"
		}
		o.Sets[revision] = observedSet{Want: *set.Spec.Replicas, Total: set.Status.Replicas, Ready: set.Status.ReadyReplicas, Available: set.Status.AvailableReplicas}
		if set.Status.ObservedGeneration != set.Generation {
			why = "a ReplicaSet is not observed"
		}
		if set.Spec.MinReadySeconds <= 1 && set.Status.ReadyReplicas != set.Status.AvailableReplicas {
			why = "a ReplicaSet waits for the gate"
		}
	}
	return o, cmp.Or(why, s.unsettled(o)), time.Since(s.moved)
}

// unsettled says what of the pods is still under way.
func (s *subject) unsettled(o observed) string {
	if o.Observed != o.Generation {
		return "the Deployment is not observed"
	}
	counts := map[string]observedSet{}
	for uid, p := range s.pods {
		if p.DeletionTimestamp != nil || s.killed[uid] {
			return "a pod is going"
		}
		if ready, known := s.lucky[uid]; !known || p.Status.Phase != corev1.PodRunning || ready != isReady(p) {
			return "a pod is starting"
		}
		c := counts[p.Labels[modelRevision]]
		c.Total++
		if isReady(p) {
			c.Ready++
		}
		counts[p.Labels[modelRevision]] = c
	}
	for revision, set := range o.Sets {
		if c := counts[revision]; set.Want != c.Total || set.Total != c.Total || set.Ready != c.Ready {
			return "a ReplicaSet is behind its pods"
		}
	}
	return ""
}

// write creates or changes the Deployment, in one request.
func (s *subject) write(spec toy.Spec, create bool) error {
	labels := map[string]string{modelName: s.name, modelRevision: spec.Revision}
	api := s.arena.client.AppsV1().Deployments(s.arena.namespace)
	if !create {
		body := map[string]any{
			"replicas": spec.Replicas, "minReadySeconds": spec.Strategy.MinReadySeconds, "progressDeadlineSeconds": spec.Strategy.ProgressDeadlineSeconds,
			"strategy": map[string]any{"rollingUpdate": map[string]any{"maxSurge": spec.Strategy.MaxSurge, "maxUnavailable": spec.Strategy.MaxUnavailable}},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}},
		}
		patch, err := json.Marshal(map[string]any{"spec": body})
		if err != nil {
			return err
		}
		_, err = api.Patch(s.arena.ctx, s.name, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	no, yes := false, true
	_, err := api.Create(s.arena.ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: s.name, Labels: map[string]string{modelName: s.name}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &spec.Replicas, MinReadySeconds: spec.Strategy.MinReadySeconds, ProgressDeadlineSeconds: &spec.Strategy.ProgressDeadlineSeconds,
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxSurge: &spec.Strategy.MaxSurge, MaxUnavailable: &spec.Strategy.MaxUnavailable,
				},
			},
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{modelName: s.name}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					AutomountServiceAccountToken: &no,
					SecurityContext: &corev1.PodSecurityContext{
						RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
					Containers: []corev1.Container{{Name: "main", Image: "model", SecurityContext: &corev1.SecurityContext{
						AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
					}}},
				},
			},
		},
	}, metav1.CreateOptions{})
	return err
}

// autoscale gives the Deployment an autoscaler, changes it, or takes it away.
func (s *subject) autoscale(scaler *toy.Autoscaler, had bool) error {
	api := s.arena.client.AutoscalingV2().HorizontalPodAutoscalers(s.arena.namespace)
	switch {
	case scaler == nil:
		return api.Delete(s.arena.ctx, s.name, metav1.DeleteOptions{})
	case had:
		patch := fmt.Sprintf(`{"spec":{"minReplicas":%d,"maxReplicas":%d}}`, scaler.Min, scaler.Max)
		_, err := api.Patch(s.arena.ctx, s.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
	_, err := api.Create(s.arena.ctx, &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: s.name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: s.name},
			MinReplicas:    &scaler.Min, MaxReplicas: scaler.Max,
		},
	}, metav1.CreateOptions{})
	return err
}

// pick are n pods of a revision that are ready, or are not.
func (s *subject) pick(revision string, ready bool, n int) []*corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.running(func(p *corev1.Pod) bool { return p.Labels[modelRevision] == revision && isReady(p) == ready })
	return list[:min(n, len(list))]
}

// turn makes pods of a revision that are not ready so, or the reverse.
func (s *subject) turn(revision string, ready bool, n int) error {
	for _, p := range s.pick(revision, !ready, n) {
		s.mu.Lock()
		s.lucky[p.UID] = ready
		s.mu.Unlock()
		if err := s.arena.kubelet.Ready(s.arena.ctx, p, ready); err != nil {
			return err
		}
	}
	return nil
}

// kill deletes pods of a revision at once.
func (s *subject) kill(revision string, ready bool, n int) error {
	none := int64(0)
	for _, p := range s.pick(revision, ready, n) {
		if err := s.arena.client.CoreV1().Pods(p.Namespace).Delete(s.arena.ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &none}); err != nil {
			return err
		}
		s.mu.Lock()
		s.killed[p.UID] = true
		s.mu.Unlock()
	}
	return nil
}

// touch begins the silence anew, because what was just asked for may not have been seen yet.
func (s *subject) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = time.Now()
}

// nextSecond waits until a new ReplicaSet is younger than all others: Kubernetes knows no halves of a second, and takes names then.
func (s *subject) nextSecond() {
	s.mu.Lock()
	var last time.Time
	for _, set := range s.sets {
		if set.CreationTimestamp.After(last) {
			last = set.CreationTimestamp.Time
		}
	}
	s.mu.Unlock()
	time.Sleep(time.Until(last.Add(1010 * time.Millisecond)))
}

// resolved is a share of n, as the API documents it.
func resolved(v intstr.IntOrString, n int32, up bool) int32 {
	out, err := intstr.GetScaledValueFromIntOrPercent(&v, int(n), up)
	if err != nil {
		panic(err)
	}
	return int32(out)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
