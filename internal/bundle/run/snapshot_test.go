// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// snapshot runs snapshot push or snapshot fetch as the pod does.
func (b *bench) snapshot(command string, args ...string) (report.Report, int) {
	b.t.Helper()
	result := filepath.Join(b.t.TempDir(), "result")
	args = append([]string{"snapshot", command, "--result", result, "--store", b.store.URL, "--namespace", "team", "--token-file", b.token}, args...)
	var out bytes.Buffer
	code := Main(b.t.Context(), args, &out)
	text, err := os.ReadFile(result)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, out.String())
	}
	r, err := report.Decode(text)
	if err != nil || strings.Contains(out.String()+string(text), token) {
		b.t.Errorf("%v\n%s", err, out.String())
	}
	return r, code
}

func TestSnapshot(t *testing.T) {
	b := newBench(t)
	dump, back := filepath.Join(b.root, "dump"), filepath.Join(b.into, "dump")
	content := bytes.Repeat([]byte("rows"), 1000)
	if err := os.WriteFile(dump, content, 0o600); err != nil {
		t.Fatal(err)
	}
	want := &report.Object{SHA256: digest(content), SizeBytes: int64(len(content))}
	r, code := b.snapshot("push", "--name", "final", "--file", dump)
	if diff := cmp.Diff(want, r.Snapshot); diff != "" || code != 0 || !bytes.Equal(b.store.objects["/v1/namespaces/team/snapshots/final"], content) {
		t.Errorf("push: exit code %d: %+v\n%s", code, r, diff)
	}
	r, code = b.snapshot("fetch", "--name", "final", "--file", back)
	if text, err := os.ReadFile(back); code != 0 || err != nil || !bytes.Equal(text, content) || cmp.Diff(want, r.Snapshot) != "" {
		t.Errorf("fetch: exit code %d: %+v %v", code, r, err)
	}
	if err := os.Remove(back); err != nil {
		t.Fatal(err)
	}
	if r, code = b.snapshot("fetch", "--name", "none", "--file", back, "--unless", b.root); code != 0 || r.Snapshot != nil {
		t.Errorf("fetch of what is needed no more: exit code %d: %+v", code, r)
	}
	if files, _ := os.ReadDir(b.into); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
}

func TestSnapshotFails(t *testing.T) {
	b := newBench(t)
	empty := filepath.Join(b.root, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"no name":          {[]string{"push", "--file", empty}, "needed"},
		"no file":          {[]string{"fetch", "--name", "final"}, "needed"},
		"an empty dump":    {[]string{"push", "--name", "final", "--file", empty}, "The dump is empty"},
		"a dump not there": {[]string{"push", "--name", "final", "--file", b.root + "/none"}, "opening the dump"},
	} {
		if r, code := b.snapshot(tc.args[0], tc.args[1:]...); code != 1 || !strings.Contains(r.Error, tc.says) {
			t.Errorf("%s: exit code %d: %+v", name, code, r)
		}
	}
	if len(b.store.objects) > 0 {
		t.Error("something was stored")
	}
	var out strings.Builder
	for _, args := range [][]string{{"snapshot"}, {"snapshot", "other"}} {
		if code := Main(t.Context(), args, &out); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
