// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Limits bound what an archive may cost.
type Limits struct {
	// Archive and Unpacked are bytes.
	Archive, Unpacked int64
	// Ratio of unpacked to packed bytes, which counts only beyond RatioFrom unpacked bytes: small texts compress well.
	Ratio, RatioFrom int64
	// Entries are files, folders, also those that only appear in paths, and links.
	Entries int
	// Depth is how many names a path may have, Path how many bytes.
	Depth, Path int
}

// DefaultLimits are those of the documentation.
func DefaultLimits() Limits {
	return Limits{
		Archive: 512 << 20, Unpacked: 4 << 30, Ratio: 200, RatioFrom: 64 << 20, Entries: 200_000, Depth: 32, Path: 1024,
	}
}

// maxNames bounds the memory for all names and link targets together.
const maxNames = 32 << 20

// meter counts while an archive is read.
type meter struct {
	ctx    context.Context
	limits Limits
	// packed says how many bytes of the archive belong to what was unpacked so far; its whole size when that is known.
	packed  func() int64
	entries int
	bytes   int64
	names   int
}

// entry counts one name, and looks at the clock.
func (m *meter) entry(name string) error {
	m.entries++
	m.names += len(name)
	switch {
	case m.ctx.Err() != nil:
		return tooSlow()
	case m.entries > m.limits.Entries:
		return refuse("The bundle holds more than %d files and folders. Leave out what the application does not need.", m.limits.Entries)
	case m.names > maxNames:
		return refuse("The names in the bundle are together longer than %d bytes. Use shorter ones.", maxNames)
	}
	return nil
}

// Write counts unpacked bytes, as the other end of a copy.
func (m *meter) Write(p []byte) (int, error) {
	m.bytes += int64(len(p))
	switch {
	case m.ctx.Err() != nil:
		return 0, tooSlow()
	case m.bytes > m.limits.Unpacked:
		return 0, refuse("The bundle is larger than %d bytes when unpacked. Leave out what the application does not need.", m.limits.Unpacked)
	case m.bytes > m.limits.RatioFrom && m.bytes > m.limits.Ratio*m.packed():
		return 0, refuse("The bundle unpacks to more than %d times its size, which looks like an attack. Leave out large files of zeros.", m.limits.Ratio)
	}
	return len(p), nil
}

func tooSlow() error {
	return report.FailForNow(report.ArchiveRefused, "Unpacking the bundle took too long and was ended. Try again, or make it smaller.")
}

func refuse(format string, args ...any) error {
	return report.Fail(report.ArchiveRefused, format, args...)
}
