// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command manager is the operator: flags, scheme, constructors, nothing else.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/deletion"
	"github.com/beanpod-dev/beanpod/internal/samples"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/store"
	"github.com/beanpod-dev/beanpod/internal/store/server"
)

// version is set by the linker.
var version = "dev"

// leaderElectionID is the name of the Lease.
const leaderElectionID = "beanpod.beanpod.dev"

type flags struct {
	leaderElect                                    bool
	leaderElectionNamespace                        string
	probeAddress, metricsAddress                   string
	metricsSecure, metricsAuth                     bool
	namespaces, baseDomain, ingressClass, gateway  string
	trustedCIDRs, buildDenied, fetchAllowed        string
	concurrency                                    int
	installPlatforms, allowLoopbackRegistry        bool
	store, storeSpool, storeAddress, storeURL      string
	bundleImage, queue, queueMonitoring, namespace string
	images                                         imageFlags
	databaseImage                                  string
	databaseDeletionDelay                          time.Duration
}

func (f *flags) bind(set *flag.FlagSet) {
	set.BoolVar(&f.leaderElect, "leader-elect", false, "Run as one of several, of which one works at a time.")
	set.StringVar(&f.leaderElectionNamespace, "leader-election-namespace", "", "Namespace of the Lease; unset: the operator's own.")
	set.StringVar(&f.probeAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz.")
	set.StringVar(&f.metricsAddress, "metrics-bind-address", ":8443", "Address of /metrics; 0 turns it off.")
	set.BoolVar(&f.metricsSecure, "metrics-secure", true, "Serve metrics over TLS.")
	set.BoolVar(&f.metricsAuth, "metrics-auth", true, "Serve metrics only to callers that the API server authenticates and authorises.")
	set.StringVar(&f.namespaces, "watch-namespaces", "", "Namespaces to watch, separated by commas; unset: all.")
	set.StringVar(&f.baseDomain, "base-domain", "", "Domain under which every environment gets its permanent name; unset: none is reachable from outside.")
	set.StringVar(&f.ingressClass, "default-ingress-class", "", "Class of Ingresses that name none; unset: the cluster's default.")
	set.StringVar(&f.gateway, "default-gateway", "", "Gateway for environments that name none, as namespace/name or namespace/name/listener; unset: Ingress is used.")
	set.StringVar(&f.trustedCIDRs, "trusted-cidrs", "", "Addresses that may always reach instances, separated by commas; for ingress controllers on the host's network.")
	set.StringVar(&f.buildDenied, "build-denied-cidrs", "", "Addresses that builds of source bundles cannot reach, separated by commas; unset: private and link-local ones.")
	set.StringVar(&f.fetchAllowed, "fetch-allowed-cidrs", "", "Addresses that source bundles may be fetched from although builds cannot reach them otherwise, separated by commas.")
	set.IntVar(&f.concurrency, "max-concurrent-reconciles", 10, "How many objects of a kind are worked on at a time.")
	set.BoolVar(&f.installPlatforms, "install-platforms", true, "Install the shipped catalogue of Platforms at start; not with --watch-namespaces.")
	set.BoolVar(&f.allowLoopbackRegistry, "allow-loopback-registry", false, "Resolve images at registries on the operator's own host; for development.")
	set.StringVar(&f.store, "store", "", "Where artifacts are kept: dir:///PATH or s3://BUCKET/PREFIX?region=&endpoint=&pathStyle=; unset: source bundles are not processed.")
	set.StringVar(&f.storeSpool, "store-spool", filepath.Join(os.TempDir(), "beanpod-spool"), "Folder in which what is sent to a bucket waits until its digest is known.")
	set.StringVar(&f.storeAddress, "store-address", ":8090", "Address on which artifacts are served.")
	set.StringVar(&f.storeURL, "store-url", "", "URL under which pods reach that address; needed with --store.")
	set.StringVar(&f.bundleImage, "bundle-image", "", "The operator's own image, with which builds and instances of bundles begin, and which holds the queue daemon of workers and the program that probes databases; needed with --store, and for tier Worker.")
	f.images.bind(set)
	set.StringVar(&f.queue, "queue", "", "Where generated queues of workers are made: the URL of NATS servers with JetStream, nats://nats.queues:4222, several separated by commas; or an endpoint of SQS, https://sqs.REGION.amazonaws.com, or another with ?region=REGION; unset: none are made.")
	set.StringVar(&f.databaseImage, "database-image", "docker.io/library/postgres", "Image of PostgreSQL, without a tag, of databases whose class names none.")
	set.DurationVar(&f.databaseDeletionDelay, "database-deletion-delay", deletion.DefaultDelay, "Pause before the database of a deleted DatabaseClaim is deleted, in which that can be called back.")
	set.StringVar(&f.queueMonitoring, "queue-monitoring", "", "URL of the HTTP monitoring endpoint of those servers: http://nats.queues:8222; unset: KEDA cannot scale by generated queues.")
	set.StringVar(&f.namespace, "namespace", "", "The operator's own namespace, which may ask the queue daemons of workers; unset: nobody may.")
}

func main() {
	var f flags
	f.bind(flag.CommandLine)
	logging := zap.Options{}
	logging.BindFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(shell.Quiet(zap.New(zap.UseFlagOptions(&logging))))
	if err := run(f); err != nil {
		ctrl.Log.Error(err, "Manager stopped")
		os.Exit(1)
	}
}

func run(f flags) error {
	options, err := f.options()
	if err != nil {
		return err
	}
	scheme, err := controller.Scheme()
	if err != nil {
		return fmt.Errorf("building the scheme: %w", err)
	}
	base := ctrl.Options{
		Scheme:                        scheme,
		HealthProbeBindAddress:        f.probeAddress,
		Metrics:                       f.metrics(),
		LeaderElection:                f.leaderElect,
		LeaderElectionID:              leaderElectionID,
		LeaderElectionNamespace:       f.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
	}
	base, err = controller.ManagerOptions(options, base)
	if err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	config.UserAgent = "beanpod/" + version
	mgr, err := ctrl.NewManager(config, base)
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	if options.Store, err = f.serveStore(mgr); err != nil {
		return err
	}
	if err := controller.Setup(mgr, options); err != nil {
		return fmt.Errorf("setting up controllers: %w", err)
	}
	synced := func(req *http.Request) error {
		ctx, cancel := context.WithTimeout(req.Context(), time.Second)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("caches are not filled yet; are the CRDs installed?")
		}
		return nil
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("caches", synced)); err != nil {
		return fmt.Errorf("adding probes: %w", err)
	}
	ctrl.Log.Info("Starting", "version", version, "baseDomain", f.baseDomain, "namespaces", f.namespaces)
	return mgr.Start(ctrl.SetupSignalHandler())
}

