// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// writeArchive writes all images into one OCI archive, which `ctr images import` reads, and returns their digests.
// OCI rather than docker format: an import keeps the manifest, and with it the digest that was printed here.
func writeArchive(out string, specs []spec) ([]string, error) {
	dir, err := os.MkdirTemp("", "beanpod-layout-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()

	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return nil, fmt.Errorf("writing the layout: %w", err)
	}
	digests := make([]string, 0, len(specs))
	for _, s := range specs {
		tag, err := name.NewTag(s.reference, name.StrictValidation)
		if err != nil {
			return nil, err
		}
		img, err := makeImage(s)
		if err != nil {
			return nil, fmt.Errorf("making %s: %w", s.reference, err)
		}
		digest, err := img.Digest()
		if err != nil {
			return nil, err
		}
		// The first annotation is containerd's, for the whole name; the second is what the OCI layout defines, a tag.
		if err := l.AppendImage(img, layout.WithAnnotations(map[string]string{
			"io.containerd.image.name":          tag.Name(),
			"org.opencontainers.image.ref.name": tag.TagStr(),
		})); err != nil {
			return nil, fmt.Errorf("writing %s: %w", s.reference, err)
		}
		digests = append(digests, digest.String())
	}
	return digests, pack(dir, out)
}

// pack puts a directory into a tar file that is the same whenever the directory is. The file appears only when whole.
func pack(dir, out string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(out), ".images-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	w := tar.NewWriter(f)
	root := os.DirFS(dir)
	err = fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: p, Mode: 0o644, Size: int64(len(data)), ModTime: epoch}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("packing: %w", err)
	}
	for _, c := range []io.Closer{w, f} {
		if err := c.Close(); err != nil {
			return err
		}
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(f.Name(), out)
}
