// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/store"
)

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// stores are what every promise is tested on. Those that need a server are left out without it.
func stores(t *testing.T) map[string]store.Store {
	t.Helper()
	dir, err := store.NewDirectory(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]store.Store{"directory": dir}
	for name, start := range servers {
		if s := start(t); s != nil {
			out[name] = s
		}
	}
	return out
}

func read(t *testing.T, s store.Store, k store.Key) ([]byte, error) {
	t.Helper()
	body, o, err := s.Open(t.Context(), k)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(body)
	if err == nil && int64(len(data)) != o.Size {
		t.Errorf("%s has %d bytes, and Open says %d", k.Path(), len(data), o.Size)
	}
	return data, err
}

func TestStore(t *testing.T) {
	t.Parallel()
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, data, other := t.Context(), []byte("the artifact"), []byte("something else")
			artifact := store.Key{Namespace: "shop", Kind: store.Artifact, Name: digest(data)}
			upload := store.Key{Namespace: "shop", Kind: store.Upload, Name: "shop-41"}
			snapshot := store.Key{Namespace: "shop", Kind: store.Snapshot, Name: "shop-41"}
			put := func(k store.Key, data []byte, want error) {
				t.Helper()
				o, sum, err := s.Put(ctx, k, bytes.NewReader(data))
				if !errors.Is(err, want) || (want == nil && (sum != digest(data) || o.Size != int64(len(data)))) {
					t.Errorf("Put %s: got %+v, %s, %v; want %v", k.Path(), o, sum, err, want)
				}
			}
			for _, k := range []store.Key{artifact, upload} {
				if _, err := s.Stat(ctx, k); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Stat of nothing: %v", err)
				}
				if _, err := read(t, s, k); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Open of nothing: %v", err)
				}
				if err := s.Delete(ctx, k); err != nil {
					t.Errorf("Delete of nothing: %v", err)
				}
				put(k, data, nil)
				put(k, data, nil)
				if got, err := read(t, s, k); err != nil || !bytes.Equal(got, data) {
					t.Errorf("Open %s: %q, %v", k.Path(), got, err)
				}
				if o, err := s.Stat(ctx, k); err != nil || o.Size != int64(len(data)) || time.Since(o.Modified) > time.Hour {
					t.Errorf("Stat %s: %+v, %v", k.Path(), o, err)
				}
			}
			put(artifact, other, store.ErrDigest)
			put(upload, other, store.ErrExists)
			put(snapshot, other, nil)
			put(snapshot, other, nil)
			put(snapshot, data, store.ErrExists)
			if err := s.Delete(ctx, snapshot); !errors.Is(err, store.ErrKept) {
				t.Errorf("Delete of a snapshot: %v", err)
			}
			if got, err := read(t, s, snapshot); err != nil || !bytes.Equal(got, other) {
				t.Errorf("Open %s: %q, %v", snapshot.Path(), got, err)
			}
			put(store.Key{Namespace: "other", Kind: store.Artifact, Name: digest(other)}, other, nil)
			var listed []string
			for _, ns := range []string{"shop", "none", ""} {
				if err := s.List(ctx, ns, func(o store.Object) error { listed = append(listed, ns+":"+o.Key.Path()); return nil }); err != nil {
					t.Errorf("List %q: %v", ns, err)
				}
			}
			want := []string{
				":other/artifacts/" + digest(other), ":shop/artifacts/" + digest(data), ":shop/snapshots/shop-41", ":shop/uploads/shop-41",
				"shop:shop/artifacts/" + digest(data), "shop:shop/snapshots/shop-41", "shop:shop/uploads/shop-41",
			}
			if diff := cmp.Diff(want, sorted(listed)); diff != "" {
				t.Errorf("List (-want +got):\n%s", diff)
			}
			if err := s.Delete(ctx, upload); err != nil {
				t.Errorf("Delete: %v", err)
			}
			put(upload, other, nil)
		})
	}
}

