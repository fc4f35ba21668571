// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Kubelet stands in for scheduler and kubelet: it binds every pod to one node, lets it start at once, makes it ready after a
// delay that tests choose, and lets deleted pods go. A real scheduler with kwok would do the same with three more processes on two
// cores, and without a say in when a pod becomes ready, on which the counts depend.
type Kubelet struct {
	client kubernetes.Interface

	mu     sync.Mutex
	delays map[string]time.Duration
	broken map[string]string
	choose map[string]func(*corev1.Pod) bool
	taken  map[types.UID]bool
}

const nodeName = "fake"

// startKubelet runs until the context ends.
func startKubelet(ctx context.Context, config *rest.Config) (*Kubelet, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the kubelet's client: %w", err)
	}
	k := &Kubelet{
		client: client, delays: map[string]time.Duration{}, broken: map[string]string{}, choose: map[string]func(*corev1.Pod) bool{}, taken: map[types.UID]bool{},
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	see := func(obj any) {
		if pod, ok := obj.(*corev1.Pod); ok {
			k.see(ctx, pod)
		}
	}
	_, err = factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: see, UpdateFunc: func(_, obj any) { see(obj) },
	})
	if err != nil {
		return nil, fmt.Errorf("watching pods: %w", err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return k, nil
}

// Delay makes the pods of a namespace ready that long after they started. Without it they are ready at once.
func (k *Kubelet) Delay(namespace string, delay time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.delays[namespace] = delay
}

// Break keeps pods whose image contains a text from ever becoming ready, in one namespace.
func (k *Kubelet) Break(namespace, image string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.broken[namespace] = image
}

// Choose lets a function say of every new pod of a namespace whether it ever becomes ready by itself; Ready changes it later.
func (k *Kubelet) Choose(namespace string, ready func(*corev1.Pod) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.choose[namespace] = ready
}

// Ready makes a pod that runs ready, or takes that back.
func (k *Kubelet) Ready(ctx context.Context, pod *corev1.Pod, ready bool) error {
	return k.status(ctx, pod, ready)
}

func (k *Kubelet) see(ctx context.Context, pod *corev1.Pod) {
	if pod.DeletionTimestamp != nil {
		// A kubelet confirms that the containers have ended; until then the pod stays.
		none, uid := int64(0), pod.UID
		go func() {
			_ = k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
				GracePeriodSeconds: &none, Preconditions: &metav1.Preconditions{UID: &uid},
			})
		}()
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.taken[pod.UID] {
		return
	}
	k.taken[pod.UID] = true
	delay, broken := k.delays[pod.Namespace], k.broken[pod.Namespace]
	if choose := k.choose[pod.Namespace]; choose != nil && !choose(pod) {
		delay = -1
	}
	for _, c := range pod.Spec.Containers {
		if broken != "" && strings.Contains(c.Image, broken) {
			delay = -1
		}
	}
	go k.run(ctx, pod.DeepCopy(), delay)
}

// run is the life of one pod. Its errors are those of a pod that went away meanwhile, and there is nobody to tell.
func (k *Kubelet) run(ctx context.Context, pod *corev1.Pod, delay time.Duration) {
	pods := k.client.CoreV1().Pods(pod.Namespace)
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID}, Target: corev1.ObjectReference{Kind: "Node", Name: nodeName}}
	if err := pods.Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		return
	}
	if delay != 0 {
		_ = k.status(ctx, pod, false)
	}
	if delay < 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(delay):
		_ = k.status(ctx, pod, true)
	}
}

func (k *Kubelet) status(ctx context.Context, pod *corev1.Pod, ready bool) error {
	now := metav1.Now()
	word := corev1.ConditionFalse
	if ready {
		word = corev1.ConditionTrue
	}
	status := corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now, PodIP: "10.244.0.1", PodIPs: []corev1.PodIP{{IP: "10.244.0.1"}}}
	for _, kind := range []corev1.PodConditionType{corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady} {
		c := corev1.PodCondition{Type: kind, Status: word, LastTransitionTime: now}
		if kind == corev1.PodInitialized {
			c.Status = corev1.ConditionTrue
		}
		status.Conditions = append(status.Conditions, c)
	}
	started := true
	for _, c := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: c.Image, Ready: ready, Started: &started,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		})
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return fmt.Errorf("writing a pod's status down: %w", err)
	}
	_, err = k.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}
