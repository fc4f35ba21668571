// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package run wires the worker daemon together and runs it until a signal: configuration, queue, endpoints. It does I/O;
// cmd/workerd calls it.
package run

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/beanpod-dev/beanpod/internal/workerd"
	"github.com/beanpod-dev/beanpod/internal/workerd/config"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/open"
	"github.com/beanpod-dev/beanpod/internal/workerd/periodic"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Exit codes.
const (
	failed = 1
	usage  = 2
)

// flags are for what differs when the daemon does not run in its pod.
type flags struct{ address, credentials string }

// Main runs the daemon until ctx ends and returns the exit code: 0 after a drain.
func Main(ctx context.Context, args []string, getenv func(string) string, out io.Writer) int {
	f, err := parse(args, out)
	if err != nil {
		return usage
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	c, err := config.Parse(getenv(contract.EnvConfig))
	if err != nil {
		log.Error("The configuration is not usable", "error", err.Error())
		return usage
	}
	if err := serve(ctx, c, f, instance(getenv), log); err != nil {
		log.Error("The daemon failed", "error", err.Error())
		return failed
	}
	return 0
}

func parse(args []string, out io.Writer) (flags, error) {
	f := flags{}
	set := flag.NewFlagSet("workerd", flag.ContinueOnError)
	set.SetOutput(out)
	set.StringVar(&f.address, "address", ":"+strconv.Itoa(contract.Port), "Where /healthz, /readyz, /metrics and /status are served.")
	set.StringVar(&f.credentials, "credentials", contract.CredentialsDir, "Folder of the queue's Secret.")
	err := set.Parse(args)
	if err == nil && set.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", set.Arg(0))
		_, _ = fmt.Fprintln(out, err)
	}
	return f, err
}

// instance names this daemon among those of its environment.
func instance(getenv func(string) string) string {
	if name := getenv(contract.EnvInstance); name != "" {
		return name
	}
	name, _ := os.Hostname()
	return name
}

func serve(ctx context.Context, c contract.Config, f flags, instance string, log *slog.Logger) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	daemon, err := workerd.New(c, workerd.Parts{
		Log: log, Registry: registry, Consumer: instance,
		Open: func(ctx context.Context, o queue.Options) (queue.Queue, error) {
			// Read again at each try: the kubelet renews the files when the Secret changes.
			credentials, err := config.Credentials(f.credentials)
			if err != nil {
				return nil, err
			}
			return open.Queue(ctx, c.Queue, o, credentials)
		},
		Schedule: func(q queue.Queue) (workerd.Scheduler, error) { return periodic.Open(q, c, instance, log) },
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", f.address)
	if err != nil {
		return fmt.Errorf("serving the daemon's endpoints: %w", err)
	}
	server := &http.Server{Handler: endpoints(daemon, registry), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(listener) }()
	log.Info("Starting", "queue", c.Queue.Name, "provider", c.Queue.Provider, "connections", c.Connections, "address", listener.Addr().String())
	err = daemon.Run(ctx)
	err = errors.Join(err, server.Close())
	if served := <-serving; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func endpoints(d *workerd.Daemon, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", d.Handler())
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}
