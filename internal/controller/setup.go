// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controller lists every controller with its dependencies. I/O; called by cmd/manager and by tests that start a
// manager.
package controller

import (
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller/application"
	"github.com/beanpod-dev/beanpod/internal/controller/applicationversion"
	"github.com/beanpod-dev/beanpod/internal/controller/databaseclaim"
	"github.com/beanpod-dev/beanpod/internal/controller/databaseclass"
	"github.com/beanpod-dev/beanpod/internal/controller/environment"
	"github.com/beanpod-dev/beanpod/internal/controller/platform"
	"github.com/beanpod-dev/beanpod/internal/controller/unsupported"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/builtin"
	"github.com/beanpod-dev/beanpod/internal/database/cloudnativepg"
	"github.com/beanpod-dev/beanpod/internal/database/rds"
	"github.com/beanpod-dev/beanpod/internal/evidence"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/platforms"
	"github.com/beanpod-dev/beanpod/internal/queues"
	"github.com/beanpod-dev/beanpod/internal/registry"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/store"
)

// Recorder is the name under which events are reported.
const Recorder = "beanpod"

// Options of an installation.
type Options struct {
	// Operator is what the installation decides for every Environment; GatewayAPI and KEDA are found out by Setup.
	Operator settings.Operator
	// Namespaces to watch; empty: all.
	Namespaces []string
	// Concurrency is how many objects of a kind are worked on at a time. Defaults to 10.
	Concurrency int
	// InstallPlatforms applies the shipped catalogue of Platforms at start, unless only some namespaces are watched.
	InstallPlatforms bool
	// Store holds uploads and artifacts; nil: there is none.
	Store store.Store
	// Images makes images of artifacts in Operator.Registry; nil: there is no registry for them.
	Images *registry.Appender
	// Databases is what the installation decides for every DatabaseClaim.
	Databases database.Operator
	// DatabaseDeletionDelay is the pause before a database is deleted; 0: 72 hours.
	DatabaseDeletionDelay time.Duration
	// AllowLoopbackRegistry lets images be resolved at registries on the operator's own host. Only tests need it.
	AllowLoopbackRegistry bool
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Scheme knows Kubernetes' kinds, Beanpod's, and the Gateway API's. Those of KEDA are used without Go types.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme), gatewayv1.Install(scheme))
}

// ManagerOptions sets what the controllers need of the manager: caches that hold only what is used, and reads that see one's
// own writes.
func ManagerOptions(o Options, base ctrl.Options) (ctrl.Options, error) {
	// Instances, release commands and builds; Leases, because those of all nodes are renewed every ten seconds.
	ours := labels.SelectorFromSet(labels.Set{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy})
	base.Cache.DefaultTransform = trim
	base.Cache.ByObject = map[client.Object]cache.ByObject{
		&corev1.Pod{}:                {Label: ours},
		&appsv1.ControllerRevision{}: {Label: ours},
		&batchv1.Job{}:               {Label: ours},
		&appsv1.StatefulSet{}:        {Label: ours},
		&coordinationv1.Lease{}:      {Label: ours},
	}
	if len(o.Namespaces) > 0 {
		base.Cache.DefaultNamespaces = map[string]cache.Config{}
		for _, n := range o.Namespaces {
			base.Cache.DefaultNamespaces[n] = cache.Config{}
		}
	}
	// With several namespaces a kind has several informers, which the consistency feature does not support. Then a pass may
	// see an older state of its own writes, and repeat a write that changes nothing.
	consistent := len(o.Namespaces) <= 1
	// KEDA's objects have no Go types here, and are read from the cache as the others are.
	base.Client.Cache = &client.CacheOptions{EnableReadYourWritesConsistency: &consistent, Unstructured: true}
	return base, nil
}

