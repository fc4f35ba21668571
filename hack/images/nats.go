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
	cmd := exec.Command(filepath.Join(b.root, "hack", "tools", "build"), "nats-server")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("building nats-server: %w", err)
	}
	data, err := os.ReadFile(strings.TrimSpace(string(out)))
	if err != nil {
		return nil, err
	}
	base, err := baseLayer()
	if err != nil {
		return nil, err
	}
	return []spec{{
		reference: "localhost/nats:1", title: "nats", version: "1",
		layers:     [][]file{base, {{path: "/nats-server", mode: 0o755, data: data}}},
		entrypoint: []string{"/nats-server"},
	}}, nil
}
