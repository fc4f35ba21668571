// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/bundle/archive"
)

// TestLayerIsWhatIsInstalled packs a tree as builds do, and compares what installing it makes with what the layer holds.
func TestLayerIsWhatIsInstalled(t *testing.T) {
	t.Parallel()
	tree := t.TempDir()
	for name, content := range map[string]string{"app.py": "print()", "static/css/a b.css": "*{}", "static/é.txt": "", "bin/run": "#!/bin/sh"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(tree, filepath.Dir(name)), 0o755), os.WriteFile(filepath.Join(tree, name), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(filepath.Join(tree, "bin/run"), 0o711), os.Symlink("../app.py", filepath.Join(tree, "bin/app")),
		os.Symlink("/usr/bin/python3", filepath.Join(tree, "python")), os.Mkdir(filepath.Join(tree, "empty"), 0o700)); err != nil {
		t.Fatal(err)
	}
	var stored bytes.Buffer
	if _, err := archive.Pack(t.Context(), root(t, tree), &stored, archive.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	installed, unpacked := t.TempDir(), t.TempDir()
	if _, err := archive.Extract(t.Context(), root(t, installed), bytes.NewReader(stored.Bytes()), archive.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	l, err := measure(t.Context(), kept(stored.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	unpackLayer(t, l, unpacked)
	want, got := describeTree(t, installed), describeTree(t, filepath.Join(unpacked, "app/current"))
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 10 {
		t.Errorf("the layer differs from what is installed (-installed +layer):\n%s", diff)
	}
}

func root(t *testing.T, dir string) *os.Root {
	t.Helper()
	out, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}

// unpackLayer unpacks a layer as a container runtime does.
func unpackLayer(t *testing.T, l *layer, into string) {
	t.Helper()
	stream, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for files := tar.NewReader(stream); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(into, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.Mkdir(at, h.FileInfo().Mode().Perm())
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, at)
		default:
			var content []byte
			if content, err = io.ReadAll(files); err == nil {
				err = os.WriteFile(at, content, h.FileInfo().Mode().Perm())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// describeTree is one line for each name: its mode, and the digest of its content or where it leads.
func describeTree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, at)
		var content string
		switch entry.Type() {
		case fs.ModeSymlink:
			content, err = os.Readlink(at)
		case 0:
			var raw []byte
			raw, err = os.ReadFile(at)
			content = fmt.Sprintf("%x", sha256.Sum256(raw))
		}
		if name != "." {
			out = append(out, fmt.Sprintf("%s %s %s", name, info.Mode(), content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