// serveStore adds the artifact store to the manager. Every replica serves it.
func (f *flags) serveStore(mgr ctrl.Manager) (store.Store, error) {
	if f.store == "" {
		return nil, nil
	}
	kept, err := store.Open(context.Background(), f.store, f.storeSpool)
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err)
	}
	server.Register()
	return kept, mgr.Add(server.New(server.Options{
		Address: f.storeAddress, Store: kept, Samples: samples.Open, Log: ctrl.Log.WithName("store"),
		Guard: &server.Kubernetes{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Now: time.Now},
	}))
}

// metrics are served over TLS and, unless turned off, only to callers that may read them.
func (f *flags) metrics() metricsserver.Options {
	out := metricsserver.Options{
		BindAddress:   f.metricsAddress,
		SecureServing: f.metricsSecure,
		// HTTP/2 would only add to what can be attacked.
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
	}
	if f.metricsAuth {
		out.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return out
}

func (f *flags) options() (controller.Options, error) {
	out := controller.Options{
		Namespaces: split(f.namespaces), Concurrency: f.concurrency, InstallPlatforms: f.installPlatforms, AllowLoopbackRegistry: f.allowLoopbackRegistry,
		Operator: settings.Operator{BaseDomain: f.baseDomain, IngressClassName: f.ingressClass, TrustedCIDRs: split(f.trustedCIDRs), StoreURL: f.storeURL, BundleImage: f.bundleImage},
	}
	if f.baseDomain != "" {
		if problems := validation.IsDNS1123Subdomain(f.baseDomain); len(problems) > 0 {
			return out, fmt.Errorf("--base-domain %q is not a domain name: %s", f.baseDomain, strings.Join(problems, "; "))
		}
	}
	out.Operator.BuildDeniedCIDRs, out.Operator.FetchAllowedCIDRs = split(f.buildDenied), split(f.fetchAllowed)
	for flag, list := range map[string][]string{
		"trusted-cidrs": out.Operator.TrustedCIDRs, "build-denied-cidrs": out.Operator.BuildDeniedCIDRs, "fetch-allowed-cidrs": out.Operator.FetchAllowedCIDRs,
	} {
		for _, cidr := range list {
			if _, _, err := net.ParseCIDR(cidr); err != nil {
				return out, fmt.Errorf("--%s: %w", flag, err)
			}
		}
	}
	if err := f.images.check(f.store); err != nil {
		return out, err
	}
	out.Operator.Registry, out.Images = f.images.settings(), f.images.appender(f.allowLoopbackRegistry)
	out.Operator.Queue, out.Operator.QueueMonitoring, out.Operator.Namespace = f.queue, f.queueMonitoring, f.namespace
	if text := settings.CheckMonitoring(f.queueMonitoring); f.queueMonitoring != "" && text != "" {
		return out, fmt.Errorf("--queue-monitoring: %s", text)
	}
	out.Databases = database.Operator{Image: f.databaseImage, BundleImage: f.bundleImage, StoreURL: f.storeURL, Namespace: f.namespace}
	if f.databaseDeletionDelay <= 0 {
		return out, fmt.Errorf("--database-deletion-delay %s is not a pause", f.databaseDeletionDelay)
	}
	out.DatabaseDeletionDelay = f.databaseDeletionDelay
	if f.queue != "" {
		if text := settings.CheckOperatorQueue(f.queue); text != "" {
			return out, fmt.Errorf("--queue: %s", text)
		}
	}
	if f.store != "" && (f.storeURL == "" || f.bundleImage == "") {
		return out, errors.New("--store needs --store-url and --bundle-image")
	}
	if f.gateway != "" {
		parts := strings.Split(f.gateway, "/")
		if len(parts) < 2 || len(parts) > 3 {
			return out, fmt.Errorf("--default-gateway %q is not namespace/name or namespace/name/listener", f.gateway)
		}
		out.Operator.Gateway = &v1alpha1.GatewayReference{Namespace: parts[0], Name: parts[1]}
		if len(parts) == 3 {
			out.Operator.Gateway.SectionName = parts[2]
		}
	}
	return out, nil
}

func split(list string) []string {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
