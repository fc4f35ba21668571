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
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Kubelet stands in for scheduler and kubelet: it binds every pod that fits to one node, lets it start at once, makes it ready
// after a delay that tests choose, and lets deleted pods go. A pod that does not fit, or whose image is not there, is told so in
// the words of the real ones; neither is looked at again. A real scheduler with kwok would do the same with three more processes on two
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

// Absent makes a pod fit no node when it is in the value of a node selector; as the tag of an image, it makes the image one that
// the node does not have.
const Absent = "absent"

// Crashing as the tag of an image makes the image one whose containers end again and again.
const Crashing = "crashing"

// room is the most that a pod may ask for.
var room = corev1.ResourceList{
	corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"),
	corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
}

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
	if why := k.misfit(ctx, pod); why != "" {
		_ = k.patch(ctx, pod, corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, LastTransitionTime: metav1.Now(),
			Message: "0/1 nodes are available: " + why + ". preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
		}}})
		return
	}
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID}, Target: corev1.ObjectReference{Kind: "Node", Name: nodeName}}
	if err := pods.Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		return
	}
	if image := tagged(pod, Absent); image != "" {
		_ = k.patch(ctx, pod, withoutImage(pod, image))
		return
	}
	if tagged(pod, Crashing) != "" {
		_ = k.patch(ctx, pod, crashing(pod))
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
	return k.patch(ctx, pod, status)
}

// patch writes a status. Its errors are those of a pod that went away meanwhile.
func (k *Kubelet) patch(ctx context.Context, pod *corev1.Pod, status corev1.PodStatus) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return fmt.Errorf("writing a pod's status down: %w", err)
	}
	_, err = k.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// misfit says why a pod fits no node; empty: it does.
func (k *Kubelet) misfit(ctx context.Context, pod *corev1.Pod) string {
	for key, value := range pod.Spec.NodeSelector {
		if strings.Contains(value, Absent) || (key == corev1.LabelArchStable && value != "amd64") {
			return "1 node(s) didn't match Pod's node affinity/selector"
		}
	}
	for _, c := range pod.Spec.Containers {
		for name, most := range room {
			if asked := c.Resources.Requests[name]; asked.Cmp(most) > 0 {
				return "1 Insufficient " + string(name)
			}
		}
	}
	for _, v := range pod.Spec.Volumes {
		if claim := v.PersistentVolumeClaim; claim != nil {
			if _, err := k.client.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, claim.ClaimName, metav1.GetOptions{}); err != nil {
				return fmt.Sprintf("persistentvolumeclaim %q not found", claim.ClaimName)
			}
		}
	}
	return ""
}

// tagged is an image of a pod that has a tag; empty: none has it.
func tagged(pod *corev1.Pod, tag string) string {
	for _, c := range pod.Spec.Containers {
		if strings.HasSuffix(c.Image, ":"+tag) {
			return c.Image
		}
	}
	return ""
}

func withoutImage(pod *corev1.Pod, image string) corev1.PodStatus {
	now := metav1.Now()
	status := corev1.PodStatus{Phase: corev1.PodPending, StartTime: &now}
	for _, c := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
				Reason: "ErrImageNeverPull", Message: fmt.Sprintf("Container image %q is not present with pull policy of Never", image),
			}},
		})
	}
	return status
}

func crashing(pod *corev1.Pod) corev1.PodStatus {
	now := metav1.Now()
	status := corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now}
	for _, c := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, RestartCount: 4,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
				Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container=" + c.Name,
			}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", StartedAt: now, FinishedAt: now}},
		})
	}
	return status
}
