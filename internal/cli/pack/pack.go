// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Limit is how large a bundle may be: what the store takes.
const Limit = 512 << 20

// IgnoreFile switches git off where it exists, and then names what stays out.
const IgnoreFile = ".ebignore"

// Bundle is an archive on disk.
type Bundle struct {
	Path   string
	SHA256 string
	Size   int64
	Files  int
	// Origin says in a few words what was packed.
	Origin string
	// Commit and Subject are those of HEAD, where git was asked.
	Commit, Subject string
	// Warnings tell what is not in the bundle although it may be expected there.
	Warnings []string

	temporary bool
}

// Remove deletes the archive, if Folder made it.
func (b *Bundle) Remove() error {
	if !b.temporary {
		return nil
	}
	return os.Remove(b.Path)
}

// Folder packs a folder: what git tracks in it at HEAD, or with staged in the index; all files where there is no git or an IgnoreFile.
func Folder(ctx context.Context, dir string, staged bool) (*Bundle, error) {
	fill, err := source(ctx, dir, staged)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "beanpod-*.zip")
	if err != nil {
		return nil, fmt.Errorf("making the archive: %w", err)
	}
	b := &Bundle{Path: file.Name(), temporary: true}
	hash := sha256.New()
	out := &counter{to: io.MultiWriter(file, hash)}
	archive := newArchive(out)
	err = errors.Join(fill(ctx, b, archive), archive.zip.Close(), file.Close())
	if err == nil && archive.files == 0 {
		err = fmt.Errorf("there is nothing to pack in %s: it has no files, or all are ignored", dir)
	}
	if err != nil {
		return nil, errors.Join(err, b.Remove())
	}
	b.SHA256, b.Size, b.Files = hex.EncodeToString(hash.Sum(nil)), out.n, archive.files
	return b, nil
}

// File describes an archive that somebody else made.
func File(path string) (*Bundle, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("looking at the archive: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file; --archive wants a ZIP, WAR, JAR or tar.gz", path)
	}
	hash := sha256.New()
	n, err := io.Copy(hash, file)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	if n > Limit {
		return nil, tooLarge(fmt.Sprintf("%s has %d MB", path, n>>20))
	}
	return &Bundle{Path: path, SHA256: hex.EncodeToString(hash.Sum(nil)), Size: n, Origin: filepath.Base(path)}, nil
}

// filler writes everything that belongs into a bundle.
type filler func(context.Context, *Bundle, *archive) error

// source decides who says what belongs into the bundle.
func source(ctx context.Context, dir string, staged bool) (filler, error) {
	_, err := os.Stat(filepath.Join(dir, IgnoreFile))
	ignored := err == nil
	repository := inRepository(dir)
	switch {
	case staged && ignored:
		return nil, fmt.Errorf("--staged is about git, and %s switches git off; remove one of them", IgnoreFile)
	case staged && !repository:
		return nil, fmt.Errorf("--staged is about git, and %s is in no git repository", dir)
	case ignored || !repository:
		return func(ctx context.Context, b *Bundle, a *archive) error { return fillFolder(ctx, dir, ignored, b, a) }, nil
	}
	tree, err := findTree(ctx, dir, staged)
	if err != nil {
		return nil, err
	}
	return tree.fill, nil
}

func inRepository(dir string) bool {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}

// Count is how many files, in words.
func Count(n int) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}

func tooLarge(what string) error {
	return fmt.Errorf("%s, and the store takes at most %d MB; leave out what the application does not need, by %s or .gitattributes (export-ignore)",
		what, Limit>>20, IgnoreFile)
}
