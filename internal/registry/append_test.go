// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// headers are a small application, as it is packed.
var headers = []tar.Header{
	{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755},
	{Typeflag: tar.TypeReg, Name: "bin/run", Mode: 0o755, Size: 4},
	{Typeflag: tar.TypeReg, Name: "app.py", Mode: 0o644, Size: 4},
	{Typeflag: tar.TypeSymlink, Name: "python", Linkname: "/usr/bin/python3", Mode: 0o777},
}

func packed(t *testing.T, list ...tar.Header) Artifact {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	for _, h := range list {
		if err := files.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return kept(out.Bytes())
}

func kept(content []byte) Artifact {
	digest := sha256.Sum256(content)
	return Artifact{SHA256: hex.EncodeToString(digest[:]), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

func appender() *Appender { return NewAppender(AppendOptions{AllowLoopback: true}) }

func order(s *testkit.Registry, a Artifact) Order {
	return Order{
		Base: s.Host + "/python:3.12", Repository: s.Host + "/beanpod/team/shop", Tag: "shop-41-abc", Artifact: a, Labels: map[string]string{"beanpod.dev/version": "shop-41"},
	}
}

func mustAppend(t *testing.T, a *Appender, o Order) string {
	t.Helper()
	image, err := a.Append(t.Context(), o)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	return image
}

func reference(t *testing.T, image string) name.Reference {
	t.Helper()
	out, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func pull(t *testing.T, image string) v1.Image {
	t.Helper()
	out, err := remote.Image(reference(t, image))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAppend(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	base := push(t, s, "python:3.12")
	image := mustAppend(t, appender(), order(s, packed(t, headers...)))
	if !strings.HasPrefix(image, s.Host+"/beanpod/team/shop@sha256:") {
		t.Errorf("image = %q", image)
	}
	got := pull(t, image)
	if err := validate.Image(got); err != nil {
		t.Errorf("the registry has another image than it says: %v", err)
	}
	below, err := pull(t, s.Host+"/python@"+base).Layers()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := got.Layers()
	if err != nil || len(layers) != len(below)+1 {
		t.Fatalf("%d layers (%v), want one more than %d", len(layers), err, len(below))
	}
	file, err := got.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.Config.WorkingDir != "/app/current" || file.Config.Labels["beanpod.dev/version"] != "shop-41" {
		t.Errorf("config = %+v", file.Config)
	}
	want := []string{
		"app/ drwxr-xr-x 1000:1000", "app/.wh..wh..opq -rw-r--r-- 1000:1000", "app/current/ drwxr-xr-x 1000:1000", "app/current/bin/ drwxr-xr-x 1000:1000",
		"app/current/bin/run -rwxr-xr-x 1000:1000 xxxx", "app/current/app.py -rw-r--r-- 1000:1000 xxxx", "app/current/python Lrwxrwxrwx 1000:1000 /usr/bin/python3",
	}
	if diff := cmp.Diff(want, listing(t, layers[len(layers)-1])); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
}

func listing(t *testing.T, l v1.Layer) []string {
	t.Helper()
	stream, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var out []string
	for files := tar.NewReader(stream); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(files)
		if err != nil || !h.ModTime.Equal(epoch) || h.Uid != h.Gid {
			t.Errorf("%s: %v, %v, %d:%d", h.Name, err, h.ModTime, h.Uid, h.Gid)
		}
		out = append(out, strings.TrimSpace(h.Name+" "+h.FileInfo().Mode().String()+" 1000:1000 "+string(content)+h.Linkname))
		if h.Uid != owner {
			t.Errorf("%s belongs to %d", h.Name, h.Uid)
		}
	}
}

// TestAppendAgain proves that the same order gives the same image, and that a rebase sends no layer of the application again.
func TestAppendAgain(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	push(t, s, "python:3.12")
	o := order(s, packed(t, headers...))
	first := mustAppend(t, appender(), o)
	s.Asked()
	if second := mustAppend(t, appender(), o); second != first {
		t.Errorf("the same order gives %s and then %s", first, second)
	}
	if sent := uploads(s.Asked()); len(sent) > 0 {
		t.Errorf("sent again: %v", sent)
	}
	push(t, s, "python:3.13")
	o.Base = s.Host + "/python:3.13"
	if mustAppend(t, appender(), o) == first {
		t.Error("another run image gives the same image")
	}
	// The configuration, and the layer of the new run image, which the registry is asked to mount.
	if sent := uploads(s.Asked()); len(sent) > 2 {
		t.Errorf("a rebase sends %v", sent)
	}
}

func uploads(asked []string) []string {
	return slices.DeleteFunc(asked, func(r string) bool { return !strings.HasPrefix(r, "POST ") })
}

func TestAppendToIndex(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64", Variant: "v8"}, {OS: "linux", Architecture: "s390x"}, {OS: "unknown", Architecture: "unknown"}} {
		image, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		if image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, RootFS: rootFS(t, image)}); err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: mutate.MediaType(image, types.OCIManifestSchema1), Descriptor: v1.Descriptor{Platform: &p}})
	}
	if err := remote.WriteIndex(reference(t, s.Host+"/python:3.12"), index); err != nil {
		t.Fatal(err)
	}
	got, err := remote.Index(reference(t, mustAppend(t, appender(), order(s, packed(t, headers...)))))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(got); err != nil {
		t.Error(err)
	}
	manifest, err := got.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range manifest.Manifests {
		found = append(found, d.Platform.Architecture+d.Platform.Variant)
		image, err := got.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := image.Layers()
		if err != nil {
			t.Fatal(err)
		}
		if media, _ := layers[len(layers)-1].MediaType(); media != types.OCILayer {
			t.Errorf("the layer is a %s", media)
		}
	}
	if diff := cmp.Diff([]string{"amd64", "arm64v8"}, found); diff != "" {
		t.Errorf("architectures (-want +got):\n%s", diff)
	}
}