// Setup registers every controller.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Concurrency == 0 {
		o.Concurrency = 10
	}
	opts := ctrlcontroller.Options{MaxConcurrentReconciles: o.Concurrency}
	clusterScoped := len(o.Namespaces) == 0
	op := o.Operator
	var err error
	if op.GatewayAPI, err = serves(mgr, schema.GroupVersionKind{Group: gatewayv1.GroupName, Version: "v1", Kind: "HTTPRoute"}); err != nil {
		return err
	}
	if op.KEDA, err = serves(mgr, schema.FromAPIVersionAndKind(naming.KEDA, string(naming.ScaledObject))); err != nil {
		return err
	}
	logs, err := evidence.NewReader(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	c, live, events := mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(Recorder)
	watcher, poller := queues.NewWatcher(queues.Daemons{}), queues.NewPoller(queues.Brokers, live, o.Now)
	return errors.Join(
		application.New(application.Dependencies{Client: c, Recorder: events, Store: o.Store, Now: o.Now}).SetupWithManager(mgr, opts),
		applicationversion.New(applicationversion.Dependencies{
			Client: c, Live: live, Registry: registry.New(registry.Options{AllowLoopback: o.AllowLoopbackRegistry}), Recorder: events, Operator: op, Logs: logs, Now: o.Now,
			Store: o.Store, Images: o.Images,
		}).SetupWithManager(mgr, opts),
		environment.New(environment.Dependencies{
			Client: c, Live: live, Logs: logs, Recorder: events, Operator: op, ClusterScoped: clusterScoped, Queues: watcher, Now: o.Now,
			Scaler: &environment.Scaler{Depths: poller, Daemons: queues.Daemons{}}, Deleter: queues.NewDeleter(queues.Brokers, live),
		}).SetupWithManager(mgr, opts),
		mgr.Add(watcher),
		mgr.Add(poller),
		queues.Register(metrics.Registry, poller),
		unsupported.New(unsupported.Dependencies{Client: c, Recorder: events, Now: o.Now}).SetupWithManager(mgr, opts),
		setupDatabases(mgr, o, opts),
		setupPlatforms(mgr, o, opts),
	)
}

// databaseProviders make databases. They know no clock and no cluster.
var databaseProviders = map[v1alpha1.DatabaseProvider]database.Provider{
	v1alpha1.DatabaseBuiltIn:       builtin.Provider{},
	v1alpha1.DatabaseCloudNativePG: cloudnativepg.Provider{},
	v1alpha1.DatabaseRDS:           rds.Provider{},
}

// setupDatabases starts what serves DatabaseClaims, and DatabaseClasses, which belong to the cluster and need rights there.
func setupDatabases(mgr ctrl.Manager, o Options, opts ctrlcontroller.Options) error {
	events, clusterScoped := mgr.GetEventRecorder(Recorder), len(o.Namespaces) == 0
	err := databaseclaim.New(databaseclaim.Dependencies{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: events, Operator: o.Databases, Providers: databaseProviders,
		DeletionDelay: o.DatabaseDeletionDelay, ClusterScoped: clusterScoped, Now: o.Now,
	}).SetupWithManager(mgr, opts)
	if err != nil || !clusterScoped {
		return err
	}
	return databaseclass.New(databaseclass.Dependencies{Client: mgr.GetClient(), Recorder: events, Providers: databaseProviders, Now: o.Now}).SetupWithManager(mgr, opts)
}

// setupPlatforms starts what serves Platforms, which belong to the cluster and need rights there.
func setupPlatforms(mgr ctrl.Manager, o Options, opts ctrlcontroller.Options) error {
	if len(o.Namespaces) > 0 {
		return nil
	}
	events := mgr.GetEventRecorder(Recorder)
	err := platform.New(platform.Dependencies{Client: mgr.GetClient(), Recorder: events, Now: o.Now}).SetupWithManager(mgr, opts)
	if err != nil || !o.InstallPlatforms {
		return err
	}
	return platforms.SetupWithManager(mgr, events)
}

func serves(mgr ctrl.Manager, kind schema.GroupVersionKind) (bool, error) {
	_, err := mgr.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking whether the cluster serves %s: %w", kind.Kind, err)
	}
	return true, nil
}
