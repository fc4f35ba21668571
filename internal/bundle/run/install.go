// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/archive"
	"github.com/beanpod-dev/beanpod/internal/bundle/client"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// installCommand puts an artifact where an instance runs it.
type installCommand struct {
	storeFlags
	sha256, into string
}

func (c *installCommand) bind(set *flag.FlagSet) {
	c.storeFlags.bind(set)
	set.StringVar(&c.sha256, "sha256", "", "SHA-256 of the artifact, in hexadecimal.")
	set.StringVar(&c.into, "into", "", "Folder for the application; what is in it is removed.")
}

func (c *installCommand) run(ctx context.Context, out io.Writer) (report.Report, error) {
	started := time.Now()
	store, err := c.store()
	if err != nil {
		return report.Report{}, err
	}
	if c.into == "" || len(c.sha256) != 2*sha256.Size {
		return report.Report{}, report.Fail(report.Internal, "The flags --into and --sha256 are needed.")
	}
	if err := os.MkdirAll(c.into, 0o755); err != nil { //nolint:gosec // the application runs as somebody else, perhaps
		return report.Report{}, fmt.Errorf("making the application's folder: %w", err)
	}
	root, err := os.OpenRoot(c.into)
	if err != nil {
		return report.Report{}, fmt.Errorf("opening the application's folder: %w", err)
	}
	defer root.Close()
	var object report.Object
	err = store.Download(ctx, client.Artifacts, "sha256:"+c.sha256, func(body io.Reader, _ int64) error {
		if err := archive.Clear(root); err != nil {
			return fmt.Errorf("clearing the application's folder: %w", err)
		}
		object, err = c.extract(ctx, root, body)
		return err
	})
	if err != nil {
		return report.Report{}, errors.Join(err, archive.Clear(root))
	}
	seconds := time.Since(started).Seconds()
	fmt.Fprintf(out, "Installed %d bytes with %d entries in %.2f s.\n", object.SizeBytes, object.Files, seconds)
	return report.Report{Artifact: &object}, nil
}

// extract unpacks the stream while its digest is computed. An error of the archive counts only if the bytes were the right ones.
func (c *installCommand) extract(ctx context.Context, root *os.Root, body io.Reader) (report.Object, error) {
	hash := sha256.New()
	limits := archive.DefaultLimits()
	wire := &wire{in: io.LimitReader(body, limits.Archive+1)}
	stream := io.TeeReader(wire, hash)
	summary, problem := archive.Extract(ctx, root, stream, limits)
	if _, err := io.Copy(io.Discard, stream); err != nil || wire.failed != nil {
		return report.Object{}, report.FailForNow(report.StoreUnavailable, "The artifact store broke off after %d bytes. Trying again.", wire.bytes)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	switch {
	case sum != c.sha256:
		return report.Object{}, report.Fail(report.DigestMismatch, "The store sent an artifact with SHA-256 %s instead of %s. Deploy the version again; if that does not help, build it again.", sum, c.sha256)
	case problem != nil:
		return report.Object{}, problem
	}
	return report.Object{SHA256: sum, SizeBytes: wire.bytes, Files: summary.Entries}, nil
}

// wire remembers whether the network failed, whatever the unpacking made of that.
type wire struct {
	in     io.Reader
	bytes  int64
	failed error
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	w.bytes += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		w.failed = err
	}
	return n, err
}
