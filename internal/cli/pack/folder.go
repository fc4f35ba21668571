// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fillFolder packs every file below dir that is not ignored, hidden ones too. Only .git stays out always.
func fillFolder(ctx context.Context, dir string, ignored bool, b *Bundle, a *archive) error {
	b.Origin = "all files"
	var rules ignore
	if ignored {
		text, err := os.ReadFile(filepath.Join(dir, IgnoreFile))
		if err != nil {
			return fmt.Errorf("reading %s: %w", IgnoreFile, err)
		}
		rules = parseIgnore(string(text))
		b.Origin = "all files but those of " + IgnoreFile
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err = firstOf(err, ctx.Err()); err != nil || path == dir {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		switch {
		case entry.Name() == ".git" || rules.match(name, entry.IsDir()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		default:
			return addFile(a, path, name, entry)
		}
	})
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func addFile(a *archive, path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return a.add(name, info.Mode(), strings.NewReader(filepath.ToSlash(target)))
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a link; name it in %s", name, IgnoreFile)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	return a.add(name, info.Mode(), file)
}
