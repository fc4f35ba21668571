// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/beanpod-dev/beanpod/internal/bundle/probe"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// probeCommand says whether a database can be reached.
type probeCommand struct {
	binding string
	times   probe.Times
}

func (c *probeCommand) bind(set *flag.FlagSet) {
	set.StringVar(&c.binding, "binding", "", "Folder with the keys of the Secret that applications connect with.")
	set.DurationVar(&c.times.Connect, "connect-timeout", probe.Patient.Connect, "How long a connection may take.")
	set.DurationVar(&c.times.Login, "login-timeout", probe.Patient.Login, "How long a login may take after it.")
	set.DurationVar(&c.times.Pause, "pause", probe.Patient.Pause, "Pause before the second try of what may pass by itself.")
}

func (c *probeCommand) run(ctx context.Context, out io.Writer) (report.Report, error) {
	if c.binding == "" {
		return report.Report{}, report.Fail(report.Internal, "The flag --binding is needed.")
	}
	target, err := probe.Read(c.binding)
	if err != nil {
		return report.Report{}, err
	}
	found, err := target.Check(ctx, c.times)
	if err != nil {
		return report.Report{}, err
	}
	fmt.Fprintln(out, found.Text)
	return report.Report{Probe: found}, nil
}
