// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Builder runs commands of the bundle in its folder.
type Builder struct {
	// Folder is the absolute path of the unpacked bundle, Env the whole environment of the commands.
	Folder string
	Env    []string
	// Output takes what the commands print.
	Output io.Writer
}

// task is one command to run.
type task struct {
	what    string
	argv    []string
	cwd     string
	env     []string
	timeout time.Duration
}

// graceful is how long the remains of an ended command may hold on to its output.
const graceful = 5 * time.Second

// execute runs a command with all its children, and words its failure with its last lines.
func (b Builder) execute(ctx context.Context, t task) error {
	if t.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.timeout)
		defer cancel()
	}
	fmt.Fprintf(b.Output, "--- %s\n", t.what)
	last := &tail{}
	command := exec.CommandContext(ctx, t.argv[0], t.argv[1:]...) //nolint:gosec // running the user's commands is what a build is
	command.Dir, command.Env = b.cwd(t.cwd), append(b.Env[:len(b.Env):len(b.Env)], t.env...)
	command.Stdout = io.MultiWriter(b.Output, last)
	command.Stderr = command.Stdout
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = graceful
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && t.timeout > 0:
		return report.Fail(report.BuildFailed, "%s took longer than %s and was ended.%s", t.what, t.timeout, last)
	case ctx.Err() != nil:
		return report.FailForNow(report.BuildFailed, "%s was interrupted because the build was ended. Try again.", t.what)
	case errors.As(err, &exit):
		return report.Fail(report.BuildFailed, "%s ended with %s.%s", t.what, state(exit.ProcessState), last)
	}
	return report.Fail(report.BuildFailed, "%s could not be started: %v. Check that the file exists, is executable, and names an interpreter that the build image has.", t.what, err)
}

func (b Builder) cwd(folder string) string {
	if filepath.IsAbs(folder) {
		return folder
	}
	return filepath.Join(b.Folder, folder)
}

func state(s *os.ProcessState) string {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		if status.Signal() == syscall.SIGKILL {
			return "signal 9; it may have had too little memory"
		}
		return fmt.Sprintf("signal %d", status.Signal())
	}
	return fmt.Sprintf("exit code %d", s.ExitCode())
}

// tail keeps the last bytes that were written to it.
type tail struct{ kept []byte }

const tailSize = 700

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*tailSize {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-tailSize:]...)
	}
	return len(p), nil
}

// String shows the last lines, without anything that moves a terminal's cursor.
func (t *tail) String() string {
	kept := t.kept[max(0, len(t.kept)-tailSize):]
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(kept), ""))
	if text = strings.TrimSpace(text); text == "" {
		return ""
	}
	return " Its last lines: " + text
}
