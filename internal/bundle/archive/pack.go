// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Epoch is the time of every packed file: the first that ZIP tools can write, a day later so that no time zone comes before it.
var Epoch = time.Date(1980, 1, 2, 0, 0, 0, 0, time.UTC)

// Pack writes what lies below root as a tar.gz. The same tree always gives the same bytes: names are sorted, and times, owners
// and all modes but the right to execute are left out.
func Pack(ctx context.Context, root *os.Root, out io.Writer, limits Limits) (Summary, error) {
	compressed, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return Summary{}, err
	}
	p := &packer{root: root, out: tar.NewWriter(compressed), meter: &meter{ctx: ctx, limits: limits, packed: func() int64 { return 1 << 40 }}}
	if err := fs.WalkDir(root.FS(), ".", p.add); err != nil {
		return Summary{}, err
	}
	p.summary.Entries, p.summary.Bytes = p.meter.entries, p.meter.bytes
	return p.summary, errors.Join(p.out.Close(), compressed.Close())
}

type packer struct {
	root    *os.Root
	out     *tar.Writer
	meter   *meter
	summary Summary
}

func (p *packer) add(name string, entry fs.DirEntry, err error) error {
	if err != nil {
		return fmt.Errorf("reading what was built: %w", err)
	}
	if name == "." {
		return nil
	}
	if err := p.meter.entry(name); err != nil {
		return builtTooLarge(err)
	}
	header := &tar.Header{Name: name, ModTime: Epoch, Format: tar.FormatPAX}
	switch entry.Type() {
	case fs.ModeDir:
		header.Typeflag, header.Name, header.Mode = tar.TypeDir, name+"/", 0o755
		return p.out.WriteHeader(header)
	case fs.ModeSymlink:
		header.Typeflag, header.Mode = tar.TypeSymlink, 0o777
		if header.Linkname, err = p.root.Readlink(name); err != nil {
			return fmt.Errorf("reading a link: %w", err)
		}
		return p.out.WriteHeader(header)
	case 0:
		return p.file(name, header)
	}
	p.summary.Warnings = append(p.summary.Warnings, fmt.Sprintf("%s is neither a file nor a folder nor a link; it was left out.", quote(name)))
	return nil
}

func (p *packer) file(name string, header *tar.Header) error {
	// A name that became a pipe meanwhile must not hold up the opening.
	in, err := p.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("reading what was built: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header.Typeflag, header.Size, header.Mode = tar.TypeReg, info.Size(), 0o644
	if info.Mode()&0o111 != 0 {
		header.Mode = 0o755
	}
	if err := p.out.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(struct{ io.Writer }{io.MultiWriter(p.meter, p.out)}, struct{ io.Reader }{in})
	return builtTooLarge(err)
}

// builtTooLarge words a limit for what was built rather than for what was uploaded.
func builtTooLarge(err error) error {
	var f *report.Failure
	if !errors.As(err, &f) {
		return err
	}
	return &report.Failure{Reason: report.ArtifactTooLarge, Retry: f.Retry, Text: strings.Replace(f.Text, "The bundle", "What was built", 1)}
}
