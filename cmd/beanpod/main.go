// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command beanpod deploys applications and shows how they are. Called kubectl-beanpod, it is the plugin `kubectl beanpod`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // logging in to clouds

	"github.com/beanpod-dev/beanpod/internal/cli"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program at once.
	context.AfterFunc(ctx, stop)
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error: finding the working directory:", err)
		os.Exit(1)
	}
	os.Exit(cli.Run(ctx, cli.Options{
		Streams:  genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Terminal: term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("TERM") != "dumb",
		Name:     called(os.Args[0]), Version: version, Dir: dir, Now: time.Now, Settle: 10 * time.Second, Look: 2 * time.Second,
	}, os.Args[1:]))
}

// called is what people type: kubectl runs kubectl-beanpod for `kubectl beanpod`.
func called(path string) string {
	if strings.HasPrefix(filepath.Base(path), "kubectl-") {
		return "kubectl beanpod"
	}
	return "beanpod"
}
