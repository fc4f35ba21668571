// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Where an instance has its application, and who owns it: what installing an artifact makes.
const (
	home      = "app/"
	directory = home + "current/"
	owner     = 1000
)

// The bounds of an artifact. They are those of installing it.
const (
	maxArtifact = 512 << 20
	maxEntries  = 200_000
	maxUnpacked = 4<<30 + maxEntries*4096
)

// whiteout is the beginning of names by which a layer removes files of those below; opaque removes all of a folder.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// epoch is the time of every file, so that the same artifact gives the same layer: the one that packing gives them.
var epoch = time.Date(1980, 1, 2, 0, 0, 0, 0, time.UTC)

// relocate writes the artifact as the tar of a layer. What the archive says counts only if its bytes are the right ones.
func (a Artifact) relocate(ctx context.Context, out io.Writer) error {
	in, err := a.Open(ctx)
	if err != nil {
		return fmt.Errorf("opening artifact sha256:%s: %w", a.SHA256, err)
	}
	defer in.Close()
	digest := sha256.New()
	stored := &source{in: io.LimitReader(in, maxArtifact+1)}
	stream := io.TeeReader(stored, digest)
	problem := move(stream, out)
	if errors.Is(problem, io.ErrClosedPipe) {
		return problem // nobody wants the rest
	}
	if _, err := io.Copy(io.Discard, stream); err != nil || stored.failed != nil {
		return passing("the artifact store breaks off while artifact sha256:%s is read", a.SHA256)
	}
	if hex.EncodeToString(digest.Sum(nil)) != a.SHA256 {
		return definite("Create another version, which is built again.", "the artifact store gives other bytes than sha256:%s", a.SHA256)
	}
	return problem
}

// source remembers whether reading failed, whatever the unpacking made of that.
type source struct {
	in     io.Reader
	failed error
}

// Read reads.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = err
	}
	return n, err
}

func move(in io.Reader, out io.Writer) error {
	inflated, err := gzip.NewReader(bufio.NewReaderSize(in, 64<<10))
	if err != nil {
		return unfit("is not a tar.gz (%s)", err)
	}
	inflated.Multistream(false)
	limited := &io.LimitedReader{R: inflated, N: maxUnpacked}
	reader, writer := tar.NewReader(limited), tar.NewWriter(out)
	for _, name := range []string{home, home + opaque, directory} {
		if err := writer.WriteHeader(headerOf(name)); err != nil {
			return err
		}
	}
	for entries := 0; ; entries++ {
		header, err := reader.Next()
		switch {
		case limited.N <= 0 || entries > maxEntries:
			return unfit("is larger than an image's layer may be: %d bytes or %d entries", int64(maxUnpacked), maxEntries)
		case errors.Is(err, io.EOF):
			return writer.Close()
		case err != nil:
			return unfit("cannot be read (%s)", err)
		}
		if err := copyEntry(header, reader, writer); err != nil {
			return err
		}
	}
}

func copyEntry(header *tar.Header, content io.Reader, out *tar.Writer) error {
	name := path.Clean(header.Name)
	if name == "." && header.Typeflag == tar.TypeDir {
		return nil
	}
	if !filepath.IsLocal(name) || strings.HasPrefix(path.Base(name), whiteout) {
		return unfit("holds the name %q, which a layer of an image cannot have", clean(header.Name))
	}
	to := headerOf(directory + name)
	switch header.Typeflag {
	case tar.TypeDir:
		to = headerOf(directory + name + "/")
	case tar.TypeSymlink:
		to.Typeflag, to.Linkname, to.Mode = tar.TypeSymlink, header.Linkname, 0o777
	case tar.TypeReg:
		to.Size = header.Size
		if header.Mode&0o111 != 0 {
			to.Mode = 0o755
		}
	default:
		return unfit("holds %q, which is neither a file nor a folder nor a symbolic link", clean(header.Name))
	}
	if err := out.WriteHeader(to); err != nil {
		return err
	}
	// A plain reader, so that tar does not seek holes into the file.
	_, err := io.Copy(out, struct{ io.Reader }{content})
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return unfit("ends inside %q", clean(header.Name))
	}
	return err
}

// headerOf is a folder, if the name ends with a slash, or an empty file.
func headerOf(name string) *tar.Header {
	out := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Uid: owner, Gid: owner, ModTime: epoch, Format: tar.FormatPAX}
	if strings.HasSuffix(name, "/") {
		out.Typeflag, out.Mode = tar.TypeDir, 0o755
	}
	return out
}

func unfit(format string, args ...any) error {
	return definite("Create another version whose bundle is packed without that.", "the artifact "+format, args...)
}
