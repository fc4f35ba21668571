// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Scheme knows Kubernetes' kinds and Beanpod's.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two kinds with one name: a bug that no test can work around
		}
	}
	return scheme
}

// Bench is an API server behind a started cache, as the manager sets them up, for tests that call Reconcile themselves.
type Bench struct {
	// Config reaches the API server without being recorded.
	Config *rest.Config
	// Client is the manager's: it reads from the cache, after its own writes.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Writes are those of Client.
	Writes *Writes
}

// StartBench starts an API server and a cache; prepare adds indexes, or controllers, before the cache starts. Without the
// binaries it skips the test.
func StartBench(t testing.TB, prepare func(ctrl.Manager) error) *Bench {
	t.Helper()
	out := &Bench{Config: StartAPIServer(t)}
	out.Writes = &Writes{}
	mgr := StartManager(t, out.Writes.Watch(out.Config), "", prepare)
	out.Client, out.Live = mgr.GetClient(), mgr.GetAPIReader()
	return out
}

// StartManager starts a manager with the operator's client options, for one namespace or for all, and stops it when the test
// ends.
func StartManager(t testing.TB, config *rest.Config, namespace string, prepare func(ctrl.Manager) error) ctrl.Manager {
	t.Helper()
	skip, consistent := true, true
	options := ctrl.Options{
		Scheme: Scheme(), Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: &consistent}},
	}
	options.Controller.SkipNameValidation = &skip
	if namespace != "" {
		options.Cache.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		t.Fatalf("making a manager: %v", err)
	}
	if err := prepare(mgr); err != nil {
		t.Fatalf("preparing the manager: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running the manager: %v", err)
		}
	})
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the cache did not start")
	}
	return mgr
}

// Settle returns once the cache has seen everything that Client wrote.
func (b *Bench) Settle(ctx context.Context) error {
	for _, list := range []client.ObjectList{
		&v1alpha1.ApplicationList{}, &v1alpha1.ApplicationVersionList{}, &v1alpha1.EnvironmentList{},
	} {
		if err := b.Client.List(ctx, list); err != nil {
			return fmt.Errorf("waiting for the cache: %w", err)
		}
	}
	return nil
}

// MakeNamespace creates a namespace with a name of its own.
func (b *Bench) MakeNamespace(ctx context.Context) (string, error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := b.Client.Create(ctx, ns); err != nil {
		return "", fmt.Errorf("making a namespace: %w", err)
	}
	return ns.Name, nil
}

// Clock is a clock that can be set ahead of the API server's, and stopped.
type Clock struct {
	// Ahead is added to the time.
	Ahead time.Duration
	// Stopped, when it is not zero, is the time that the clock stands at.
	Stopped time.Time
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	if !c.Stopped.IsZero() {
		return c.Stopped.Add(c.Ahead)
	}
	return time.Now().Add(c.Ahead)
}
