// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command workerd is the worker daemon: it runs beside an application, takes messages from its queue and posts them to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/beanpod-dev/beanpod/internal/workerd/run"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal drains, the second ends the program.
	context.AfterFunc(ctx, stop)
	code := run.Main(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	os.Exit(code)
}
