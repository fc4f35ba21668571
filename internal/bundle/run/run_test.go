// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

const token = "canary-token"

// fakeStore keeps objects by path, as the operator's store does.
type fakeStore struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string][]byte
	// spoil changes what is sent.
	spoil func([]byte) []byte
	// absent is how many requests fail before the store is there.
	absent int
}

func newStore(t *testing.T) *fakeStore {
	t.Helper()
	s := &fakeStore{objects: map[string][]byte{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *fakeStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.absent > 0 {
		s.absent--
		http.Error(w, "{\"error\":\"starting\"}", http.StatusServiceUnavailable)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+token {
		http.Error(w, "{\"error\":\"who are you\"}", http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodPut {
		s.objects[r.URL.Path], _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		return
	}
	object, ok := s.objects[r.URL.Path]
	if !ok {
		http.Error(w, "{\"error\":\"no such object\"}", http.StatusNotFound)
		return
	}
	if s.spoil != nil {
		object = s.spoil(bytes.Clone(object))
	}
	_, _ = w.Write(object)
}

// zipped makes a bundle; names that end in * are executable.
func zipped(t *testing.T, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i := 0; i < len(files); i += 2 {
		header := &zip.FileHeader{Name: strings.TrimSuffix(files[i], "*"), Method: zip.Deflate}
		header.SetMode(0o644)
		if strings.HasSuffix(files[i], "*") {
			header.SetMode(0o755)
		}
		f, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, files[i+1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// bench is one shared folder with a store.
type bench struct {
	t          *testing.T
	store      *fakeStore
	root, into string
	token      string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, store: newStore(t), root: t.TempDir(), into: t.TempDir()}
	b.token = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(b.token, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// bundle runs one sub-command as the pod does.
func (b *bench) bundle(name string, args ...string) (report.Report, int) {
	b.t.Helper()
	result := filepath.Join(b.t.TempDir(), "result")
	args = append([]string{name, "--result", result}, args...)
	if name != "install" {
		args = append(args, "--root", b.root)
	}
	if name != "build" {
		args = append(args, "--store", b.store.URL, "--namespace", "team", "--token-file", b.token)
	}
	var out bytes.Buffer
	code := Main(context.Background(), args, &out)
	text, err := os.ReadFile(result)
	if err != nil {
		b.t.Fatalf("%s wrote no result: %v\n%s", name, err, out.String())
	}
	r, err := report.Decode(text)
	if err != nil || len(text) > report.Limit {
		b.t.Fatalf("%s wrote %d bytes: %v", name, len(text), err)
	}
	if strings.Contains(out.String()+string(text), token) {
		b.t.Errorf("%s showed the token", name)
	}
	return r, code
}

func (b *bench) must(name string, args ...string) report.Report {
	b.t.Helper()
	r, code := b.bundle(name, args...)
	if code != 0 || r.Error != "" {
		b.t.Fatalf("%s: exit code %d: %+v", name, code, r)
	}
	return r
}

func (b *bench) upload(content []byte) {
	b.store.objects["/v1/namespaces/team/uploads/v1"] = content
}

// The whole way of a bundle, with every file by which it speaks to Beanstalk.
func TestBundleFromUploadToInstance(t *testing.T) {
	b := newBench(t)
	archive := zipped(t,
		"Procfile", "web: ./server --port=$PORT\nworker: ./worker\n",
		"Buildfile", "make: echo buildfile >> order\n",
		"cron.yaml", "version: 1\n",
		".platform/hooks/prebuild/01.sh*", "#!/bin/sh\necho prebuild >> order\n",
		".platform/hooks/predeploy/01.sh*", "#!/bin/sh\necho predeploy >> order\n",
		".platform/hooks/predeploy/02.sh", "#!/bin/sh\nexit 1\n",
		".platform/hooks/postdeploy/01.sh*", "#!/bin/sh\necho postdeploy >> order\n",
		".platform/hooks/postdeploy/02.sh", "#!/bin/sh\n",
		".platform/confighooks/postdeploy/01.sh*", "#!/bin/sh\n",
		".platform/nginx/conf.d/x.conf", "",
		".ebextensions/01.config", `
packages: {yum: {git: []}}
option_settings:
  aws:elasticbeanstalk:application:environment: {MODE: fast}
container_commands:
  02_second: {command: 'echo "second $X" >> order', env: {X: y}}
  01_first: {command: [sh, -c, "echo first >> order"]}
  03_never: {command: exit 1, test: "false"}
  04_ignored: {command: exit 3, ignoreErrors: true}
  05_migrate: {command: ./migrate, leader_only: true}
`)
	b.upload(archive)
	t.Setenv(instructionsVariable, `{"build":{"command":["sh","-c","echo platform $PORT >> order; test -w $HOME"],"when":{"fileExists":"Procfile"}},"port":5000,"processes":{"worker":"./other"}}`)

	fetched := b.must("fetch", "--url", "store://v1", "--sha256", digest(archive))
	if diff := cmp.Diff(&report.Object{SHA256: digest(archive), SizeBytes: int64(len(archive)), Files: 21}, fetched.Bundle); diff != "" {
		t.Error(diff)
	}
	b.must("build")
	pushed := b.must("push")
	want := report.Report{
		Bundle: fetched.Bundle, Artifact: pushed.Artifact, Seconds: pushed.Seconds,
		Processes: map[string]string{"web": "./server --port=$PORT", "worker": "./other"},
		Release:   []string{"sh", "-c", "(\n./migrate\n) || exit $?"}, Postdeploy: true,
		Warnings: []string{
			"The container command 04_ignored of .ebextensions/01.config ended with exit code 3.",
			".platform/hooks/predeploy/02.sh is not executable; it was not run. Pack it with chmod +x.",
			".platform/hooks/postdeploy/02.sh is not executable; it was not run. Pack it with chmod +x.",
		},
		Unsupported: []string{".ebextensions/01.config: packages", ".platform/confighooks/postdeploy/01.sh", ".platform/nginx/conf.d/x.conf"},
		Options:     []report.Option{{Namespace: "aws:elasticbeanstalk:application:environment", Name: "MODE", Value: "fast"}},
	}
	if diff := cmp.Diff(want, pushed); diff != "" {
		t.Error(diff)
	}

	installed := b.must("install", "--sha256", pushed.Artifact.SHA256, "--into", b.into)
	if diff := cmp.Diff(pushed.Artifact, installed.Artifact); diff != "" {
		t.Error(diff)
	}
	order, err := os.ReadFile(filepath.Join(b.into, "order"))
	if diff := cmp.Diff("prebuild\nbuildfile\nplatform 5000\nfirst\nsecond y\npredeploy\n", string(order)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, script := range []string{b.into + "/.platform/hooks/prebuild/01.sh", b.root + "/bin/bundle"} {
		if info, err := os.Stat(script); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v", script, err)
		}
	}
	if again := b.must("push"); again.Artifact.SHA256 != pushed.Artifact.SHA256 {
		t.Error("the same tree has another digest")
	}
}

func TestFailuresAreReported(t *testing.T) {
	plain := zipped(t, "a.txt", "a")
	for _, tc := range []struct {
		name, instructions string
		archive            []byte
		args               []string
		want               report.Reason
		says               string
	}{
		{name: "wrong digest", archive: plain, args: []string{"fetch", "--url", "store://v1", "--sha256", digest(nil)}, want: report.DigestMismatch, says: digest(plain)},
		{name: "no archive", archive: []byte("hello"), args: []string{"fetch", "--url", "store://v1"}, want: report.ArchiveRefused, says: "no ZIP"},
		{name: "refused scheme", archive: plain, args: []string{"fetch", "--url", "file:///etc/passwd"}, want: report.FetchFailed, says: "not valid"},
		{name: "no such scheme", archive: plain, args: []string{"fetch", "--url", "http://host/x"}, want: report.FetchFailed, says: "\"http\""},
		{name: "no start command", archive: plain, args: []string{"build"}, want: report.NoStartCommand, says: "no Procfile",
			instructions: `{"start":{"rules":[{"when":{"fileExists":"manage.py"},"command":"x"}]}}`},
		{name: "bad Procfile", archive: zipped(t, "Procfile", "web node"), args: []string{"build"}, want: report.BuildFailed, says: "Line 1 of Procfile"},
		{name: "failing build", archive: plain, args: []string{"build"}, want: report.BuildFailed, says: "exit code 7. Its last lines: no luck",
			instructions: `{"build":{"command":["sh","-c","echo no luck; exit 7"]}}`},
		{name: "slow build", archive: plain, args: []string{"build"}, want: report.BuildFailed, says: "took longer than 1s",
			instructions: `{"build":{"command":["sh","-c","sleep 60 & sleep 60"],"timeoutSeconds":1}}`},
		{name: "failing hook", archive: zipped(t, ".platform/hooks/prebuild/x*", "#!/bin/sh\nexit 1"), args: []string{"build"}, want: report.BuildFailed, says: "The hook .platform/hooks/prebuild/x"},
		{name: "hook of no interpreter", archive: zipped(t, ".platform/hooks/prebuild/x*", "#!/bin/nothing\n"), args: []string{"build"}, want: report.BuildFailed, says: "could not be started"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			b.upload(tc.archive)
			t.Setenv(instructionsVariable, tc.instructions)
			if tc.args[0] != "fetch" {
				b.must("fetch", "--url", "store://v1")
			}
			r, code := b.bundle(tc.args[0], tc.args[1:]...)
			if code != 1 || r.Reason != tc.want || !strings.Contains(r.Error, tc.says) || r.Retry {
				t.Errorf("exit code %d: %+v", code, r)
			}
		})
	}
}

func TestInstallLeavesNothingOfAWrongArtifact(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"one byte":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"more":      func(b []byte) []byte { return append(b, b...) },
		"other":     func([]byte) []byte { return []byte("hello") },
	} {
		t.Run(name, func(t *testing.T) {
			b := built(t)
			pushed := b.must("push")
			b.store.spoil = spoil
			r, code := b.bundle("install", "--sha256", pushed.Artifact.SHA256, "--into", b.into)
			left, err := os.ReadDir(b.into)
			if code != 1 || r.Reason != report.DigestMismatch || len(left) != 0 || err != nil {
				t.Errorf("exit code %d, %d files left, %v: %+v", code, len(left), err, r)
			}
		})
	}
}

func TestStoreThatComesLate(t *testing.T) {
	b := built(t)
	b.store.absent = 2
	pushed := b.must("push")
	b.store.absent = 2
	b.must("install", "--sha256", pushed.Artifact.SHA256, "--into", b.into)
}

func built(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.upload(zipped(t, "Procfile", "web: ./x", "dir/data", fmt.Sprint(make([]int, 10000))))
	b.must("fetch", "--url", "store://v1")
	b.must("build")
	return b
}
