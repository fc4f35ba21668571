// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package beanstalk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// Process is one line of a Procfile or Buildfile.
type Process struct{ Name, Command string }

const (
	maxFile      = 64 << 10
	maxProcesses = 10
	maxCommand   = 2048
)

var line = regexp.MustCompile(`^([A-Za-z0-9_-]{1,63}):\s*(\S.*?)\s*$`)

// ReadLines reads a Procfile or Buildfile, in its order; nil when there is none.
func ReadLines(bundle fs.FS, file string) ([]Process, error) {
	text, err := read(bundle, file)
	if text == nil || err != nil {
		return nil, err
	}
	var out []Process
	seen := map[string]bool{}
	scanner := bufio.NewScanner(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff")))
	scanner.Buffer(nil, maxFile+1)
	for number := 1; scanner.Scan(); number++ {
		trimmed := strings.TrimSpace(scanner.Text())
		if trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		match := line.FindStringSubmatch(scanner.Text())
		switch {
		case match == nil:
			return nil, wrongLine(file, number, "is not of the form name: command")
		case seen[match[1]]:
			return nil, wrongLine(file, number, "names "+match[1]+" a second time")
		case len(match[2]) > maxCommand:
			return nil, wrongLine(file, number, fmt.Sprintf("has a command of %d bytes; the limit is %d. Put it into a script", len(match[2]), maxCommand))
		case len(out) == maxProcesses:
			return nil, wrongLine(file, number, fmt.Sprintf("is one more than the limit of %d", maxProcesses))
		}
		seen[match[1]] = true
		out = append(out, Process{match[1], match[2]})
	}
	return out, scanner.Err()
}

func wrongLine(file string, number int, what string) error {
	return report.Fail(report.BuildFailed, "Line %d of %s %s. Mend it and upload the bundle again.", number, file, what)
}

// read reads a small file; nil when there is none.
func read(bundle fs.FS, file string) ([]byte, error) {
	in, err := bundle.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(file)
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, unreadable(file)
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, unreadable(file)
	}
	if len(text) > maxFile {
		return nil, report.Fail(report.BuildFailed, "The file %s is larger than %d bytes. Make it shorter.", file, maxFile)
	}
	return append([]byte{}, text...), nil
}

func unreadable(file string) error {
	return report.Fail(report.BuildFailed, "The file %s of the bundle cannot be read. It must be an ordinary file.", file)
}

// CheckCron refuses a cron.yaml that the queue daemon of a worker could not read. It reads the file itself, beside the application.
func CheckCron(bundle fs.FS) error {
	text, err := read(bundle, "cron.yaml")
	if err != nil || text == nil {
		return err
	}
	if _, err := contract.ParseCron(text); err != nil {
		return report.Fail(report.BuildFailed, "The bundle's cron.yaml cannot be used: %s.", strings.TrimSuffix(err.Error(), "."))
	}
	return nil
}
