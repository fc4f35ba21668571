// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// AssetsVariable names the directory with kube-apiserver and etcd.
const AssetsVariable = "KUBEBUILDER_ASSETS"

// KEDAVariable is the directory of KEDA's module, whose CRDs are KEDA's own.
const KEDAVariable = "KEDA_MODULE"

// KEDACRDs is the directory with KEDA's CRDs. Without the module it skips the test.
func KEDACRDs(t testing.TB) string {
	t.Helper()
	module := os.Getenv(KEDAVariable)
	if module == "" {
		t.Skipf("%s is not set: no CRDs of KEDA to test against (make test-integration sets it)", KEDAVariable)
	}
	return filepath.Join(module, "config", "crd", "bases")
}

// StartAPIServer starts etcd and an API server with Beanpod's CRDs and those of other folders, and stops them when the test ends.
// Without the binaries it skips the test.
func StartAPIServer(t testing.TB, others ...string) *rest.Config {
	t.Helper()
	if os.Getenv(AssetsVariable) == "" {
		t.Skipf("%s is not set: no API server to test against (make test-integration sets it)", AssetsVariable)
	}
	server := &envtest.Environment{CRDDirectoryPaths: append([]string{RepositoryPath("config", "crd", "bases")}, others...), ErrorIfCRDPathMissing: true}
	config, err := server.Start()
	if err != nil {
		t.Fatalf("starting the API server: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("stopping the API server: %v", err)
		}
	})
	config.QPS = -1
	return config
}

// RepositoryPath joins a path to the root of the repository.
func RepositoryPath(elements ...string) string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(append([]string{filepath.Dir(here), "..", ".."}, elements...)...)
}
