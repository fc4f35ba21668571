// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layerFormat changes whenever equal recipes give other layers than before.
const layerFormat = 2

// layer finds a layer in the cache or makes it. The key is everything that decides its content.
func (k *kitchen) layer(l layerRecipe, debs []deb) (v1.Layer, error) {
	extra, err := extras(l)
	if err != nil {
		return nil, err
	}
	key := sha256.New()
	fmt.Fprintln(key, layerFormat, l.npm)
	if l.goroot {
		fmt.Fprintln(key, runtime.Version())
	}
	for _, p := range debs {
		fmt.Fprintln(key, p.file)
	}
	for _, f := range extra {
		fmt.Fprintf(key, "%s %o %s %x\n", f.path, f.mode, f.link, sha256.Sum256(f.data))
	}
	out := filepath.Join(k.dir, "layers", fmt.Sprintf("%x.tar.gz", key.Sum(nil)[:16]))
	if _, err := os.Stat(out); errors.Is(err, fs.ErrNotExist) {
		if err := k.writeLayer(out, l, debs, extra); err != nil {
			return nil, err
		}
	}
	return tarball.LayerFromFile(out, tarball.WithMediaType(types.OCILayer))
}

// extras are the files of a layer that no package brings, in order of their paths.
func extras(l layerRecipe) ([]file, error) {
	var out []file
	if slices.Equal(l.packages, base.packages) {
		out = accounts()
	}
	if l.trust || len(out) > 0 {
		trust, err := authorityFiles(l.trust)
		if err != nil {
			return nil, err
		}
		out = append(out, trust...)
	}
	for at, to := range l.links {
		out = append(out, file{path: at, link: to})
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// writeLayer makes a layer; the file appears only when whole.
func (k *kitchen) writeLayer(out string, l layerRecipe, debs []deb, extra []file) error {
	f, err := os.CreateTemp(filepath.Dir(out), ".layer-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer func() { _ = f.Close() }()
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := errors.Join(k.fill(newLayerWriter(z), l, debs, extra), z.Close(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), out)
}

// fill writes what a layer holds.
func (k *kitchen) fill(w *layerWriter, l layerRecipe, debs []deb, extra []file) error {
	for _, x := range extra { // first: they win over what packages bring
		if err := w.file(x); err != nil {
			return err
		}
	}
	for _, p := range debs {
		if err := w.deb(k.debian.path("debs", p.file)); err != nil {
			return err
		}
	}
	for _, p := range l.npm {
		if err := k.npm(w, p); err != nil {
			return err
		}
	}
	if l.goroot {
		if err := goroot(w); err != nil {
			return err
		}
	}
	return w.w.Close()
}

// accounts are the users of the base layer, and folders that anybody may write to.
func accounts() []file {
	return []file{
		{path: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:application:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")},
		{path: "etc/group", mode: 0o644, data: []byte("root:x:0:\napp:x:1000:\nnogroup:x:65534:\n")},
		{path: "tmp", mode: 0o1777, dir: true},
		{path: "var/tmp", mode: 0o1777, dir: true},
	}
}

// npm puts a package of the npm registry into the layer: the one with Node.js itself as a program, others as libraries.
func (k *kitchen) npm(w *layerWriter, pkg string) error {
	name, version, _ := strings.Cut(pkg, "@")
	archive := filepath.Join(k.dir, "npm", name+"-"+version+".tgz")
	if _, err := os.Stat(archive); errors.Is(err, fs.ErrNotExist) {
		cmd := exec.Command("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", filepath.Dir(archive), pkg)
		cmd.Dir = filepath.Dir(archive)
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("npm pack %s: %w\n%s", pkg, err, stderrOf(err))
		}
		var packed []struct{ Filename string }
		if err := json.Unmarshal(out, &packed); err != nil || len(packed) != 1 || packed[0].Filename != filepath.Base(archive) {
			return fmt.Errorf("npm pack %s made something else: %s", pkg, out)
		}
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("reading %s: %w", archive, err)
	}
	return w.tar(z, func(path string) string {
		path = strings.TrimPrefix(path, "package/")
		switch {
		case !strings.HasPrefix(name, "node-linux"):
			return "usr/local/lib/node_modules/" + name + "/" + path
		case path == "bin/node" || path == "LICENSE":
			return map[string]string{"bin/node": "usr/local/bin/node", "LICENSE": "usr/share/doc/nodejs/copyright"}[path]
		}
		return ""
	})
}

func stderrOf(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}
