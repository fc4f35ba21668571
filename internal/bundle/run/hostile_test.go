// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// A build runs the user's code in the folder that push reads with a token at hand. Nothing that it leaves there may lead push astray.
func TestPushAfterAHostileBuild(t *testing.T) {
	for name, tc := range map[string]struct {
		leave func(root, secret string) error
		want  report.Reason
	}{
		"app becomes a link to the token": {func(root, secret string) error {
			return errors.Join(os.RemoveAll(root+"/app"), os.Symlink(filepath.Dir(secret), root+"/app"))
		}, report.BuildFailed},
		"app becomes a file": {func(root, _ string) error {
			return errors.Join(os.RemoveAll(root+"/app"), os.WriteFile(root+"/app", nil, 0o600))
		}, report.BuildFailed},
		"app is gone":               {func(root, _ string) error { return os.RemoveAll(root + "/app") }, report.BuildFailed},
		"links to the token inside": {func(root, secret string) error { return os.Symlink(secret, root+"/app/l") }, ""},
		"the result becomes a pipe": {func(root, _ string) error {
			return errors.Join(os.Remove(root+"/result.json"), syscall.Mkfifo(root+"/result.json", 0o600))
		}, report.BuildFailed},
		"the result becomes a link": {func(root, secret string) error {
			return errors.Join(os.Remove(root+"/result.json"), os.Symlink(secret, root+"/result.json"))
		}, report.Internal},
		"the result is no JSON":          {func(root, _ string) error { return os.WriteFile(root+"/result.json", []byte("{"), 0o600) }, report.BuildFailed},
		"the result is huge":             {func(root, _ string) error { return os.Truncate(root+"/result.json", 1<<40) }, report.BuildFailed},
		"the temporary file is a link":   {func(root, secret string) error { return os.Symlink(secret, root+"/"+packedFile) }, ""},
		"the temporary file is a folder": {func(root, _ string) error { return os.MkdirAll(root+"/"+packedFile+"/x", 0o700) }, ""},
		"the result claims another outcome": {func(root, _ string) error {
			return os.WriteFile(root+"/result.json", []byte("{\"error\":\"x\",\"reason\":\"Internal\",\"artifact\":{\"sha256\":\"x\"},\"processes\":{\"web\":\"x\"}}"), 0o600)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := built(t)
			if err := tc.leave(b.root, b.token); err != nil {
				t.Fatal(err)
			}
			r, code := b.bundle("push")
			if r.Reason != tc.want || (code == 0) != (tc.want == "") || (r.Artifact != nil) != (tc.want == "") {
				t.Errorf("exit code %d: %+v", code, r)
			}
			if text, err := os.ReadFile(b.token); err != nil || string(text) != token+"\n" {
				t.Error("the token was overwritten")
			}
			for path, object := range b.store.objects {
				if strings.Contains(path, "artifacts") && strings.Contains(string(object), token) {
					t.Error("the token was stored")
				}
			}
		})
	}
}

// The file at an address may change between two downloads; what is unpacked is always what was checked.
func TestChangingContent(t *testing.T) {
	b := newBench(t)
	good := zipped(t, "Procfile", "web: good")
	var asked atomic.Int32
	b.upload(good)
	b.store.spoil = func([]byte) []byte { return zipped(t, "Procfile", fmt.Sprint("web: evil", asked.Add(1))) }
	r, code := b.bundle("fetch", "--url", "store://v1", "--sha256", digest(good))
	if _, err := os.Lstat(b.root + "/app"); code != 1 || r.Reason != report.DigestMismatch || err == nil || asked.Load() != 1 {
		t.Errorf("exit code %d after %d downloads: %+v", code, asked.Load(), r)
	}
	first, second := b.must("fetch", "--url", "store://v1"), b.must("fetch", "--url", "store://v1")
	text, err := os.ReadFile(b.root + "/app/Procfile")
	if err != nil || string(text) != "web: evil3" || first.Bundle.SHA256 == second.Bundle.SHA256 {
		t.Errorf("%s %v", text, err)
	}
}

func TestFetchRefusesItsOwnHost(t *testing.T) {
	b := newBench(t)
	for _, url := range []string{"https://127.0.0.1:1/x", "https://[::1]:1/x", "https://169.254.169.254/x", "oci://127.0.0.1:1/x:y"} {
		if r, code := b.bundle("fetch", "--url", url); code != 1 || r.Reason != report.FetchFailed || !strings.Contains(r.Error, "may not be fetched from") {
			t.Errorf("%s: exit code %d: %+v", url, code, r)
		}
	}
	if r, code := b.bundle("fetch", "--url", "https://127.0.0.1:1/x", "--allow", "nonsense"); code != 1 || r.Reason != report.Internal {
		t.Errorf("%+v", r)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"other"}, {"fetch", "--nonsense"}, {"fetch", "argument"}} {
		var out strings.Builder
		if code := Main(t.Context(), args, &out); code != 2 || out.Len() == 0 {
			t.Errorf("%v: exit code %d, %q", args, code, out.String())
		}
	}
}

func TestFlagsThatAreMissing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"fetch"}, {"build"}, {"push"}, {"install"}, {"fetch", "--root", t.TempDir(), "--url", "store://x"}, {"install", "--store", "x", "--namespace", "x", "--token-file", "x"}} {
		var out strings.Builder
		result := filepath.Join(t.TempDir(), "r")
		if code := Main(t.Context(), append(args, "--result", result), &out); code != 1 || !strings.Contains(out.String(), "needed") {
			t.Errorf("%v: exit code %d, %q", args, code, out.String())
		}
	}
}
