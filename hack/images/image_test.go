// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func makeSpec(tweaks ...func(*spec)) spec {
	s := spec{
		reference: "localhost/x:v1",
		title:     "x",
		version:   "v1",
		layers: [][]file{
			{{path: "/etc/passwd", mode: 0o644, data: []byte("a")}, {path: "/tmp", mode: 0o1777, dir: true}},
			{{path: "/program", mode: 0o755, data: []byte("binary")}},
		},
		entrypoint: []string{"/program"},
		env:        []string{"A=b"},
	}
	for _, tweak := range tweaks {
		tweak(&s)
	}
	return s
}

func digest(t *testing.T, s spec) string {
	t.Helper()
	img, err := makeImage(s)
	if err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func TestDigestFollowsContentOnly(t *testing.T) {
	t.Parallel()
	base := digest(t, makeSpec())
	tests := []struct {
		name  string
		tweak func(*spec)
		same  bool
	}{
		{name: "nothing changed", tweak: func(*spec) {}, same: true},
		{name: "files in another order", tweak: func(s *spec) { l := s.layers[0]; l[0], l[1] = l[1], l[0] }, same: true},
		{name: "another tag of the same content", tweak: func(s *spec) { s.reference = "localhost/x:v2" }, same: true},
		{name: "file content", tweak: func(s *spec) { s.layers[1][0].data = []byte("other") }},
		{name: "file mode", tweak: func(s *spec) { s.layers[1][0].mode = 0o644 }},
		{name: "environment", tweak: func(s *spec) { s.env = nil }},
		{name: "version", tweak: func(s *spec) { s.version = "v2" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := digest(t, makeSpec(tt.tweak)); (got == base) != tt.same {
				t.Errorf("digest %s, base %s; want same %t", got, base, tt.same)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	img, err := makeImage(makeSpec())
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		User:       "65532:65532",
		WorkingDir: "/",
		Entrypoint: []string{"/program"},
		Env:        []string{"PATH=" + searchPath, "A=b"},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "x",
			"org.opencontainers.image.version":  "v1",
			"org.opencontainers.image.source":   "https://github.com/beanpod-dev/beanpod",
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	if diff := cmp.Diff(want, cfg.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if !cfg.Created.Time.Equal(epoch) || cfg.OS != "linux" {
		t.Errorf("created %v for %s", cfg.Created, cfg.OS)
	}
}

func TestLayerHoldsParentsOnceUnderFixedOwnersAndTimes(t *testing.T) {
	t.Parallel()
	layer, err := makeLayer([]file{
		{path: "/etc/ssl/certs/x", mode: 0o644, data: []byte("abc")},
		{path: "/etc/passwd", mode: 0o644},
		{path: "/tmp", mode: 0o1777, dir: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	rc, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	var names []string
	for r := tar.NewReader(rc); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(epoch) {
			t.Errorf("%s: owner %d:%d, time %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		if h.Name == "tmp/" && h.Mode != 0o1777 {
			t.Errorf("/tmp has mode %o", h.Mode)
		}
	}
	want := []string{"etc/", "etc/passwd", "etc/ssl/", "etc/ssl/certs/", "etc/ssl/certs/x", "tmp/"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestArchiveIsReproducible(t *testing.T) {
	t.Parallel()
	specs := []spec{makeSpec(), makeSpec(func(s *spec) { s.reference = "localhost/x:v2"; s.env = nil })}
	var archives [2][]byte
	for i := range archives {
		out := filepath.Join(t.TempDir(), "x.tar")
		digests, err := writeArchive(out, specs)
		if err != nil {
			t.Fatal(err)
		}
		if len(digests) != 2 || digests[0] == digests[1] {
			t.Errorf("digests %v, want two different ones", digests)
		}
		if archives[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if string(archives[0]) != string(archives[1]) {
		t.Error("the same images gave different archives")
	}
}

func TestWriteArchiveRefusesAReferenceWithoutTag(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "x.tar")
	if _, err := writeArchive(out, []spec{makeSpec(func(s *spec) { s.reference = "x" })}); err == nil {
		t.Error("accepted")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("left a file behind")
	}
}

// TestSampleImages compiles a real program, and so proves the whole way from source to image.
func TestSampleImages(t *testing.T) {
	t.Parallel()
	b, err := newBuilder(false)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	specs, err := sampleSpecs(b, []string{"v1", "broken"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := sampleSpecs(b, []string{"v1"})
	if err != nil {
		t.Fatal(err)
	}
	if first, second := digest(t, specs[0]), digest(t, again[0]); first != second {
		t.Errorf("two builds gave %s and %s", first, second)
	}
	want := [][]string{{"APP_VERSION=v1"}, {"APP_VERSION=broken", "UNHEALTHY=1"}}
	if diff := cmp.Diff(want, [][]string{specs[0].env, specs[1].env}); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"sample"}, {"sample", "-o", "x.tar", "more"}, {"sample", "-o", "x.tar", "--nonsense"}} {
		if _, err := parse(args); !errors.Is(err, errUsage) {
			t.Errorf("parse(%q) = %v, want %v", args, err, errUsage)
		}
	}
	o, err := parse([]string{"sample", "-o", "x.tar", "--tag", "v1,v2"})
	if err != nil || o.out != "x.tar" || len(o.tags) != 2 {
		t.Errorf("parse gave %+v, %v", o, err)
	}
	if _, err := specsFor(nil, options{kind: "nonsense"}); !errors.Is(err, errUsage) {
		t.Errorf("an unknown image gave %v, want %v", err, errUsage)
	}
}

func TestBaseLayerHasATemporaryDirectoryForEveryone(t *testing.T) {
	t.Parallel()
	files, err := baseLayer()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.path == "/tmp" && f.dir && f.mode == 0o1777 {
			return
		}
	}
	t.Error("no /tmp")
}
