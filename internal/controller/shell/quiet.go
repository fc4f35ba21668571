// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package shell

import "github.com/go-logr/logr"

// bodies is the verbosity from which on the Kubernetes client writes what it sends and receives into the log, Secrets included.
const bodies = 8

// Quiet returns a logger that never tells the bodies of requests, however verbose it was asked to be.
func Quiet(log logr.Logger) logr.Logger { return log.WithSink(quiet{log.GetSink()}) }

type quiet struct{ logr.LogSink }

// Enabled implements logr.LogSink.
func (q quiet) Enabled(level int) bool { return level < bodies && q.LogSink.Enabled(level) }

// WithValues implements logr.LogSink.
func (q quiet) WithValues(list ...any) logr.LogSink { return quiet{q.LogSink.WithValues(list...)} }

// WithName implements logr.LogSink.
func (q quiet) WithName(name string) logr.LogSink { return quiet{q.LogSink.WithName(name)} }
