// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	catalogue "github.com/beanpod-dev/beanpod/config/platforms"
	"github.com/beanpod-dev/beanpod/internal/samples"
)

// TestPlatforms builds and runs the sample of every platform in its images, as pods do: as user 1000, with nothing writable
// but /tmp and the application's folder, and without a network while it is built.
func TestPlatforms(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: images cannot be entered without a container engine")
	}
	if os.Getenv("PLATFORM_IMAGES") != "1" {
		t.Skip("PLATFORM_IMAGES is not 1: the end-to-end tests run the same samples in pods; make test-platforms does it without a cluster")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("apt-get is not here: platform images are made of Debian packages")
	}
	k, err := newKitchen()
	if err != nil {
		t.Skip(err)
	}
	local, err := localCatalogue(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range local {
		t.Run(p.Name, func(t *testing.T) {
			version := p.Spec.Branches[0].Versions[0]
			images, err := platformSpecs(k, []string{p.Name})
			if err != nil {
				t.Fatal(err)
			}
			roots := map[string]string{}
			for _, s := range images {
				roots[s.reference] = extract(t, s)
			}
			run := container{root: roots[version.RunImage], app: unzip(t, p.Spec.Sample.Archive), env: environment(p, images[0])}
			build := run
			if version.BuildImage != "" {
				build.root = roots[version.BuildImage]
			}
			buildApp(t, build, p.Spec.Branches[0])
			serve(t, run, startCommand(t, run.app, p.Spec.Branches[0]), version.Version)
		})
	}
}

// container is one process in an image.
type container struct {
	root, app string
	env       []string
}

func environment(p v1alpha1.Platform, s spec) []string {
	env := slices.Concat([]string{"PATH=" + s.searchPath + searchPath}, s.env)
	for _, v := range p.Spec.Branches[0].EnvironmentProperties {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}

// command runs a shell command in the image, with what a pod's container sees. Its output goes through a pipe of its own
// user, because programs open /dev/stderr anew.
func (c container) command(shell string, offline bool, env ...string) *exec.Cmd {
	const enter = `set -e
mount --bind "$ROOT" "$ROOT"
for d in proc dev app/current tmp; do mkdir -p "$ROOT/$d"; done
mount -t proc proc "$ROOT/proc"; mount --rbind /dev "$ROOT/dev"; mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"; mount --bind "$APP" "$ROOT/app/current"
mount -o remount,bind,ro "$ROOT"
exec chroot --userspec=1000:1000 --groups= "$ROOT" /usr/bin/env -i "$@"`
	flags := []string{"--mount", "--pid", "--fork"}
	if offline {
		flags = append(flags, "--net")
	}
	args := slices.Concat(flags, []string{"sh", "-c", enter, "sh"}, c.env, env, []string{
		"HOME=/tmp", "/bin/sh", "-c", "cd /app/current; { " + shell + "\n} 2>&1 | cat; [ ! -e /tmp/failed ]",
	})
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), "ROOT="+c.root, "APP="+c.app)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal on the parent's death is lost when the user changes
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// buildApp does what the build container does: the Buildfile's commands, then the platform's.
func buildApp(t *testing.T, c container, branch v1alpha1.PlatformBranch) {
	t.Helper()
	var steps []string
	if content, err := os.ReadFile(filepath.Join(c.app, "Buildfile")); err == nil {
		for line := range strings.Lines(string(content)) {
			_, command, _ := strings.Cut(line, ":")
			steps = append(steps, "sh -c "+quote(strings.TrimSpace(command)))
		}
	}
	if b := branch.Build; b != nil && (b.When == nil || exists(c.app, b.When.FileExists)) {
		var words []string
		for _, w := range b.Command {
			words = append(words, quote(w))
		}
		steps = append(steps, strings.Join(words, " "))
	}
	for _, step := range steps {
		began := time.Now()
		out, err := c.command("("+step+") || touch /tmp/failed", true).CombinedOutput()
		if err != nil {
			t.Fatalf("building: %v\n%s\n%s", err, step, out)
		}
		t.Logf("built in %v: %s", time.Since(began).Round(time.Millisecond), out)
	}
}

