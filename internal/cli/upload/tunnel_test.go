// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package upload_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/beanpod-dev/beanpod/internal/cli/upload"
)

// forwarder is an API server that knows nothing but port-forwards by SPDY, as a kubelet ends them: all lead to one address.
func forwarder(t *testing.T, to string) *httptest.Server {
	t.Helper()
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/beanpod-system/pods/store-1/portforward" || !httpstream.IsUpgradeRequest(r) {
			http.Error(w, "not here", http.StatusNotFound)
			return
		}
		if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
			return // it has answered
		}
		connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, replied <-chan struct{}) error {
			if port := stream.Headers().Get("port"); port != "8090" {
				t.Errorf("port %s was asked for, want 8090", port)
			}
			if stream.Headers().Get("streamtype") == "error" {
				go func() { <-replied; _ = stream.Close() }() // nothing went wrong
				return nil
			}
			go func() {
				<-replied
				conn, err := net.Dial("tcp", to)
				if err != nil {
					t.Errorf("dialling the store: %v", err)
					return
				}
				go func() { _, _ = io.Copy(stream, conn); _ = stream.Close() }()
				_, _ = io.Copy(conn, stream)
				_ = conn.(*net.TCPConn).CloseWrite()
			}()
			return nil
		})
		if connection == nil {
			return // a websocket: it has answered 400, and SPDY is tried next
		}
		<-connection.CloseChan()
	}))
}

func store(tweaks ...func(*corev1.Service, *corev1.Pod)) client.Client {
	labels := map[string]string{"app.kubernetes.io/name": "beanpod", "app.kubernetes.io/component": "store"}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "beanpod-system", Name: "beanpod-store", Labels: labels}}
	service.Spec.Selector = map[string]string{"app": "beanpod"}
	service.Spec.Ports = []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("store")}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "beanpod-system", Name: "store-1", Labels: service.Spec.Selector}}
	pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8443}, {Name: "store", ContainerPort: 8090}}}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	for _, tweak := range tweaks {
		tweak(service, pod)
	}
	return fake.NewClientBuilder().WithObjects(service, pod).Build()
}

// TestTunnel uploads through a port-forward, more than a buffer holds, and the store's answer comes back.
func TestTunnel(t *testing.T) {
	t.Parallel()
	var got string
	end := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
		w.WriteHeader(http.StatusCreated)
	}))
	defer end.Close()
	api := forwarder(t, strings.TrimPrefix(end.URL, "http://"))
	defer api.Close()
	for name, tweak := range map[string]func(*corev1.Service, *corev1.Pod){
		"by component": func(s *corev1.Service, _ *corev1.Pod) { s.Spec.Ports[0].TargetPort = intstr.FromInt32(8090) },
		"by port":      func(s *corev1.Service, _ *corev1.Pod) { s.Labels["app.kubernetes.io/component"] = "manager" },
	} {
		c := store(tweak)
		tunnel, err := upload.Open(context.Background(), &rest.Config{Host: api.URL}, c, "beanpod-system")
		if err != nil {
			t.Fatalf("opening: %v", err)
		}
		file := bundle(t)
		err = upload.Store{URL: tunnel.URL, Token: "secret"}.Put(context.Background(), "ns", "shop-1", file, func(int64) {})
		tunnel.Close()
		if err != nil || got != content {
			t.Errorf("%s: got %v and %q, want %q", name, err, got, content)
		}
		if _, err := http.Get(tunnel.URL); err == nil {
			t.Error("the tunnel is still open after Close")
		}
	}
}

func TestNoTunnel(t *testing.T) {
	t.Parallel()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "pods/portforward is forbidden", http.StatusForbidden)
	}))
	defer refuses.Close()
	for _, c := range []struct {
		name, namespace string
		tweak           func(*corev1.Service, *corev1.Pod)
		want            string
	}{
		{"another namespace has the store", "elsewhere", nil, "namespace elsewhere has no Service of the store"},
		{"a Service with other labels", "beanpod-system", func(s *corev1.Service, _ *corev1.Pod) { s.Labels = nil }, "has no Service of the store"},
		{"a Service without a selector", "beanpod-system", func(s *corev1.Service, _ *corev1.Pod) { s.Spec.Selector = nil }, "has no Service of the store"},
		{"a Service of another component", "beanpod-system", func(s *corev1.Service, _ *corev1.Pod) {
			s.Labels["app.kubernetes.io/component"], s.Spec.Ports[0].TargetPort = "manager", intstr.FromString("metrics")
		}, "has no Service of the store"},
		{"no instance is ready", "beanpod-system", func(_ *corev1.Service, p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }, "none of 1 Pods of Service beanpod-system/beanpod-store is ready"},
		{"no instance has the port", "beanpod-system", func(_ *corev1.Service, p *corev1.Pod) { p.Spec.Containers = nil }, "none of 1 Pods"},
		{"no right", "beanpod-system", nil, "reaching the store through Pod beanpod-system/store-1"},
	} {
		var tweaks []func(*corev1.Service, *corev1.Pod)
		if c.tweak != nil {
			tweaks = append(tweaks, c.tweak)
		}
		_, err := upload.Open(context.Background(), &rest.Config{Host: refuses.URL}, store(tweaks...), c.namespace)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", c.name, err, c.want)
		}
	}
}
