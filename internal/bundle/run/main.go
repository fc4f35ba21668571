// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// command is one sub-command; bind adds its flags.
type command interface {
	bind(set *flag.FlagSet)
	run(ctx context.Context, out io.Writer) (report.Report, error)
}

const usage = "usage: bundle fetch|build|push|install|snapshot push|snapshot fetch|probe [flags]; bundle COMMAND -h lists the flags\n"

// Main runs one sub-command and returns the exit code.
func Main(ctx context.Context, args []string, out io.Writer) int {
	name, args := split(args)
	c, known := map[string]command{
		"fetch": &fetchCommand{}, "build": &buildCommand{}, "push": &pushCommand{}, "install": &installCommand{},
		"snapshot push": &snapshotPushCommand{}, "snapshot fetch": &snapshotFetchCommand{},
		"probe": &probeCommand{},
	}[name]
	if !known {
		fmt.Fprint(out, usage)
		return 2
	}
	set := flag.NewFlagSet("bundle "+name, flag.ContinueOnError)
	set.SetOutput(out)
	result := set.String("result", "/dev/termination-log", "File for the result, as JSON.")
	timeout := set.Duration("timeout", 30*time.Minute, "How long everything together may take.")
	c.bind(set)
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case set.NArg() > 0:
		fmt.Fprintf(out, "bundle %s takes no arguments, only flags: %q\n", name, set.Args())
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	return finish(ctx, c, *result, out)
}

// split separates the name of the sub-command, which is one word or two, from its flags.
func split(args []string) (string, []string) {
	words := min(1, len(args))
	if words == 1 && args[0] == "snapshot" {
		words = min(2, len(args))
	}
	return strings.Join(args[:words], " "), args[words:]
}

// finish runs the command, reports, and turns an error into an exit code.
func finish(ctx context.Context, c command, result string, out io.Writer) int {
	started := time.Now()
	r, err := c.run(ctx, out)
	r.Seconds = float64(time.Since(started).Milliseconds()) / 1000
	if err != nil {
		f := report.AsFailure(err)
		r.Error, r.Reason, r.Retry = f.Text, f.Reason, f.Retry
		fmt.Fprintf(out, "%s: %s\n", f.Reason, f.Text)
	}
	text := report.Encode(r)
	fmt.Fprintf(out, "%s\n", text)
	if problem := os.WriteFile(result, text, 0o644); problem != nil { //nolint:gosec // the kubelet reads it
		fmt.Fprintf(out, "writing the result: %v\n", problem)
	}
	if err != nil {
		return 1
	}
	return 0
}
