// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// builder compiles programs of this repository into static binaries.
type builder struct {
	root    string // of the repository
	dir     string // for binaries, gone with close
	release bool
}

func newBuilder(release bool) (*builder, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("finding the module: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return nil, fmt.Errorf("run this inside the repository")
	}
	dir, err := os.MkdirTemp("", "beanpod-images-")
	if err != nil {
		return nil, err
	}
	return &builder{root: filepath.Dir(mod), dir: dir, release: release}, nil
}

func (b *builder) close() { _ = os.RemoveAll(b.dir) }

// program compiles a package and returns it as the file path of an image.
func (b *builder) program(pkg, path, ldflags string) (file, error) {
	out := filepath.Join(b.dir, filepath.Base(path))
	args := []string{"build", "-buildvcs=false", "-ldflags", strings.TrimSpace("-s -w " + ldflags), "-o", out}
	if b.release {
		args = append(args, "-trimpath") // not always: it would compile every dependency a second time
	}
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return file{}, fmt.Errorf("compiling %s: %w\n%s", pkg, err, stderr.String())
	}
	data, err := os.ReadFile(out)
	if err != nil {
		return file{}, err
	}
	return file{path: path, mode: 0o755, data: data}, nil
}

// tool is the program that hack/tools/build compiles from a pin, as the file path of an image.
func (b *builder) tool(name, path string) (file, error) {
	cmd := exec.Command(filepath.Join(b.root, "hack", "tools", "build"), name)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return file{}, fmt.Errorf("building %s: %w", name, err)
	}
	data, err := os.ReadFile(strings.TrimSpace(string(out)))
	return file{path: path, mode: 0o755, data: data}, err
}
