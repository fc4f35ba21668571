// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/bundle/beanstalk"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

func TestProcesses(t *testing.T) {
	t.Parallel()
	django := &Start{Rules: []Rule{{When{"manage.py"}, "django"}, {When{"app/x.py"}, "x"}}, Default: "gunicorn"}
	for _, tc := range []struct {
		name, files, procfile string
		in                    Instructions
		want                  map[string]string
	}{
		{name: "spec wins by name", procfile: "web: a\nworker: b", in: Instructions{Processes: map[string]string{"web": "c"}}, want: map[string]string{"web": "c", "worker": "b"}},
		{name: "Procfile before rules", procfile: "web: a", files: "manage.py", in: Instructions{Start: django}, want: map[string]string{"web": "a"}},
		{name: "first rule", files: "manage.py app/x.py", in: Instructions{Start: django}, want: map[string]string{"web": "django"}},
		{name: "second rule", files: "app/x.py", in: Instructions{Start: django}, want: map[string]string{"web": "x"}},
		{name: "default beside a worker", procfile: "worker: b", in: Instructions{Start: django}, want: map[string]string{"web": "gunicorn", "worker": "b"}},
		{name: "nothing"},
		{name: "no web", procfile: "worker: b"},
	} {
		bundle := fstest.MapFS{}
		for file := range strings.FieldsSeq(tc.files) {
			bundle[file] = &fstest.MapFile{}
		}
		if tc.procfile != "" {
			bundle["Procfile"] = &fstest.MapFile{Data: []byte(tc.procfile)}
		}
		got, _, err := tc.in.processes(bundle)
		if diff := cmp.Diff(tc.want, got); diff != "" || (err == nil) != (tc.want != nil) || err != nil && report.AsFailure(err).Reason != report.NoStartCommand {
			t.Errorf("%s: %v\n%s", tc.name, err, diff)
		}
	}
}

// The release command is a script of the leader's commands; it ends at the first that fails.
func TestReleaseRuns(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "it's"), 0o755); err != nil {
		t.Fatal(err)
	}
	lines := []string{
		script(beanstalk.Command{Shell: "exit 3", IgnoreErrors: true}),
		script(beanstalk.Command{Shell: "echo $A > out", Cwd: "it's", Env: map[string]string{"A": "x'; touch bad; '"}}),
		script(beanstalk.Command{Args: []string{"sh", "-c", "exit 4"}}),
		script(beanstalk.Command{Shell: "touch bad"}),
	}
	command := exec.Command("sh", "-c", strings.Join(lines, "\n"))
	command.Dir = folder
	_ = command.Run()
	text, err := os.ReadFile(filepath.Join(folder, "it's", "out"))
	_, bad := os.Stat(filepath.Join(folder, "bad"))
	if command.ProcessState.ExitCode() != 4 || string(text) != "x'; touch bad; '\n" || err != nil || bad == nil {
		t.Errorf("exit code %d, %q, %v, %v", command.ProcessState.ExitCode(), text, err, bad)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	last := &tail{}
	_, _ = io.WriteString(last, strings.Repeat("early ", 1000)+"\x1b[31mred\x07\n")
	if got := last.String(); !strings.HasSuffix(got, "[31mred") || len(got) > tailSize+30 || strings.ContainsAny(got, "\x1b\x07") {
		t.Errorf("%q", got)
	}
	if got := (&tail{}).String(); got != "" {
		t.Errorf("%q", got)
	}
}

func TestParseInstructions(t *testing.T) {
	t.Parallel()
	if in, err := ParseInstructions(""); err != nil || in.Port != defaultPort {
		t.Errorf("%+v, %v", in, err)
	}
	if _, err := ParseInstructions("{"); report.AsFailure(err).Reason != report.Internal {
		t.Errorf("got %v", err)
	}
}
