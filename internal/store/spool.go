// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// spoolPrefix begins the names of files that are not complete.
const spoolPrefix = ".incoming-"

// abandoned is the age at which such a file belongs to no request any more.
const abandoned = 24 * time.Hour

// spooled is an object on disk before anybody sees it: its digest and size are known only at the end.
type spooled struct {
	file *os.File
	sum  string
	size int64
}

func spool(dir string, r io.Reader) (*spooled, error) {
	file, err := os.CreateTemp(dir, spoolPrefix)
	if err != nil {
		return nil, fmt.Errorf("making a file for what comes in: %w", err)
	}
	s := &spooled{file: file}
	hash := sha256.New()
	s.size, err = io.Copy(io.MultiWriter(file, hash), io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("receiving: %w", err), s.discard())
	case s.size > MaxBytes:
		return nil, errors.Join(ErrTooLarge, s.discard())
	}
	if err := file.Sync(); err != nil {
		return nil, errors.Join(fmt.Errorf("writing to disk: %w", err), s.discard())
	}
	s.sum = hex.EncodeToString(hash.Sum(nil))
	return s, nil
}

func (s *spooled) discard() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}

// admit refuses bytes that are not what the key promises.
func (s *spooled) admit(k Key) error {
	if k.Kind == Artifact && k.Name != s.sum {
		return ErrDigest
	}
	return nil
}

// sum reads to the end.
func sum(r io.Reader) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, r); err != nil {
		return "", fmt.Errorf("reading: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// tidy removes what earlier processes left half-written.
func tidy(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading %s: %w", dir, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), spoolPrefix) || now.Sub(info.ModTime()) < abandoned {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing what was left: %w", err)
		}
	}
	return nil
}
