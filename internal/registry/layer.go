// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Artifact is an application as the store keeps it: a tar.gz, named by the digest of its bytes.
type Artifact struct {
	// SHA256 in hexadecimal.
	SHA256 string
	// Open reads it from the beginning. It is called twice: to compute the layer's digest, and to send the layer if the registry does
	// not have it, so that nothing is kept in memory or on disk meanwhile.
	Open func(context.Context) (io.ReadCloser, error)
}

// layer is an artifact as a layer of an image. The same artifact always gives the same bytes.
type layer struct {
	write          func(io.Writer) error
	media          types.MediaType
	digest, diffID v1.Hash
	size           int64
}

// measure reads the artifact once and computes what a manifest says about the layer.
func measure(ctx context.Context, a Artifact) (*layer, error) {
	out := &layer{write: func(to io.Writer) error { return a.relocate(ctx, to) }}
	plain, packed := sha256.New(), &counter{hash: sha256.New()}
	zipped := compressor(packed)
	if err := out.write(io.MultiWriter(plain, zipped)); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, fmt.Errorf("compressing the layer: %w", err)
	}
	out.diffID, out.digest, out.size = sum(plain), sum(packed.hash), packed.bytes
	return out, nil
}

// of is the layer for an image with a manifest of that type.
func (l layer) of(manifest types.MediaType) *layer {
	l.media = types.DockerLayer
	if manifest == types.OCIManifestSchema1 {
		l.media = types.OCILayer
	}
	return &l
}

func compressor(out io.Writer) *gzip.Writer {
	zipped, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is right
	}
	return zipped
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// Digest of the compressed layer.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the digest of the layer's tar.
func (l *layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size of the compressed layer.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType of the compressed layer.
func (l *layer) MediaType() (types.MediaType, error) { return l.media, nil }

// Compressed streams the layer from the store.
func (l *layer) Compressed() (io.ReadCloser, error) {
	return l.stream(func(out io.Writer) error {
		// Small writes would each wake the reader.
		buffered := bufio.NewWriterSize(out, 64<<10)
		zipped := compressor(buffered)
		if err := l.write(zipped); err != nil {
			return err
		}
		if err := zipped.Close(); err != nil {
			return err
		}
		return buffered.Flush()
	})
}

// Uncompressed streams the layer's tar from the store.
func (l *layer) Uncompressed() (io.ReadCloser, error) { return l.stream(l.write) }

func (l *layer) stream(write func(io.Writer) error) (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(write(writer)) }()
	return reader, nil
}

// counter hashes and counts.
type counter struct {
	hash  hash.Hash
	bytes int64
}

// Write never fails.
func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	return c.hash.Write(p)
}