func rootFS(t *testing.T, image v1.Image) v1.RootFS {
	t.Helper()
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return file.RootFS
}

// TestAppendStreams proves that memory does not grow with the artifact.
func TestAppendStreams(t *testing.T) {
	s := startRegistry(t)
	push(t, s, "python:3.12")
	// The registry keeps what it gets in memory, so it only counts here.
	var received int64
	s.Gate(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch || !strings.Contains(r.URL.Path, "/blobs/uploads/") {
			return true
		}
		var start bytes.Buffer
		if _, err := io.CopyN(&start, r.Body, 64<<10); err != nil {
			r.Body = io.NopCloser(&start) // a small one
			return true
		}
		n, _ := io.Copy(io.Discard, r.Body)
		received = n + int64(start.Len())
		w.WriteHeader(http.StatusInsufficientStorage)
		return false
	})
	const size = 192 << 20
	file := filepath.Join(t.TempDir(), "artifact")
	a := bigArtifact(t, file, size)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := appender().Append(t.Context(), order(s, a))
	runtime.ReadMemStats(&after)
	if p := problem(t, err); p.Definite || !strings.Contains(p.Message, "507") {
		t.Errorf("Append = %v", err)
	}
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes were sent; %d bytes were allocated for all of it", received, allocated)
	if received < size || allocated > 24<<20 {
		t.Errorf("received %d bytes of %d, allocated %d", received, size, allocated)
	}
}

func bigArtifact(t *testing.T, file string, size int64) Artifact {
	t.Helper()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.New()
	zipped, err := gzip.NewWriterLevel(io.MultiWriter(out, digest), gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewWriter(zipped)
	if err := files.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "big", Mode: 0o644, Size: size}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(files, rand.NewChaCha8([32]byte{}), size); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(files.Close(), zipped.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return Artifact{SHA256: hex.EncodeToString(digest.Sum(nil)), Open: func(context.Context) (io.ReadCloser, error) { return os.Open(file) }}
}
