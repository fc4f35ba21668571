// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestKeyStore lets Java itself read the key store.
func TestKeyStore(t *testing.T) {
	t.Parallel()
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Skip("keytool is not here: no Java can read the key store")
	}
	bundle, err := os.ReadFile(authorities)
	if err != nil {
		t.Skip(err)
	}
	count := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		count++
	}
	path := filepath.Join(t.TempDir(), "cacerts")
	if err := os.WriteFile(path, keyStore(bundle), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(keytool, "-list", "-keystore", path, "-storepass", "changeit").CombinedOutput()
	if err != nil {
		t.Fatalf("keytool: %v\n%s", err, out)
	}
	if got := strings.Count(string(out), "trustedCertEntry"); got != count || !slices.Contains(strings.Fields(string(out)), "JKS") {
		t.Errorf("keytool lists %d certificates, want %d:\n%.300s", got, count, out)
	}
}
