// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Source is an archive on disk that nobody else can change.
type Source struct {
	File io.ReaderAt
	Size int64
}

// Summary says what was unpacked.
type Summary struct {
	// Entries are files, folders and links; Bytes the content of all files.
	Entries  int
	Bytes    int64
	Warnings []string
}

// incoming holds a tree until it is complete.
const incoming = ".incoming"

// Unpack turns an archive into the folder name below root. The folder appears when everything is in place, or not at all.
func Unpack(ctx context.Context, root *os.Root, name string, source Source, limits Limits) (Summary, error) {
	if source.Size > limits.Archive {
		return Summary{}, refuse("The bundle is %d bytes large; the limit is %d.", source.Size, limits.Archive)
	}
	if err := errors.Join(root.RemoveAll(incoming), root.RemoveAll(name), root.Mkdir(incoming, 0o755)); err != nil {
		return Summary{}, fmt.Errorf("clearing the folder for the bundle: %w", err)
	}
	defer root.RemoveAll(incoming) //nolint:errcheck // what is left there is used by nobody
	inner, err := root.OpenRoot(incoming)
	if err != nil {
		return Summary{}, err
	}
	defer inner.Close()
	m := &meter{ctx: ctx, limits: limits, packed: func() int64 { return source.Size }}
	t := newTree(inner, m, false)
	summary, err := t.fill(source)
	if err != nil {
		return Summary{}, err
	}
	summary.Entries, summary.Bytes = m.entries, m.bytes
	return summary, t.place(root, name, &summary)
}

// fill reads the archive, whatever its kind.
func (t *tree) fill(source Source) (Summary, error) {
	head := make([]byte, 512)
	n, err := source.File.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Summary{}, fmt.Errorf("reading the bundle: %w", err)
	}
	head = head[:n]
	whole := io.NewSectionReader(source.File, 0, source.Size)
	switch {
	case bytes.HasPrefix(head, []byte("PK")):
		return t.fillZip(source)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return Summary{}, t.fillGzip(whole)
	case len(head) == 512 && bytes.HasPrefix(head[257:], []byte("ustar")):
		return Summary{}, t.fillTar(whole)
	}
	return Summary{}, refuse("The bundle is no ZIP, WAR, JAR or tar.gz archive. Pack the application as one of these.")
}

// place moves the finished tree to its name, without a single folder that wraps everything, and makes the links.
func (t *tree) place(root *os.Root, name string, summary *Summary) error {
	if len(t.names.kinds) == 0 {
		return refuse("The bundle is empty. Pack the application's files.")
	}
	from, prefix := incoming, ""
	if top := t.wrapper(); top != "" {
		from, prefix = incoming+"/"+top, top+"/"
		summary.Warnings = append(summary.Warnings, fmt.Sprintf("The bundle holds everything in one folder, %s, which was taken off. Pack it from inside that folder.", quote(top)))
	}
	inner, err := root.OpenRoot(from)
	if err != nil {
		return fmt.Errorf("opening the unpacked bundle: %w", err)
	}
	defer inner.Close()
	if err := t.finish(inner, prefix); err != nil {
		return err
	}
	if err := root.Rename(from, name); err != nil {
		return fmt.Errorf("moving the unpacked bundle: %w", err)
	}
	return nil
}

// meaningful are folders that a bundle may well consist of.
var meaningful = map[string]bool{"WEB-INF": true, "META-INF": true, "bin": true, "public": true}

// wrapper is the one folder that holds everything; empty when there is none.
func (t *tree) wrapper() string {
	top := ""
	for name, what := range t.names.kinds {
		first, _, deeper := strings.Cut(name, "/")
		if !deeper && (what == file || what == symlink) || top != "" && top != first {
			return ""
		}
		top = first
	}
	if meaningful[top] || strings.HasPrefix(top, ".") {
		return ""
	}
	return top
}

// Extract unpacks an artifact, a tar.gz that Pack made, from a stream into a folder. The caller checks the digest, and empties
// the folder after an error.
func Extract(ctx context.Context, into *os.Root, stream io.Reader, limits Limits) (Summary, error) {
	counted := &counter{in: stream}
	m := &meter{ctx: ctx, limits: limits, packed: func() int64 { return counted.bytes }}
	t := newTree(into, m, true)
	if err := t.fillGzip(counted); err != nil {
		return Summary{}, err
	}
	return Summary{Entries: m.entries, Bytes: m.bytes}, t.finish(into, "")
}

// counter counts the packed bytes of a stream.
type counter struct {
	in    io.Reader
	bytes int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.bytes += int64(n)
	return n, err
}

// Clear removes everything below a folder, but not the folder, which may be a volume.
func Clear(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, entry := range entries {
		err = errors.Join(err, root.RemoveAll(entry.Name()))
	}
	return err
}
