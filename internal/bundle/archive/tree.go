// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// tree is what an archive becomes. Links are made last, so nothing is ever written through one.
type tree struct {
	root  *os.Root
	meter *meter
	names *names
	links []link
	// anyTarget is for artifacts: a build may link to files of the image, as Python's virtual environments do.
	anyTarget bool
	buffer    []byte
}

type link struct{ name, target string }

func newTree(root *os.Root, m *meter, artifact bool) *tree {
	return &tree{root: root, meter: m, names: newNames(artifact), anyTarget: artifact, buffer: make([]byte, 64<<10)}
}

// claim makes the folders that a name needs.
func (t *tree) claim(name string, as kind) error {
	fresh, err := t.names.claim(name, as)
	if err != nil {
		return err
	}
	for _, part := range fresh {
		if err := t.meter.entry(part); err != nil {
			return err
		}
		if part == name && as != folder {
			continue
		}
		if err := t.root.Mkdir(part, 0o755); err != nil {
			return fmt.Errorf("making a folder of the bundle: %w", err)
		}
	}
	return nil
}

// write makes one file. Only the right to execute is kept of its mode.
func (t *tree) write(name string, mode fs.FileMode, content io.Reader) error {
	if err := t.claim(name, file); err != nil {
		return err
	}
	permissions := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		permissions = 0o755
	}
	out, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, permissions)
	if err != nil {
		return fmt.Errorf("making a file of the bundle: %w", err)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(t.meter, out)}, struct{ io.Reader }{content}, t.buffer)
	return errors.Join(err, out.Close())
}

// link remembers a symbolic link.
func (t *tree) link(name, target string) error {
	if err := t.claim(name, symlink); err != nil {
		return err
	}
	t.meter.names += len(target)
	if target == "" || len(target) > t.meter.limits.Path || strings.ContainsRune(target, 0) {
		return refuse("The bundle holds the link %s with a target of %d bytes; it must be from 1 to %d.", quote(name), len(target), t.meter.limits.Path)
	}
	t.links = append(t.links, link{name, target})
	return nil
}

// finish makes the links below root, whose names begin with prefix, and proves that each stays inside.
func (t *tree) finish(root *os.Root, prefix string) error {
	for i, l := range t.links {
		l.name = strings.TrimPrefix(l.name, prefix)
		t.links[i] = l
		if err := t.inside(l); err != nil {
			return err
		}
		if err := root.Symlink(l.target, l.name); err != nil {
			return fmt.Errorf("making a link of the bundle: %w", err)
		}
	}
	if t.anyTarget {
		return nil
	}
	for _, l := range t.links {
		// The words of a path say nothing about where links inside it lead; only the file system knows.
		if _, err := root.Stat(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return refuse("The bundle holds the link %s to %s, which leads out of its folder or nowhere.", quote(l.name), quote(l.target))
		}
	}
	return nil
}

// inside checks the words of a link's target.
func (t *tree) inside(l link) error {
	if t.anyTarget {
		return nil
	}
	outside := path.IsAbs(l.target) || strings.Contains(l.target, "\\")
	if joined := path.Join(path.Dir(l.name), l.target); outside || slices.Contains(strings.Split(joined, "/"), "..") {
		return refuse("The bundle holds the link %s to %s, which leads out of its folder. Links must be relative and stay inside.", quote(l.name), quote(l.target))
	}
	return nil
}
