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
	"syscall"

	"github.com/beanpod-dev/beanpod/internal/bundle/archive"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// pushCommand packs what was built and stores it. The build ran the user's code in this folder, so nothing in it is trusted.
type pushCommand struct {
	storeFlags
	root string
}

func (c *pushCommand) bind(set *flag.FlagSet) {
	c.storeFlags.bind(set)
	set.StringVar(&c.root, "root", "", "Shared folder.")
}

func (c *pushCommand) run(ctx context.Context, out io.Writer) (report.Report, error) {
	root, err := openRoot(c.root)
	if err != nil {
		return report.Report{}, err
	}
	defer root.Close()
	r, err := merged(root)
	if err != nil {
		return r, err
	}
	store, err := c.store()
	if err != nil {
		return r, err
	}
	file, err := scratch(root)
	if err != nil {
		return r, err
	}
	defer file.Close()
	object, warnings, err := pack(ctx, root, file)
	r.Warnings = append(r.Warnings, warnings...)
	if err != nil {
		return r, err
	}
	if err := store.Upload(ctx, object.SHA256, file, object.SizeBytes); err != nil {
		return r, err
	}
	r.Artifact = &object
	fmt.Fprintf(out, "Stored %d bytes as sha256:%s.\n", object.SizeBytes, object.SHA256)
	return r, nil
}

// merged is what fetch and build reported.
func merged(root *os.Root) (report.Report, error) {
	fetched, err := load(root, bundleFile)
	if err != nil {
		return report.Report{}, err
	}
	built, err := load(root, resultFile)
	if err != nil {
		return report.Report{}, err
	}
	built.Bundle, built.Cut = fetched.Bundle, fetched.Cut || built.Cut
	built.Error, built.Reason, built.Retry, built.Artifact = "", "", false, nil
	built.Warnings = append(fetched.Warnings, built.Warnings...)
	return built, nil
}

// load reads a report that the build could have replaced by anything.
func load(root *os.Root, name string) (report.Report, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return report.Report{}, fmt.Errorf("reading %s: %w", name, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return report.Report{}, report.Fail(report.BuildFailed, "The build replaced %s. It may write only below its own folder.", name)
	}
	text, err := io.ReadAll(io.LimitReader(file, report.Limit+1))
	if err != nil {
		return report.Report{}, fmt.Errorf("reading %s: %w", name, err)
	}
	r, err := report.Decode(text)
	if err != nil {
		return r, report.Fail(report.BuildFailed, "The build replaced %s. It may write only below its own folder.", name)
	}
	return r, nil
}

// pack writes the artifact into file and says what it is.
func pack(ctx context.Context, root *os.Root, file *os.File) (report.Object, []string, error) {
	if info, err := root.Lstat(appFolder); err != nil || !info.IsDir() {
		return report.Object{}, nil, report.Fail(report.BuildFailed, "The build removed or replaced its own folder. It must leave the application there.")
	}
	app, err := root.OpenRoot(appFolder)
	if err != nil {
		return report.Object{}, nil, fmt.Errorf("opening what was built: %w", err)
	}
	defer app.Close()
	hash := sha256.New()
	limits := archive.DefaultLimits()
	bounded := &bounded{out: io.MultiWriter(file, hash), left: limits.Archive, limit: limits.Archive}
	summary, err := archive.Pack(ctx, app, bounded, limits)
	if errors.Is(err, fs.ErrPermission) {
		err = report.Fail(report.BuildFailed, "The build left files that cannot be read: %v. Let it make them readable for their owner.", err)
	}
	if err != nil {
		return report.Object{}, summary.Warnings, err
	}
	object := report.Object{SHA256: hex.EncodeToString(hash.Sum(nil)), SizeBytes: limits.Archive - bounded.left, Files: summary.Entries}
	return object, summary.Warnings, nil
}

// bounded refuses an artifact that the store would refuse.
type bounded struct {
	out         io.Writer
	left, limit int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, report.Fail(report.ArtifactTooLarge, "What was built is larger than %d bytes when packed. Let the build remove what the application does not need.", b.limit)
	}
	return b.out.Write(p)
}
