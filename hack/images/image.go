// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// file is a regular file, a directory or a symbolic link.
type file struct {
	path string
	mode int64
	data []byte
	dir  bool
	link string
}

// spec says everything that goes into an image, so that equal specs give equal digests.
type spec struct {
	reference  string
	title      string
	version    string
	below      []v1.Layer // made elsewhere, under the layers
	layers     [][]file
	entrypoint []string
	command    []string
	env        []string
	searchPath string // goes before the usual one
	user       string // unset: nonroot
}

// epoch stands in for every time: an image must not depend on when it was made.
var epoch = time.Unix(0, 0).UTC()

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func makeImage(s spec) (v1.Image, error) {
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	layers := slices.Clone(s.below)
	for _, files := range s.layers {
		layer, err := makeLayer(files)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	for _, layer := range layers {
		var err error
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:   layer,
			History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "beanpod hack/images"},
		})
		if err != nil {
			return nil, err
		}
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture, cfg.Created = "linux", runtime.GOARCH, v1.Time{Time: epoch}
	cfg.Config.User = cmp.Or(s.user, nonroot)
	cfg.Config.WorkingDir = "/"
	cfg.Config.Entrypoint, cfg.Config.Cmd = s.entrypoint, s.command
	cfg.Config.Env = append([]string{"PATH=" + s.searchPath + searchPath}, s.env...)
	cfg.Config.Labels = map[string]string{
		"org.opencontainers.image.title":    s.title,
		"org.opencontainers.image.version":  s.version,
		"org.opencontainers.image.source":   "https://github.com/beanpod-dev/beanpod",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	return mutate.ConfigFile(img, cfg)
}

// makeLayer writes files in order of path, with their parent directories, under fixed owners and times.
func makeLayer(files []file) (v1.Layer, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	made := map[string]bool{"/": true, ".": true}
	for _, f := range files {
		for _, dir := range parents(f.path) {
			if made[dir] {
				continue
			}
			made[dir] = true
			if err := w.WriteHeader(header(file{path: dir, mode: 0o755, dir: true})); err != nil {
				return nil, err
			}
		}
		made[f.path] = true
		if err := w.WriteHeader(header(f)); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	data := buf.Bytes()
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}, tarball.WithMediaType(types.OCILayer))
}

func header(f file) *tar.Header {
	h := &tar.Header{Name: strings.TrimPrefix(f.path, "/"), Mode: f.mode, ModTime: epoch, Format: tar.FormatPAX}
	if f.dir {
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		return h
	}
	if f.link != "" {
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.link, 0o777
		return h
	}
	h.Typeflag, h.Size = tar.TypeReg, int64(len(f.data))
	return h
}

// parents lists the directories above p, the topmost first.
func parents(p string) []string {
	var dirs []string
	for dir := path.Dir(p); dir != "/" && dir != "."; dir = path.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
	}
	return dirs
}
