// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pack_test

import (
	"archive/zip"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/cli/pack"
)

// contents are names with what they hold; "+" in front means executable, "->" a link.
type contents map[string]string

func read(t *testing.T, path string) contents {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatalf("opening the bundle: %v", err)
	}
	defer archive.Close()
	out := contents{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		switch mode := f.Mode(); {
		case mode&fs.ModeSymlink != 0:
			out[f.Name] = "->" + string(text)
		case mode&0o100 != 0:
			out[f.Name] = "+" + string(text)
		default:
			out[f.Name] = string(text)
		}
	}
	return out
}

func write(t *testing.T, dir string, files contents) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o600)
		if link, ok := strings.CutPrefix(text, "->"); ok {
			if err := os.Symlink(link, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if after, ok := strings.CutPrefix(text, "+"); ok {
			text, mode = after, 0o700
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	command := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func repository(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not there: nothing to pack from")
	}
	dir := t.TempDir()
	git(t, dir, "init", "-q")
	write(t, dir, contents{
		"app.py": "one", "run.sh": "+#!/bin/sh", "link": "->app.py", ".ebextensions/a.config": "x", ".gitignore": "*.log", "debug.log": "noise",
		"tests/t.py": "t", ".gitattributes": "tests export-ignore\n", "sub/deep/f": "f",
	})
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "-m", "Sell shoes")
	return dir
}

func folder(t *testing.T, dir string, staged bool) *pack.Bundle {
	t.Helper()
	b, err := pack.Folder(context.Background(), dir, staged)
	if err != nil {
		t.Fatalf("packing: %v", err)
	}
	t.Cleanup(func() { _ = b.Remove() })
	return b
}

func TestGit(t *testing.T) {
	t.Parallel()
	dir := repository(t)
	clean := folder(t, dir, false)
	head := contents{
		"app.py": "one", "run.sh": "+#!/bin/sh", "link": "->app.py", ".ebextensions/a.config": "x", ".gitignore": "*.log",
		".gitattributes": "tests export-ignore\n", "sub/deep/f": "f",
	}
	if diff := cmp.Diff(head, read(t, clean.Path)); diff != "" {
		t.Errorf("HEAD (-want +got):\n%s", diff)
	}
	if len(clean.Warnings) != 0 || clean.Subject != "Sell shoes" || len(clean.Commit) != 40 || clean.Files != 7 {
		t.Errorf("about HEAD: %+v", clean)
	}

	write(t, dir, contents{"app.py": "two", "new.py": "n"})
	git(t, dir, "add", "app.py")
	changed := folder(t, dir, false)
	if changed.SHA256 != clean.SHA256 {
		t.Error("changes that are not committed are in the bundle of HEAD")
	}
	if diff := cmp.Diff([]string{"changes of 2 files are not committed and not in the bundle; commit them, or use --staged to deploy the index"}, changed.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}

	staged := folder(t, dir, true)
	head["app.py"] = "two"
	if diff := cmp.Diff(head, read(t, staged.Path)); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"changes of 1 file are not in the index and not in the bundle; add them by git add"}, staged.Warnings); diff != "" {
		t.Errorf("warnings of the index (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff(contents{"deep/f": "f"}, read(t, folder(t, filepath.Join(dir, "sub"), false).Path)); diff != "" {
		t.Errorf("a folder of the repository (-want +got):\n%s", diff)
	}
}

// TestSameBytes packs copies whose files were written at other times, with other rights.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	files := contents{"a/b": "1", "c": "+2", "l": "->a/b", ".d/e": "3"}
	var digests []string
	for _, age := range []time.Duration{0, 40 * 24 * time.Hour} {
		dir := t.TempDir()
		write(t, dir, files)
		when := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(dir, "c"), when, when); err != nil {
			t.Fatal(err)
		}
		digests = append(digests, folder(t, dir, false).SHA256)
	}
	if digests[0] != digests[1] {
		t.Errorf("the same tree gave %s and %s", digests[0], digests[1])
	}
}

func TestEbignore(t *testing.T) {
	t.Parallel()
	dir := repository(t)
	write(t, dir, contents{".ebignore": "*.log\n!keep.log\n/sub/\n", "keep.log": "k", "new.py": "n", ".platform/hooks/x": "+h"})
	b := folder(t, dir, false)
	want := contents{
		"app.py": "one", "run.sh": "+#!/bin/sh", "link": "->app.py", ".ebextensions/a.config": "x", ".gitignore": "*.log", "tests/t.py": "t",
		".gitattributes": "tests export-ignore\n", "keep.log": "k", "new.py": "n", ".platform/hooks/x": "+h", ".ebignore": "*.log\n!keep.log\n/sub/\n",
	}
	if diff := cmp.Diff(want, read(t, b.Path)); diff != "" {
		t.Errorf("all but the ignored (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	young := t.TempDir()
	git(t, young, "init", "-q")
	both := repository(t)
	write(t, both, contents{".ebignore": "x"})
	for _, c := range []struct {
		name, dir string
		staged    bool
		want      string
	}{
		{"an empty folder", empty, false, "there is nothing to pack"},
		{"the index without git", empty, true, "in no git repository"},
		{"no commit", young, false, "has no commit yet; commit first, or use --staged"},
		{"the index and .ebignore", both, true, ".ebignore switches git off"},
	} {
		_, err := pack.Folder(context.Background(), c.dir, c.staged)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
	if _, err := pack.File(empty); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a folder as archive: %v", err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shop.war")
	write(t, filepath.Dir(path), contents{"shop.war": "abc"})
	b, err := pack.File(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.Size != 3 || b.SHA256 != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" || b.Origin != "shop.war" {
		t.Errorf("got %+v", b)
	}
	if err := b.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("Remove deleted what the user gave: %v", err)
	}
}
