// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// merged are the folders that Debian 12 keeps below /usr, with links in their old place. Packages still name the old place.
var merged = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// useless is what no application reads.
var useless = []string{
	"usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/bug", "usr/share/doc-base", "usr/share/menu",
	"usr/share/pixmaps", "usr/share/icons", "usr/share/bash-completion", "usr/share/gcc", "etc/init.d", "etc/cron.daily", "usr/lib/systemd", "var/log", "var/cache",
}

// layerWriter writes the entries of many packages into one tar file, each path once, under fixed owners and times.
type layerWriter struct {
	w    *tar.Writer
	made map[string]bool
}

func newLayerWriter(w io.Writer) *layerWriter {
	return &layerWriter{w: tar.NewWriter(w), made: map[string]bool{".": true}}
}

// deb copies the files of a package. Its scripts do not run: what they would do is in the recipe, where it matters.
func (l *layerWriter) deb(file string) error {
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = l.tar(out, func(name string) string {
		if keep(name) {
			return name
		}
		return ""
	})
	_, _ = io.Copy(io.Discard, out) // or dpkg-deb would wait for ever, or complain
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return fmt.Errorf("unpacking %s: %w", file, err)
	}
	return nil
}

// tar copies what rename gives a path.
func (l *layerWriter) tar(in io.Reader, rename func(string) string) error {
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := rename(usrMerged(path.Clean(h.Name)))
		if name == "" || l.made[name] {
			continue
		}
		if out := rewritten(h, name); out != nil {
			if err := l.entry(name, out, r); err != nil {
				return err
			}
		}
	}
}

// rewritten is a header under another name, with fixed owner and time and without special rights; nil for devices, which are
// the runtime's.
func rewritten(h *tar.Header, name string) *tar.Header {
	out := &tar.Header{Typeflag: h.Typeflag, Name: name, Mode: h.Mode &^ 0o6000, ModTime: epoch, Format: tar.FormatPAX}
	switch h.Typeflag {
	case tar.TypeDir:
		out.Name += "/"
	case tar.TypeReg:
		out.Size = h.Size
	case tar.TypeSymlink:
		out.Linkname = h.Linkname
	case tar.TypeLink:
		out.Linkname = usrMerged(path.Clean(h.Linkname))
	default:
		return nil
	}
	return out
}

func (l *layerWriter) file(f file) error {
	f.path = strings.TrimPrefix(f.path, "/")
	if l.made[f.path] {
		return nil
	}
	h := header(f)
	if f.link != "" {
		h = &tar.Header{Typeflag: tar.TypeSymlink, Name: f.path, Linkname: f.link, Mode: 0o777, ModTime: epoch, Format: tar.FormatPAX}
	}
	return l.entry(f.path, h, strings.NewReader(string(f.data)))
}

// entry writes one entry after its folders.
func (l *layerWriter) entry(name string, h *tar.Header, content io.Reader) error {
	for _, dir := range append(parents(name), name) {
		if l.made[dir] {
			continue
		}
		l.made[dir] = true
		if dir != name {
			if err := l.w.WriteHeader(header(file{path: dir, mode: 0o755, dir: true})); err != nil {
				return err
			}
		}
	}
	if err := l.w.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err := io.CopyN(l.w, content, h.Size)
	return err
}

func usrMerged(name string) string {
	first, _, _ := strings.Cut(name, "/")
	if slices.Contains(merged, first) {
		return "usr/" + name
	}
	return name
}

// keep drops documentation, but never a licence.
func keep(name string) bool {
	if within(name, "usr/share/doc") {
		return path.Base(name) == "copyright"
	}
	return !slices.ContainsFunc(useless, func(dir string) bool { return within(name, dir) })
}

func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
