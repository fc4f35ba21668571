// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bundle runs in pods around an application: it fetches, builds, stores and installs source bundles.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/beanpod-dev/beanpod/internal/bundle/run"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run.Main(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code)
}