func TestStoreRefusesKeysThatLeaveIt(t *testing.T) {
	t.Parallel()
	for name, s := range stores(t) {
		for _, k := range []store.Key{
			{}, {Namespace: "..", Kind: store.Upload, Name: "a"}, {Namespace: "a/b", Kind: store.Upload, Name: "a"}, {Namespace: "shop", Kind: store.Upload, Name: ".."},
			{Namespace: "shop", Kind: store.Upload, Name: "../x"}, {Namespace: "shop", Kind: "..", Name: "a"}, {Namespace: "shop", Kind: store.Artifact, Name: "short"},
			{Namespace: "shop", Kind: store.Artifact, Name: strings.Repeat("A", 64)}, {Namespace: "shop", Kind: store.Upload, Name: strings.Repeat("a", 64)},
			{Namespace: "shop", Kind: store.Upload, Name: "a\x00"}, {Namespace: "shop", Kind: store.Snapshot, Name: "../uploads/a"},
		} {
			if _, _, err := s.Put(t.Context(), k, strings.NewReader("x")); !errors.Is(err, store.ErrKey) {
				t.Errorf("%s: Put %q: %v", name, k.Path(), err)
			}
			if _, _, err := s.Open(t.Context(), k); !errors.Is(err, store.ErrKey) {
				t.Errorf("%s: Open %q: %v", name, k.Path(), err)
			}
			if err := s.Delete(t.Context(), k); !errors.Is(err, store.ErrKey) {
				t.Errorf("%s: Delete %q: %v", name, k.Path(), err)
			}
		}
		if err := s.List(t.Context(), "..", nil); !errors.Is(err, store.ErrKey) {
			t.Errorf("%s: List: %v", name, err)
		}
	}
}

// Many writers of one name see one winner, and readers never see half.
func TestStoreUnderManyWriters(t *testing.T) {
	t.Parallel()
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := bytes.Repeat([]byte("many"), 1<<16)
			k := store.Key{Namespace: "shop", Kind: store.Artifact, Name: digest(data)}
			var group sync.WaitGroup
			for range 100 {
				group.Go(func() {
					if _, _, err := s.Put(t.Context(), k, bytes.NewReader(data)); err != nil {
						t.Errorf("Put: %v", err)
					}
				})
				group.Go(func() {
					if got, err := read(t, s, k); err == nil && !bytes.Equal(got, data) {
						t.Errorf("a reader saw %d bytes of %d", len(got), len(data))
					} else if err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Errorf("Open: %v", err)
					}
				})
			}
			group.Wait()
		})
	}
}

// broken gives some bytes and then an error.
type broken struct{ left int }

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := min(b.left, len(p))
	b.left -= n
	return n, nil
}

func TestDirectoryKeepsNothingOfWhatFailed(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s, err := store.NewDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	k := store.Key{Namespace: "shop", Kind: store.Upload, Name: "a"}
	if _, _, err := s.Put(t.Context(), k, &broken{left: 1 << 20}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that ends early: %v", err)
	}
	if _, _, err := s.Put(t.Context(), k, io.LimitReader(zeros{}, store.MaxBytes+1)); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a body that is too large: %v", err)
	}
	if files := filesBelow(t, root); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func filesBelow(t *testing.T, root string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNewDirectoryRemovesWhatWasAbandoned(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	old, fresh := filepath.Join(root, ".incoming-1"), filepath.Join(root, ".incoming-2")
	for _, path := range []string{old, fresh} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	if _, err := store.NewDirectory(root); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{fresh}, filesBelow(t, root)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// The largest object goes through without being held. Not parallel: it measures the heap.
func TestDirectoryHoldsNoObjectInMemory(t *testing.T) {
	s, err := store.NewDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	k := store.Key{Namespace: "shop", Kind: store.Upload, Name: "large"}
	if _, _, err := s.Put(t.Context(), k, io.LimitReader(zeros{}, store.MaxBytes)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("storing %d MiB allocated %d MiB", store.MaxBytes>>20, grown>>20)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "/var/lib", "dir://host/path", "file:///x", "s3:///x", "s3://b?style=path", "s3://b?pathStyle=perhaps", "s3://%zz"} {
		if _, err := store.Open(context.Background(), url, t.TempDir()); err == nil {
			t.Errorf("Open %q: no error", url)
		}
	}
}

func TestDirectoryRepairsADamagedArtifact(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s, err := store.NewDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("the artifact")
	k := store.Key{Namespace: "shop", Kind: store.Artifact, Name: digest(data)}
	for range 2 {
		if _, _, err := s.Put(t.Context(), k, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if got, err := read(t, s, k); err != nil || !bytes.Equal(got, data) {
			t.Errorf("Open: %q, %v", got, err)
		}
		if err := os.WriteFile(filepath.Join(root, "shop", "artifacts", k.Name), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