// startCommand is what the platform starts.
func startCommand(t *testing.T, app string, branch v1alpha1.PlatformBranch) string {
	t.Helper()
	for _, rule := range branch.Start.Rules {
		if exists(app, rule.When.FileExists) {
			return string(rule.Command)
		}
	}
	if branch.Start.Default == "" {
		t.Fatal("no rule fits the sample")
	}
	return string(branch.Start.Default)
}

// serve starts the application and asks it who it is.
func serve(t *testing.T, c container, start, version string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
	_ = listener.Close()
	cmd := c.command(start, false, "PORT="+port)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("output:\n%s", log.String())
		}
	}()
	health := poll("http://127.0.0.1:" + port + "/healthz")
	if !strings.HasPrefix(health, "ok") {
		t.Fatalf("/healthz said %q", health)
	}
	t.Logf("served after %v", time.Since(began).Round(time.Millisecond))
	if hello := poll("http://127.0.0.1:" + port + "/"); !strings.Contains(hello, version) {
		t.Errorf("/ said %q, want version %s in it", hello, version)
	} else {
		t.Log(hello)
	}
}

func poll(url string) string {
	var last string
	for range 600 {
		resp, err := http.Get(url)
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if last = string(body); resp.StatusCode == http.StatusOK {
				return last
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return last
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func exists(app, name string) bool {
	_, err := os.Stat(filepath.Join(app, name))
	return err == nil
}

// unzip unpacks a sample into a folder that user 1000 owns.
func unzip(t *testing.T, archive string) string {
	t.Helper()
	r, size, _, err := samples.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(r.(io.ReaderAt), size)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chown", "-R", "1000:1000", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// extract unpacks an image into a folder.
func extract(t *testing.T, s spec) string {
	t.Helper()
	img, err := makeImage(s)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	content := mutate.Extract(img)
	defer func() { _ = content.Close() }()
	cmd := exec.Command("tar", "-x", "--no-same-owner", "-p", "-C", dir)
	cmd.Stdin = content
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("unpacking %s: %v\n%s", s.reference, err, out)
	}
	return dir
}

// TestLayerWriter feeds a package's archive with everything that is changed on the way.
func TestLayerWriter(t *testing.T) {
	t.Parallel()
	var in bytes.Buffer
	w := tar.NewWriter(&in)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./bin/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./bin/su", Mode: 0o4755, Size: 1, Uid: 7},
		{Typeflag: tar.TypeLink, Name: "./bin/su2", Linkname: "./bin/su"},
		{Typeflag: tar.TypeSymlink, Name: "./lib64/ld.so", Linkname: "/lib/ld.so"},
		{Typeflag: tar.TypeReg, Name: "./usr/share/man/man1/su.1", Size: 1},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/su/copyright", Size: 1},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/su/changelog", Size: 1},
		{Typeflag: tar.TypeChar, Name: "./dev/null"},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/su", Size: 1},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	l := newLayerWriter(&out)
	err := l.tar(&in, func(name string) string {
		if keep(name) {
			return name
		}
		return ""
	})
	if err := errors.Join(err, l.w.Close()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %d %s", h.Name, h.Mode, h.Uid, h.Linkname))
	}
	want := []string{
		"usr/ 755 0 ", "usr/bin/ 755 0 ", "usr/bin/su 755 0 ", "usr/bin/su2 0 0 usr/bin/su", "usr/lib64/ 755 0 ", "usr/lib64/ld.so 0 0 /lib/ld.so",
		"usr/share/ 755 0 ", "usr/share/doc/ 755 0 ", "usr/share/doc/su/ 755 0 ", "usr/share/doc/su/copyright 0 0 ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRecipesAreInTheCatalogue wants every recipe to have a Platform to speak for.
func TestRecipesAreInTheCatalogue(t *testing.T) {
	t.Parallel()
	shipped, err := catalogue.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recipes {
		if !slices.ContainsFunc(shipped, func(p v1alpha1.Platform) bool { return p.Name == r.platform }) {
			t.Errorf("the recipe %s has no Platform in config/platforms", r.platform)
		}
	}
	if _, err := choose([]string{"cobol"}); err == nil {
		t.Error("an unknown platform was accepted")
	}
}
