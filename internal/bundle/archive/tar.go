// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

func (t *tree) fillGzip(in io.Reader) error {
	buffered := bufio.NewReaderSize(in, 64<<10)
	inflated, err := gzip.NewReader(buffered)
	if err != nil {
		return broken(err)
	}
	// A second member, or anything else behind the first, is read by some tools and not by others.
	inflated.Multistream(false)
	if err := t.fillTar(inflated); err != nil {
		return err
	}
	if _, err := buffered.ReadByte(); !errors.Is(err, io.EOF) {
		return orRead(err, refuse("The bundle has bytes behind its end. Pack it again in one go."))
	}
	return nil
}

func (t *tree) fillTar(in io.Reader) error {
	// What is inflated counts even where it belongs to no file: headers and padding can be bombs, too.
	counted := &inflated{in: in, limit: t.meter.limits.Unpacked + int64(t.meter.limits.Entries)*4096}
	reader := tar.NewReader(counted)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return counted.onlyZeros()
		}
		if err != nil {
			return broken(err)
		}
		if err := t.tarEntry(header, reader); err != nil {
			return broken(err)
		}
	}
}

func (t *tree) tarEntry(header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return t.meter.entry("")
	}
	name, err := t.meter.limits.clean(header.Name)
	if err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		if name == "" {
			return nil
		}
		return t.claim(name, folder)
	case tar.TypeReg:
		if name == "" || strings.HasSuffix(header.Name, "/") {
			return refuse("The bundle holds %s, a file with the name of a folder.", quote(header.Name))
		}
		return t.write(name, fs.FileMode(header.Mode&0o777), content)
	case tar.TypeSymlink:
		if name == "" {
			return refuse("The bundle holds %s, a link with the name of a folder.", quote(header.Name))
		}
		return t.link(name, header.Linkname)
	}
	return refuse("The bundle holds %s, which is %s. Only files, folders and symbolic links are unpacked.", quote(header.Name), tarKind(header.Typeflag))
}

func tarKind(flag byte) string {
	switch flag {
	case tar.TypeLink:
		return "a hard link"
	case tar.TypeChar, tar.TypeBlock:
		return "a device"
	case tar.TypeFifo:
		return "a named pipe"
	case tar.TypeGNUSparse:
		return "a sparse file"
	}
	return "an entry of unknown type " + quote(string(rune(flag)))
}

// inflated bounds what comes out of a compressed stream.
type inflated struct {
	in          io.Reader
	limit, read int64
}

func (i *inflated) Read(p []byte) (int, error) {
	n, err := i.in.Read(p)
	i.read += int64(n)
	if i.read > i.limit {
		return 0, refuse("The bundle is larger than %d bytes when unpacked. Leave out what the application does not need.", i.limit)
	}
	return n, err
}

// onlyZeros reads the padding behind the end of a tar file, at most one mebibyte.
func (i *inflated) onlyZeros() error {
	const most = 1 << 20
	i.limit = i.read + most
	block := make([]byte, 32<<10)
	for {
		n, err := i.Read(block)
		for _, b := range block[:n] {
			if b != 0 {
				return refuse("The bundle has a second archive behind its end. Pack it again in one go.")
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return broken(err)
		}
	}
}

// unreadable is an error of what delivers the archive, as opposed to one of its content.
type unreadable struct{ error }

// Unreadable marks an error of a reader: the archive may be good, but did not arrive.
func Unreadable(err error) error { return unreadable{err} }

func (u unreadable) Unwrap() error { return u.error }

// broken turns what the readers of the standard library say into a refusal.
func broken(err error) error {
	var failure *report.Failure
	var wire unreadable
	var onDisk *fs.PathError
	if err == nil || errors.As(err, &failure) || errors.As(err, &wire) || errors.As(err, &onDisk) {
		return err
	}
	return refuse("The bundle is damaged or incomplete: %v. Pack and upload it again.", err)
}

// orRead prefers an error of reading over what was concluded.
func orRead(err, concluded error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		return broken(err)
	}
	return concluded
}
