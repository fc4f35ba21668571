// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package samples

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	catalogue "github.com/beanpod-dev/beanpod/config/platforms"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	names, err := Names()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 7 {
		t.Errorf("Names() = %v, want one for each language", names)
	}
	for _, name := range names {
		r, size, sha, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); int64(len(content)) != size || hex.EncodeToString(sum[:]) != sha {
			t.Errorf("Open(%s) speaks of %d bytes of sha256 %s, which are not its content's", name, size, sha)
		}
		if _, err := zip.NewReader(bytes.NewReader(content), size); err != nil {
			t.Errorf("%s is no ZIP: %v", name, err)
		}
	}
	if _, _, _, err := Open("cobol-sample"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of an unknown sample: %v, want %v", err, fs.ErrNotExist)
	}
}

// TestCatalogue finds every sample that a shipped Platform names.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	platforms, err := catalogue.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	names, err := Names()
	if err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, p := range platforms {
		if p.Spec.Sample != nil {
			used = append(used, p.Spec.Sample.Archive)
		}
	}
	slices.Sort(used)
	if diff := cmp.Diff(names, used); diff != "" {
		t.Errorf("samples of the catalogue (-there +named):\n%s", diff)
	}
}

func TestPackIsDeterministicAndRestoresNames(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{"go.mod.sample": {Data: []byte("module x")}, "a/b.txt": {Data: []byte("b")}, ".hidden": {Data: []byte("h")}}
	first, err := pack(folder)
	if err != nil {
		t.Fatal(err)
	}
	again, err := pack(folder)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, again) {
		t.Error("packing the same folder twice gave different archives")
	}
	r, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
		if f.Mode() != 0o644 || !f.Modified.IsZero() && f.Modified.Year() > 1980 {
			t.Errorf("%s has mode %v and time %v", f.Name, f.Mode(), f.Modified)
		}
	}
	if diff := cmp.Diff([]string{".hidden", "a/b.txt", "go.mod"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
