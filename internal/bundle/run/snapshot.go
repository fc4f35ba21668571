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
	"io/fs"
	"os"
	"path/filepath"

	"github.com/beanpod-dev/beanpod/internal/bundle/client"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// snapshotPushCommand stores the dump of a database under its name.
type snapshotPushCommand struct {
	storeFlags
	name, file string
}

func (c *snapshotPushCommand) bind(set *flag.FlagSet) {
	c.storeFlags.bind(set)
	set.StringVar(&c.name, "name", "", "Name of the snapshot.")
	set.StringVar(&c.file, "file", "", "File with the dump.")
}

func (c *snapshotPushCommand) run(ctx context.Context, out io.Writer) (report.Report, error) {
	store, err := c.store()
	if err != nil {
		return report.Report{}, err
	}
	if c.name == "" || c.file == "" {
		return report.Report{}, report.Fail(report.Internal, "The flags --name and --file are needed.")
	}
	file, err := os.Open(c.file)
	if err != nil {
		return report.Report{}, fmt.Errorf("opening the dump: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	if err != nil {
		return report.Report{}, fmt.Errorf("reading the dump: %w", err)
	}
	if size == 0 {
		return report.Report{}, report.Fail(report.Internal, "The dump is empty.")
	}
	if err := store.Keep(ctx, c.name, file, size); err != nil {
		return report.Report{}, err
	}
	object := report.Object{SHA256: hex.EncodeToString(hash.Sum(nil)), SizeBytes: size}
	fmt.Fprintf(out, "Stored snapshot %s: %d bytes, sha256:%s.\n", c.name, object.SizeBytes, object.SHA256)
	return report.Report{Snapshot: &object}, nil
}

// snapshotFetchCommand brings a dump back.
type snapshotFetchCommand struct {
	storeFlags
	name, file, unless string
}

func (c *snapshotFetchCommand) bind(set *flag.FlagSet) {
	c.storeFlags.bind(set)
	set.StringVar(&c.name, "name", "", "Name of the snapshot.")
	set.StringVar(&c.file, "file", "", "File for the dump; its folder exists.")
	set.StringVar(&c.unless, "unless", "", "Path that, where it exists, says that nothing is to be fetched.")
}

func (c *snapshotFetchCommand) run(ctx context.Context, out io.Writer) (report.Report, error) {
	if c.unless != "" {
		_, err := os.Lstat(c.unless)
		if err == nil {
			fmt.Fprintf(out, "%s exists, so nothing is fetched.\n", c.unless)
			return report.Report{}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return report.Report{}, fmt.Errorf("looking for what was restored before: %w", err)
		}
	}
	store, err := c.store()
	if err != nil {
		return report.Report{}, err
	}
	if c.name == "" || c.file == "" {
		return report.Report{}, report.Fail(report.Internal, "The flags --name and --file are needed.")
	}
	object, err := c.fetch(ctx, store)
	if err != nil {
		return report.Report{}, err
	}
	fmt.Fprintf(out, "Fetched snapshot %s: %d bytes, sha256:%s.\n", c.name, object.SizeBytes, object.SHA256)
	return report.Report{Snapshot: object}, nil
}

// fetch makes the file appear only when it is whole.
func (c *snapshotFetchCommand) fetch(ctx context.Context, store client.Store) (*report.Object, error) {
	file, err := os.CreateTemp(filepath.Dir(c.file), ".snapshot-")
	if err != nil {
		return nil, fmt.Errorf("making a file for the dump: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	defer file.Close()
	object := &report.Object{}
	err = store.Download(ctx, client.Snapshots, c.name, func(body io.Reader, size int64) error {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("storing the dump: %w", err)
		}
		if err := file.Truncate(0); err != nil {
			return fmt.Errorf("storing the dump: %w", err)
		}
		hash := sha256.New()
		n, err := io.Copy(io.MultiWriter(file, hash), body)
		var onDisk *fs.PathError
		switch {
		case errors.As(err, &onDisk):
			return fmt.Errorf("storing the dump: %w", err)
		case err != nil || (size >= 0 && n != size):
			return report.FailForNow(report.FetchFailed, "The download of snapshot %s broke off after %d bytes. Try again.", c.name, n)
		}
		object.SHA256, object.SizeBytes = hex.EncodeToString(hash.Sum(nil)), n
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := os.Rename(file.Name(), c.file); err != nil {
		return nil, fmt.Errorf("storing the dump: %w", err)
	}
	return object, nil
}
