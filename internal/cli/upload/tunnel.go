// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// How the store's Service is known among the operator's: by its component, or by the name of its port, which is that of the container.
const (
	labelName      = "app.kubernetes.io/name"
	labelComponent = "app.kubernetes.io/component"
	operatorName   = "beanpod"
	storeName      = "store"
)

// Tunnel is a port of this machine that leads to the store.
type Tunnel struct {
	URL  string
	stop context.CancelFunc
	done <-chan error
}

// Close ends the tunnel.
func (t *Tunnel) Close() {
	t.stop()
	<-t.done
}

// Open makes a tunnel through the API server to an instance of the store in the operator's namespace. It looks nowhere else: who may make
// Services elsewhere must not be handed tokens.
func Open(ctx context.Context, config *rest.Config, c client.Reader, namespace string) (*Tunnel, error) {
	pod, port, err := findStore(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	dialer, err := dial(config, pod)
	if err != nil {
		return nil, fmt.Errorf("reaching the store: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, ready, io.Discard, io.Discard)
	if err != nil {
		stop()
		return nil, fmt.Errorf("reaching the store: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- forwarder.ForwardPorts(); close(done) }()
	select {
	case err := <-done:
		stop()
		return nil, fmt.Errorf("reaching the store through Pod %s/%s: %w", pod.Namespace, pod.Name, err)
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err == nil && len(ports) == 0 {
		err = errors.New("no port was opened")
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("reaching the store: %w", err)
	}
	return &Tunnel{URL: fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local), stop: stop, done: done}, nil
}

// dial prefers websockets, as kubectl does; API servers before 1.31, and some proxies, only know SPDY.
func dial(config *rest.Config, pod *corev1.Pod) (httpstream.Dialer, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	target := base.JoinPath("api/v1/namespaces", pod.Namespace, "pods", pod.Name, "portforward")
	return dialers(config, target)
}

func dialers(config *rest.Config, target *url.URL) (httpstream.Dialer, error) {
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	websocket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(target, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(websocket, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

// findStore picks a ready Pod behind the store's Service, and the port in it.
func findStore(ctx context.Context, c client.Reader, namespace string) (*corev1.Pod, int32, error) {
	var services corev1.ServiceList
	if err := c.List(ctx, &services, client.InNamespace(namespace), client.MatchingLabels{labelName: operatorName}); err != nil {
		return nil, 0, fmt.Errorf("looking for the store: %w", err)
	}
	service, port := pick(services.Items)
	if service == nil {
		return nil, 0, fmt.Errorf("namespace %s has no Service of the store; is the operator there, with its store turned on? "+
			"--operator-namespace names another namespace, --store-url the store itself", namespace)
	}
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(service.Spec.Selector)); err != nil {
		return nil, 0, fmt.Errorf("looking for the store: %w", err)
	}
	for i := range pods.Items {
		if n := portOf(&pods.Items[i], port); ready(&pods.Items[i]) && n > 0 {
			return &pods.Items[i], n, nil
		}
	}
	return nil, 0, fmt.Errorf("none of %d Pods of Service %s/%s is ready; look at the operator: kubectl -n %s get pods", len(pods.Items), namespace, service.Name, namespace)
}

// pick finds the store's Service and port. A Service without a selector leads to no Pod.
func pick(services []corev1.Service) (*corev1.Service, corev1.ServicePort) {
	for i := range services {
		for _, port := range services[i].Spec.Ports {
			ours := services[i].Labels[labelComponent] == storeName || port.Name == storeName || port.TargetPort.StrVal == storeName
			if ours && len(services[i].Spec.Selector) > 0 {
				return &services[i], port
			}
		}
	}
	return nil, corev1.ServicePort{}
}

func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

func portOf(pod *corev1.Pod, port corev1.ServicePort) int32 {
	switch {
	case port.TargetPort.Type == intstr.Int && port.TargetPort.IntVal > 0:
		return port.TargetPort.IntVal
	case port.TargetPort.Type == intstr.Int:
		return port.Port
	}
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if p.Name == port.TargetPort.StrVal {
				return p.ContainerPort
			}
		}
	}
	return 0
}
