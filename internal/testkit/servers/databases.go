// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Database finds a file of a database server, the last one that a pattern fits. It skips the test without the servers, which
// `make test-integration` installs.
func Database(t *testing.T, pattern string) string {
	t.Helper()
	if os.Getenv("POSTGRES") == "" {
		t.Skip("needs PostgreSQL and MariaDB; `make test-integration` installs them and sets POSTGRES")
	}
	found, _ := filepath.Glob(pattern) //nolint:errcheck // the pattern is the test's
	if len(found) == 0 {
		t.Fatalf("POSTGRES is set, and there is no %s; `make test-integration` installs it", pattern)
	}
	return found[len(found)-1]
}

// Folder makes a folder for a database server, and says as whom it runs: such servers refuse root. The folder is the account's.
func Folder(t *testing.T) (dir string, account *syscall.Credential) {
	t.Helper()
	dir, err := os.MkdirTemp("", "db") // short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	account = &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())} //nolint:gosec // small numbers
	if account.Uid != 0 {
		return dir, account
	}
	postgres, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	number := func(text string) uint32 {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	account.Uid, account.Gid = number(postgres.Uid), number(postgres.Gid)
	if err := os.Chown(dir, int(account.Uid), int(account.Gid)); err != nil {
		t.Fatal(err)
	}
	return dir, account
}

// FreePort is that of FreeAddress.
func FreePort(t *testing.T) string {
	t.Helper()
	address, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
