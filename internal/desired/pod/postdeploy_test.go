// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pod_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

func withHooks(port int32, tweaks ...func(*settings.Settings)) settings.Settings {
	s := settings.Settings{Name: "shop", Namespace: "team"}
	s.Version.Image, s.Version.Release = "python:3", []string{"migrate"}
	s.Version.Artifact = &settings.Artifact{SHA256: "1", Postdeploy: true}
	s.Processes = []settings.Process{{Name: "web", Port: port}, {Name: "clock"}}
	for _, tweak := range tweaks {
		tweak(&s)
	}
	return s
}

func hookOf(c corev1ac.ContainerApplyConfiguration) []string {
	if c.Lifecycle == nil || c.Lifecycle.PostStart == nil {
		return nil
	}
	return c.Lifecycle.PostStart.Exec.Command
}

// TestPostdeployIsOfTheMainProcess proves which containers run the hooks.
func TestPostdeployIsOfTheMainProcess(t *testing.T) {
	t.Parallel()
	s := withHooks(8080, func(s *settings.Settings) { s.Processes[0].DrainSeconds = 5 })
	spec := pod.Template(s, "a").Spec
	if hookOf(spec.Containers[0]) == nil || hookOf(spec.Containers[1]) != nil {
		t.Errorf("web runs %q, clock runs %q", hookOf(spec.Containers[0]), hookOf(spec.Containers[1]))
	}
	if spec.Containers[0].Lifecycle.PreStop == nil {
		t.Error("the instance does not drain any more")
	}
	if c := pod.Release(s).Spec.Containers[0]; hookOf(c) != nil {
		t.Error("the release command runs the hooks")
	}
	s.Version.Artifact.Postdeploy = false
	if hookOf(pod.Template(s, "a").Spec.Containers[0]) != nil {
		t.Error("a bundle without hooks runs some")
	}
}

// TestPostdeployRuns runs the hooks as a kubelet does, in a folder like that of an application.
func TestPostdeployRuns(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files map[string]string
		code  int
		order string
		says  string
	}{
		"in order, and only what is executable": {
			files: map[string]string{"20_b.sh*": "echo b >> order", "10_a*": "echo a >> order", "30.txt": "echo c >> order", "sub/x*": "echo d >> order"},
			order: "a\nb\n", says: "postdeploy: running .platform/hooks/postdeploy/10_a\n",
		},
		"a failure ends it": {
			files: map[string]string{"1*": "echo a >> order; echo on stderr >&2; exit 3", "2*": "echo b >> order"},
			code:  3, order: "a\n", says: "on stderr\npostdeploy: .platform/hooks/postdeploy/1 ended with exit code 3, so the instance is started again\n",
		},
		"a name with a blank": {files: map[string]string{"a b*": "echo a >> order"}, order: "a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := application(t, tc.files)
			code, log := play(t, app, withHooks(0))
			order, _ := os.ReadFile(filepath.Join(app, "order"))
			if code != tc.code || string(order) != tc.order || !strings.Contains(log, tc.says) {
				t.Errorf("exit code %d, order %q, it says %q", code, order, log)
			}
		})
	}
}

// TestPostdeployWaits proves that hooks run after the application listens, and not before.
func TestPostdeployWaits(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		probe, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("not tried on %s: %v", address, err)
			continue
		}
		port := probe.Addr().(*net.TCPAddr).Port
		_ = probe.Close()
		app := application(t, map[string]string{"1*": "echo a >> order"})
		done := make(chan int, 1)
		go func() {
			code, _ := play(t, app, withHooks(int32(port)))
			done <- code
		}()
		select {
		case code := <-done:
			t.Fatalf("on %s it did not wait: exit code %d", address, code)
		case <-time.After(1500 * time.Millisecond):
		}
		if _, err := os.Stat(filepath.Join(app, "order")); err == nil {
			t.Errorf("on %s a hook ran before the application listened", address)
		}
		again, err := net.Listen("tcp", probe.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		select {
		case code := <-done:
			if code != 0 {
				t.Errorf("on %s: exit code %d", address, code)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("on %s the hooks never saw the application", address)
		}
		_ = again.Close()
		if _, err := os.Stat(filepath.Join(app, "order")); err != nil {
			t.Errorf("on %s no hook ran: %v", address, err)
		}
	}
}

// application is a folder with hooks; a star makes them executable.
func application(t *testing.T, files map[string]string) string {
	t.Helper()
	app := t.TempDir()
	for name, text := range files {
		name, executable := strings.CutSuffix(name, "*")
		path := filepath.Join(app, ".platform", "hooks", "postdeploy", name)
		mode := os.FileMode(0o644)
		if executable {
			mode = 0o755
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), mode)); err != nil {
			t.Fatal(err)
		}
	}
	return app
}

// play runs the handler, with a file in the place of the log.
func play(t *testing.T, app string, s settings.Settings) (code int, log string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Error(err)
	}
	argv := hookOf(pod.Template(s, "a").Spec.Containers[0])
	command := exec.CommandContext(t.Context(), argv[0], argv[1], strings.ReplaceAll(argv[2], "/proc/1/fd/1", file))
	command.Dir = app
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	return command.ProcessState.ExitCode(), string(text)
}
