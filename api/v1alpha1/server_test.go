// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// server is the one API server of this package's tests, started by the first that asks.
var server struct {
	once sync.Once
	env  *envtest.Environment
	c    client.Client
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if server.env != nil {
		if err := server.env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the API server:", err)
		}
	}
	os.Exit(code)
}

// apiServer returns a client of a real API server that has our CRDs. It refuses unknown fields. Without
// KUBEBUILDER_ASSETS, the folder of kube-apiserver and etcd, the test is skipped.
func apiServer(t *testing.T) client.Client {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: no API server to test against (make test-integration sets it)")
	}
	server.once.Do(func() {
		server.env = &envtest.Environment{CRDDirectoryPaths: []string{crdDir}, ErrorIfCRDPathMissing: true}
		config, err := server.env.Start()
		if err != nil {
			server.err = err
			return
		}
		// The cases come all at once, and the API server is ours alone.
		config.QPS = -1
		c, err := client.New(config, client.Options{Scheme: runtime.NewScheme()})
		server.c, server.err = client.WithFieldValidation(c, metav1.FieldValidationStrict), err
	})
	if server.err != nil {
		t.Fatalf("starting the API server: %v", server.err)
	}
	return server.c
}

// makeNamespace makes a namespace that enforces the strictest Pod Security level.
func makeNamespace(t *testing.T, c client.Client, name string) {
	t.Helper()
	namespace := &unstructured.Unstructured{}
	namespace.SetAPIVersion("v1")
	namespace.SetKind("Namespace")
	namespace.SetName(name)
	namespace.SetLabels(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatalf("making namespace %s: %v", name, err)
	}
}
