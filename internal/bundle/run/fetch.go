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
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/archive"
	"github.com/beanpod-dev/beanpod/internal/bundle/client"
	"github.com/beanpod-dev/beanpod/internal/bundle/fetch"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// fetchCommand downloads, verifies and unpacks a bundle.
type fetchCommand struct {
	storeFlags
	url, sha256, root, credentials, allow, deny string
	limits                                      archive.Limits
	options                                     fetch.Options
}

func (c *fetchCommand) bind(set *flag.FlagSet) {
	c.storeFlags.bind(set)
	c.limits = archive.DefaultLimits()
	set.StringVar(&c.url, "url", "", "Address of the bundle: https, s3, oci, store or sample.")
	set.StringVar(&c.sha256, "sha256", "", "SHA-256 that the bundle must have, in hexadecimal; unset: any.")
	set.StringVar(&c.root, "root", "", "Shared folder.")
	set.StringVar(&c.credentials, "credentials", "", "Folder of a mounted Secret.")
	set.StringVar(&c.allow, "allow", "", "CIDRs that may be dialled although they are refused otherwise, separated by commas.")
	set.StringVar(&c.deny, "deny", "", "CIDRs that may not be dialled, separated by commas; loopback, link-local, multicast and metadata addresses never may.")
	set.Int64Var(&c.limits.Unpacked, "max-unpacked-bytes", c.limits.Unpacked, "How large the bundle may be when unpacked.")
}

func (c *fetchCommand) run(ctx context.Context, out io.Writer) (report.Report, error) {
	var r report.Report
	root, err := openRoot(c.root)
	if err != nil {
		return r, err
	}
	defer root.Close()
	file, err := scratch(root)
	if err != nil {
		return r, err
	}
	defer file.Close()
	got := &received{file: file, limit: c.limits.Archive}
	if err := c.download(ctx, got.take); err != nil {
		return r, err
	}
	r.Bundle = &report.Object{SHA256: got.sum, SizeBytes: got.size}
	if c.sha256 != "" && got.sum != strings.ToLower(c.sha256) {
		return r, report.Fail(report.DigestMismatch, "The bundle's SHA-256 is %s, but sha256 says %s. Check whether the file at the address was replaced.", got.sum, c.sha256)
	}
	summary, err := archive.Unpack(ctx, root, appFolder, archive.Source{File: file, Size: got.size}, c.limits)
	if err != nil {
		return r, err
	}
	r.Bundle.Files, r.Warnings = summary.Entries, summary.Warnings
	fmt.Fprintf(out, "Fetched %d bytes, unpacked %d entries with %d bytes.\n", got.size, summary.Entries, summary.Bytes)
	return r, errors.Join(save(root, bundleFile, r), copySelf(root))
}

// download picks the way by the address's scheme. The store is not the user's choice, so the guard does not apply to it.
func (c *fetchCommand) download(ctx context.Context, sink fetch.Sink) error {
	scheme, name, _ := strings.Cut(c.url, "://")
	if scheme == "store" || scheme == "sample" {
		store, err := c.store()
		if err != nil {
			return err
		}
		if scheme == "sample" {
			return store.Sample(ctx, name, sink)
		}
		return store.Download(ctx, client.Uploads, name, sink)
	}
	var err error
	if c.options.Guard.Allow, err = fetch.ParsePrefixes(c.allow); err != nil {
		return report.Fail(report.Internal, "The flag --allow is not valid: %v.", err)
	}
	if c.options.Guard.Deny, err = fetch.ParsePrefixes(c.deny); err != nil {
		return report.Fail(report.Internal, "The flag --deny is not valid: %v.", err)
	}
	c.options.Credentials, c.options.Tries, c.options.Pause = c.credentials, 3, 2*time.Second
	return fetch.Download(ctx, c.url, c.options, sink)
}

// received is a download in a file, with its digest.
type received struct {
	file  *os.File
	limit int64
	sum   string
	size  int64
}

// take reads a body from its start, whatever came before.
func (r *received) take(body io.Reader, size int64) error {
	tooLarge := report.Fail(report.ArchiveRefused, "The bundle is larger than %d bytes. Leave out what the application does not need.", r.limit)
	if size > r.limit {
		return tooLarge
	}
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := r.file.Truncate(0); err != nil {
		return err
	}
	hash := sha256.New()
	n, err := io.Copy(struct{ io.Writer }{io.MultiWriter(r.file, hash)}, io.LimitReader(body, r.limit+1))
	var onDisk *os.PathError
	switch {
	case errors.As(err, &onDisk):
		return fmt.Errorf("storing the bundle: %w", err)
	case err != nil:
		return report.FailForNow(report.FetchFailed, "The download of the bundle broke off after %d bytes: %v. Try again.", n, err)
	case n > r.limit:
		return tooLarge
	}
	r.size, r.sum = n, hex.EncodeToString(hash.Sum(nil))
	return nil
}

// copySelf leaves this program for the build container, whose image does not have it.
func copySelf(root *os.Root) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	in, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("reading this program: %w", err)
	}
	defer in.Close()
	if err := errors.Join(root.RemoveAll("bin"), root.Mkdir("bin", 0o755)); err != nil {
		return fmt.Errorf("copying this program: %w", err)
	}
	out, err := root.OpenFile("bin/bundle", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return fmt.Errorf("copying this program: %w", err)
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
