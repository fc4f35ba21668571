// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package samples packs the applications that show that a platform works into archives, which run where an Environment names
// no version. Pure: the same sources always give the same archive. Called by what serves them.
package samples

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	samples "github.com/beanpod-dev/beanpod/hack/samples"
)

// suffix ends the names of archives, which Platforms name in spec.sample.archive.
const suffix = "-sample"

// stored ends the names of files that must not have their own name in this repository: a go.mod would hide its folder from
// the program that embeds it.
const stored = ".sample"

// archive is packed when it is first asked for; there are few and they are small.
type archive struct {
	content []byte
	sha256  string
}

var archives = sync.OnceValues(packAll)

// Names lists the archives.
func Names() ([]string, error) {
	folders, err := fs.ReadDir(samples.Files, ".")
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(folders))
	for _, f := range folders {
		out = append(out, f.Name()+suffix)
	}
	return out, nil
}

// Open returns an archive by its name, for example python-sample, with its size and its SHA-256 in hexadecimal. The error is
// fs.ErrNotExist when there is none of that name.
func Open(name string) (content io.ReadSeeker, size int64, sha string, err error) {
	all, err := archives()
	if err != nil {
		return nil, 0, "", err
	}
	a, ok := all[name]
	if !ok {
		return nil, 0, "", fmt.Errorf("sample %q: %w", name, fs.ErrNotExist)
	}
	return bytes.NewReader(a.content), int64(len(a.content)), a.sha256, nil
}

func packAll() (map[string]archive, error) {
	names, err := Names()
	if err != nil {
		return nil, err
	}
	out := map[string]archive{}
	for _, name := range names {
		folder, err := fs.Sub(samples.Files, strings.TrimSuffix(name, suffix))
		if err != nil {
			return nil, err
		}
		content, err := pack(folder)
		if err != nil {
			return nil, fmt.Errorf("packing %s: %w", name, err)
		}
		sum := sha256.Sum256(content)
		out[name] = archive{content: content, sha256: hex.EncodeToString(sum[:])}
	}
	return out, nil
}

// pack writes a folder in order of its paths, without times, so that equal folders give equal archives.
func pack(folder fs.FS) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: strings.TrimSuffix(name, stored), Method: zip.Deflate}
		h.SetMode(0o644)
		f, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}
