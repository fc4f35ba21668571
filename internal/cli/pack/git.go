// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// tree is what git says belongs into a bundle.
type tree struct {
	dir string
	// id of the tree or commit.
	id              string
	commit, subject string
	staged          bool
}

func findTree(ctx context.Context, dir string, staged bool) (*tree, error) {
	t := &tree{dir: dir, staged: staged}
	head, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%s is in a git repository, and the program git is not there; install it, or make a file %s, which switches git off", dir, IgnoreFile)
	case err != nil && !staged:
		return nil, fmt.Errorf("the git repository of %s has no commit yet; commit first, or use --staged to deploy the index", dir)
	case err == nil:
		t.commit = head
		if t.subject, err = git(ctx, dir, "log", "-1", "--format=%s", head); err != nil {
			return nil, err
		}
	}
	t.id = t.commit
	if staged {
		if t.id, err = git(ctx, dir, "write-tree"); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// fill packs what `git archive` gives, for the part of the tree below dir. It honours export-ignore and export-subst.
func (t *tree) fill(ctx context.Context, b *Bundle, a *archive) error {
	b.Commit, b.Subject, b.Origin = t.commit, t.subject, "git index"
	if !t.staged {
		b.Origin = "git HEAD " + t.commit[:min(len(t.commit), 10)]
	}
	var err error
	if b.Warnings, err = t.left(ctx); err != nil {
		return err
	}
	// Line ends, and the bits of modes, must not depend on whose machine this is.
	command := command(ctx, t.dir, "-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "tar.umask=0022", "archive", "--format=tar", t.id)
	out, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("running git archive: %w", err)
	}
	var problems bytes.Buffer
	command.Stderr = &problems
	if err := command.Start(); err != nil {
		return fmt.Errorf("running git archive: %w", err)
	}
	failure := fillTar(out, a)
	if failure != nil {
		_ = command.Process.Kill() // it writes to a pipe that nobody reads any more
	}
	if err := command.Wait(); err != nil && (failure == nil || problems.Len() > 0) {
		return fmt.Errorf("git archive: %w %s", err, strings.TrimSpace(problems.String()))
	}
	return failure
}

func fillTar(from io.Reader, a *archive) error {
	for reader := tar.NewReader(from); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			// git fills its last block with zeros; unread, they would break its pipe.
			_, err = io.Copy(io.Discard, from)
			return err
		}
		if err != nil {
			return fmt.Errorf("reading what git archive wrote: %w", err)
		}
		switch header.Typeflag {
		case tar.TypeReg:
			err = a.add(header.Name, fs.FileMode(header.Mode&0o777), reader)
		case tar.TypeSymlink:
			err = a.add(header.Name, fs.ModeSymlink, strings.NewReader(header.Linkname))
		}
		if err != nil {
			return err
		}
	}
}

// left names what a person may expect in the bundle and will not find.
func (t *tree) left(ctx context.Context) ([]string, error) {
	var out []string
	list, err := git(ctx, t.dir, "ls-tree", "-r", t.id)
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(list, "\n") {
		if about, name, ok := strings.Cut(line, "\t"); ok && strings.HasPrefix(about, "160000 ") {
			out = append(out, fmt.Sprintf("submodule %s is not in the bundle; to have its files, make a file %s, which switches git off", name, IgnoreFile))
		}
	}
	changes, err := t.changes(ctx)
	return append(out, changes...), err
}

// changes tells of those that are not in the tree.
func (t *tree) changes(ctx context.Context) ([]string, error) {
	list, err := git(ctx, t.dir, "status", "--porcelain", "--untracked-files=all", "--", ".")
	if err != nil {
		return nil, err
	}
	changed := 0
	for line := range strings.SplitSeq(list, "\n") {
		if len(line) > 1 && (!t.staged || line[1] != ' ') {
			changed++
		}
	}
	switch {
	case changed > 0 && t.staged:
		return []string{fmt.Sprintf("changes of %s are not in the index and not in the bundle; add them by git add", Count(changed))}, nil
	case changed > 0:
		return []string{fmt.Sprintf("changes of %s are not committed and not in the bundle; commit them, or use --staged to deploy the index", Count(changed))}, nil
	}
	return nil, nil
}

func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	out := exec.CommandContext(ctx, "git", args...)
	out.Dir = dir
	// Another git at work here must not be disturbed by our looking.
	out.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C")
	return out
}

// git returns what a git command prints, without the last line end.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	run := command(ctx, dir, args...)
	var problems bytes.Buffer
	run.Stderr = &problems
	out, err := run.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w %s", args[0], err, strings.TrimSpace(problems.String()))
	}
	return strings.TrimRight(string(out), "\n"), nil
}
