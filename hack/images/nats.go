// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// natsSpecs makes an image of the pinned server that hack/tools/build compiles, so that none has to be pulled.
func natsSpecs(b *builder) ([]spec, error) {
	base, err := baseLayer()
	if err != nil {
		return nil, err
	}
	program, err := b.tool("nats-server", "/nats-server")
	if err != nil {
		return nil, err
	}
	return []spec{{
		reference: "localhost/nats:1", title: "nats", version: "1",
		layers:     [][]file{base, {program}},
		entrypoint: []string{"/nats-server"},
	}}, nil
}

// tool is a program that hack/tools/build compiles, as the file path of an image.
func (b *builder) tool(name, path string) (file, error) {
	cmd := exec.Command(filepath.Join(b.root, "hack", "tools", "build"), name)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return file{}, fmt.Errorf("building %s: %w", name, err)
	}
	data, err := os.ReadFile(strings.TrimSpace(string(out)))
	if err != nil {
		return file{}, err
	}
	return file{path: path, mode: 0o755, data: data}, nil
}
