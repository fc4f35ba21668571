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
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/beanpod-dev/beanpod/internal/bundle/archive"
	"github.com/beanpod-dev/beanpod/internal/bundle/build"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// buildCommand makes an unpacked bundle ready to run.
type buildCommand struct{ root string }

// instructionsVariable holds what the operator says.
const instructionsVariable = "BEANPOD_BUILD"

func (c *buildCommand) bind(set *flag.FlagSet) {
	set.StringVar(&c.root, "root", "", "Shared folder.")
}

func (c *buildCommand) run(ctx context.Context, out io.Writer) (report.Report, error) {
	root, err := openRoot(c.root)
	if err != nil {
		return report.Report{}, err
	}
	defer root.Close()
	in, err := build.ParseInstructions(os.Getenv(instructionsVariable))
	if err != nil {
		return report.Report{}, err
	}
	folder, err := filepath.Abs(filepath.Join(c.root, appFolder))
	if err != nil {
		return report.Report{}, err
	}
	env, cleanup, err := environment(in.Port)
	if err != nil {
		return report.Report{}, err
	}
	defer cleanup()
	r, err := build.Builder{Folder: folder, Env: env, Output: out}.Run(ctx, in)
	return r, errors.Join(err, save(root, resultFile, r))
}

// environment is that of the container, with PORT, a HOME that can be written, and one fixed time for tools that store times.
func environment(port int) ([]string, func(), error) {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{instructionsVariable, "PORT", "HOME", "SOURCE_DATE_EPOCH"}, name)
	})
	home, cleanup := os.Getenv("HOME"), func() {}
	if home == "" || home == "/" || !writable(home) {
		made, err := os.MkdirTemp("", "home-")
		if err != nil {
			return nil, nil, fmt.Errorf("making a home folder: %w", err)
		}
		home, cleanup = made, func() { _ = os.RemoveAll(made) }
	}
	return append(env, "PORT="+strconv.Itoa(port), "HOME="+home, "SOURCE_DATE_EPOCH="+strconv.FormatInt(archive.Epoch.Unix(), 10)), cleanup, nil
}

func writable(folder string) bool {
	probe, err := os.CreateTemp(folder, ".probe-")
	if err != nil {
		return false
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name())) == nil
}
