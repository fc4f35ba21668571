// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// TestProbe runs the command as the pod does: what it finds is in the result and in the exit code, and the password is nowhere.
func TestProbe(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	binding := t.TempDir()
	for key, text := range map[string]string{"type": "oracle-ee", "host": "127.0.0.1", "port": port, "database": "shop", "username": "app", "password": "canary"} {
		if err := os.WriteFile(filepath.Join(binding, key), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	probe := func(args ...string) (report.Report, int) {
		t.Helper()
		var out bytes.Buffer
		result := filepath.Join(t.TempDir(), "result")
		code := Main(t.Context(), append([]string{"probe", "--result", result, "--pause", "1ms"}, args...), &out)
		text, err := os.ReadFile(result)
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		r, err := report.Decode(text)
		if err != nil || strings.Contains(out.String()+string(text), "canary") {
			t.Errorf("%v\n%s%s", err, out.String(), text)
		}
		return r, code
	}
	if r, code := probe("--binding", binding); code != 0 || r.Probe == nil || r.Probe.Login || !strings.HasPrefix(r.Probe.Text, listener.Addr().String()+" takes connections") {
		t.Errorf("exit code %d: %+v", code, r)
	}
	_ = listener.Close()
	if r, code := probe("--binding", binding); code != 1 || r.Probe != nil || r.Reason != report.ConnectionRefused || !r.Retry {
		t.Errorf("nobody listens: exit code %d: %+v", code, r)
	}
	if r, code := probe("--binding", t.TempDir()); code != 1 || r.Reason != report.Internal {
		t.Errorf("no Secret: exit code %d: %+v", code, r)
	}
	if r, code := probe(); code != 1 || !strings.Contains(r.Error, "--binding") {
		t.Errorf("no flag: exit code %d: %+v", code, r)
	}
}
