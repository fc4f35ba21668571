// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package worker kills: the real worker daemons, applications and brokers, while numbered messages pass through them. What the
// broker acknowledged is compared with what the applications wrote down and what lies among the dead letters.
package worker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// The test binary is its own application and its own careless daemon: these variables make it one.
const (
	envApplication = "WORKER_APPLICATION"
	envLedger      = "WORKER_LEDGER"
	envCareless    = "WORKER_CARELESS"
)

// daemonProgram is built once for all tests.
var daemonProgram string

func TestMain(m *testing.M) {
	if address := os.Getenv(envApplication); address != "" {
		os.Exit(application(address, os.Getenv(envLedger)))
	}
	if os.Getenv(envCareless) != "" {
		os.Exit(careless())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "workerd-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		daemonProgram = filepath.Join(dir, "workerd")
		build := exec.Command("go", "build", "-o", daemonProgram, "../../cmd/workerd")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the daemon: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// count is a number that the environment may change.
func count(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}
