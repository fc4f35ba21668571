// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/beanstalk"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// defaultTimeout of the platform's build command, as in the API.
const defaultTimeout = 30 * time.Minute

// Run builds the bundle and says what it found, also when it fails half-way.
func (b Builder) Run(ctx context.Context, in Instructions) (report.Report, error) {
	var out report.Report
	root, err := os.OpenRoot(b.Folder)
	if err != nil {
		return out, fmt.Errorf("opening the bundle: %w", err)
	}
	defer root.Close()
	bundle := root.FS()
	for _, step := range []func(context.Context, fs.FS, Instructions, *report.Report) error{
		b.prebuild, b.buildfile, b.platform, b.extensions, b.predeploy, postdeploy, decide,
	} {
		if err := step(ctx, bundle, in, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (b Builder) prebuild(ctx context.Context, bundle fs.FS, _ Instructions, out *report.Report) error {
	return b.hooks(ctx, bundle, beanstalk.Prebuild, out)
}

func (b Builder) predeploy(ctx context.Context, bundle fs.FS, _ Instructions, out *report.Report) error {
	return b.hooks(ctx, bundle, beanstalk.Predeploy, out)
}

// postdeploy only notes down that there is something to run: it runs in each instance.
func postdeploy(_ context.Context, bundle fs.FS, _ Instructions, out *report.Report) error {
	hooks, warnings := beanstalk.Hooks(bundle, beanstalk.Postdeploy)
	out.Postdeploy, out.Warnings = len(hooks) > 0, append(out.Warnings, warnings...)
	return nil
}

func (b Builder) hooks(ctx context.Context, bundle fs.FS, phase string, out *report.Report) error {
	hooks, warnings := beanstalk.Hooks(bundle, phase)
	out.Warnings = append(out.Warnings, warnings...)
	for _, hook := range hooks {
		if err := b.execute(ctx, task{what: "The hook " + hook, argv: []string{"./" + hook}}); err != nil {
			return err
		}
	}
	return nil
}

func (b Builder) buildfile(ctx context.Context, bundle fs.FS, _ Instructions, _ *report.Report) error {
	lines, err := beanstalk.ReadLines(bundle, "Buildfile")
	for _, l := range lines {
		if err := b.execute(ctx, task{what: "The line " + l.Name + " of the Buildfile", argv: report.Argv(l.Command)}); err != nil {
			return err
		}
	}
	return err
}

func (b Builder) platform(ctx context.Context, bundle fs.FS, in Instructions, _ *report.Report) error {
	if in.Build == nil || len(in.Build.Command) == 0 || !in.Build.When.holds(bundle) {
		return nil
	}
	timeout := time.Duration(in.Build.TimeoutSeconds) * time.Second
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return b.execute(ctx, task{what: "The platform's build command", argv: in.Build.Command, timeout: timeout})
}

// extensions runs the container commands that every instance would run, and leaves those of the leader to the release.
func (b Builder) extensions(ctx context.Context, bundle fs.FS, _ Instructions, out *report.Report) error {
	found := beanstalk.ReadExtensions(bundle)
	out.Options = append(out.Options, found.Options...)
	out.Warnings = append(out.Warnings, found.Warnings...)
	out.Unsupported = append(out.Unsupported, found.Unsupported...)
	out.Unsupported = append(out.Unsupported, beanstalk.PlatformExtras(bundle)...)
	var release []string
	for _, c := range found.Commands {
		if c.LeaderOnly {
			release = append(release, script(c))
			continue
		}
		if err := b.container(ctx, c, out); err != nil {
			return err
		}
	}
	if len(release) > 0 {
		out.Release = []string{"sh", "-c", strings.Join(release, "\n")}
	}
	return nil
}

func (b Builder) container(ctx context.Context, c beanstalk.Command, out *report.Report) error {
	t := task{what: fmt.Sprintf("The container command %s of %s", c.Name, c.File), cwd: c.Cwd, argv: c.Args}
	if c.Shell != "" {
		t.argv = []string{"sh", "-c", c.Shell}
	}
	for name, value := range c.Env {
		t.env = append(t.env, name+"="+value)
	}
	slices.Sort(t.env)
	if c.Test != "" {
		test := t
		test.what, test.argv = "The test of "+strings.ToLower(t.what[:1])+t.what[1:], []string{"sh", "-c", c.Test}
		if b.execute(ctx, test) != nil && ctx.Err() == nil {
			return nil // a test that fails means: not this time
		}
	}
	err := b.execute(ctx, t)
	if err != nil && c.IgnoreErrors && ctx.Err() == nil {
		out.Warnings = append(out.Warnings, err.Error())
		return nil
	}
	return err
}

// script is a container command as lines of a shell script that ends at the first failure.
func script(c beanstalk.Command) string {
	var lines []string
	if c.Cwd != "" {
		lines = append(lines, "cd "+quote(c.Cwd)+" || exit")
	}
	for name, value := range c.Env {
		lines = append(lines, "export "+name+"="+quote(value))
	}
	slices.Sort(lines)
	command := c.Shell
	if len(c.Args) > 0 {
		quoted := make([]string, len(c.Args))
		for i, arg := range c.Args {
			quoted[i] = quote(arg)
		}
		command = strings.Join(quoted, " ")
	}
	otherwise := "exit $?"
	if c.IgnoreErrors {
		otherwise = "true"
	}
	return "(\n" + strings.Join(append(lines, command), "\n") + "\n) || " + otherwise
}

func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

func decide(_ context.Context, bundle fs.FS, in Instructions, out *report.Report) error {
	processes, warnings, err := in.processes(bundle)
	if err != nil {
		return err
	}
	out.Processes, out.Warnings = processes, append(out.Warnings, warnings...)
	return beanstalk.CheckCron(bundle)
}
