// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// The time of every file: the first that a ZIP can say. When a file was checked out is no part of an application.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// archive is a ZIP in which only names, contents, links and the right to execute count.
type archive struct {
	zip   *zip.Writer
	files int
}

func newArchive(to io.Writer) *archive { return &archive{zip: zip.NewWriter(to)} }

func (a *archive) add(name string, mode fs.FileMode, content io.Reader) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch}
	switch {
	case mode&fs.ModeSymlink != 0:
		header.Method = zip.Store
		header.SetMode(fs.ModeSymlink | 0o777)
	case mode&0o100 != 0:
		header.SetMode(0o755)
	default:
		header.SetMode(0o644)
	}
	to, err := a.zip.CreateHeader(header)
	if err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	if _, err := io.Copy(to, content); err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	a.files++
	return nil
}

// counter refuses an archive as soon as it is too large.
type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	if c.n += int64(len(p)); c.n > Limit {
		return 0, tooLarge("the archive grows beyond the limit")
	}
	return c.to.Write(p)
}
