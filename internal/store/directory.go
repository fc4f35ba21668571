// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Directory keeps objects as files below a folder, which may be a volume that several processes share.
type Directory struct{ root string }

// NewDirectory makes the folder if it is missing and removes what was left half-written a day ago.
func NewDirectory(root string) (*Directory, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("making the store's folder: %w", err)
	}
	return &Directory{root: root}, tidy(root, time.Now())
}

func (d *Directory) path(k Key) (string, error) {
	if !k.Valid() {
		return "", ErrKey
	}
	return filepath.Join(d.root, filepath.FromSlash(k.Path())), nil
}

// Put implements Store. The object appears by a hard link, which fails where a name is taken.
func (d *Directory) Put(_ context.Context, k Key, r io.Reader) (_ Object, _ string, err error) {
	path, err := d.path(k)
	if err != nil {
		return Object{}, "", err
	}
	s, err := spool(d.root, r)
	if err != nil {
		return Object{}, "", err
	}
	defer func() { err = errors.Join(err, s.discard()) }()
	if err := s.admit(k); err != nil {
		return Object{}, "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Object{}, "", fmt.Errorf("making a folder: %w", err)
	}
	err = os.Link(s.file.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return d.again(k, path, s)
	}
	if err != nil {
		return Object{}, "", fmt.Errorf("storing: %w", err)
	}
	return Object{Key: k, Size: s.size, Modified: time.Now()}, s.sum, syncFolder(filepath.Dir(path))
}

// again answers who stores what is there already. The object counts as new, so that nobody deletes it for its age. An artifact
// that was damaged on disk is replaced: only the right bytes have its name.
func (d *Directory) again(k Key, path string, s *spooled) (Object, string, error) {
	file, err := os.Open(path) //nolint:gosec // a valid key has no way out of the folder
	if err != nil {
		return Object{}, "", fmt.Errorf("opening what is stored: %w", err)
	}
	defer func() { _ = file.Close() }()
	have, err := sum(file)
	if err != nil {
		return Object{}, "", err
	}
	if have != s.sum && k.Kind == Artifact {
		return d.replace(k, path, s)
	}
	if have != s.sum {
		return Object{}, "", ErrExists
	}
	now := time.Now()
	if err := os.Chtimes(path, now, now); err != nil {
		return Object{}, "", fmt.Errorf("renewing what is stored: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return Object{}, "", fmt.Errorf("looking at what is stored: %w", err)
	}
	return Object{Key: k, Size: info.Size(), Modified: now}, s.sum, nil
}

func (d *Directory) replace(k Key, path string, s *spooled) (Object, string, error) {
	fresh := s.file.Name() + "-whole"
	if err := errors.Join(os.Link(s.file.Name(), fresh), os.Rename(fresh, path)); err != nil {
		return Object{}, "", fmt.Errorf("replacing a damaged artifact: %w", err)
	}
	return Object{Key: k, Size: s.size, Modified: time.Now()}, s.sum, syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	dir, err := os.Open(path) //nolint:gosec // as above
	if err != nil {
		return fmt.Errorf("opening a folder: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Open implements Store.
func (d *Directory) Open(_ context.Context, k Key) (io.ReadCloser, Object, error) {
	path, err := d.path(k)
	if err != nil {
		return nil, Object{}, err
	}
	file, err := os.Open(path) //nolint:gosec // a valid key has no way out of the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Object{}, ErrNotFound
	}
	if err != nil {
		return nil, Object{}, fmt.Errorf("opening what is stored: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, Object{}, errors.Join(fmt.Errorf("looking at what is stored: %w", err), file.Close())
	}
	return file, Object{Key: k, Size: info.Size(), Modified: info.ModTime()}, nil
}

// Stat implements Store.
func (d *Directory) Stat(_ context.Context, k Key) (Object, error) {
	path, err := d.path(k)
	if err != nil {
		return Object{}, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Object{}, ErrNotFound
	}
	if err != nil {
		return Object{}, fmt.Errorf("looking at what is stored: %w", err)
	}
	return Object{Key: k, Size: info.Size(), Modified: info.ModTime()}, nil
}

// Delete implements Store.
func (d *Directory) Delete(_ context.Context, k Key) error {
	if err := k.deletable(); err != nil {
		return err
	}
	path, err := d.path(k)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting what is stored: %w", err)
	}
	return nil
}

// List implements Store.
func (d *Directory) List(ctx context.Context, namespace string, each func(Object) error) error {
	if namespace != "" && !dnsLabel.MatchString(namespace) {
		return ErrKey
	}
	return filepath.WalkDir(filepath.Join(d.root, namespace), func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("listing the store: %w", err)
		case e.IsDir():
			return ctx.Err()
		}
		rel, err := filepath.Rel(d.root, path)
		if err != nil {
			return fmt.Errorf("listing the store: %w", err)
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		if len(parts) != 3 {
			return nil
		}
		k := Key{Namespace: parts[0], Kind: Kind(parts[1]), Name: parts[2]}
		info, err := e.Info()
		if err != nil || !k.Valid() {
			return nil // deleted meanwhile, or not ours
		}
		return each(Object{Key: k, Size: info.Size(), Modified: info.ModTime()})
	})
}
