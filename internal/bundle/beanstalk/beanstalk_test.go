// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package beanstalk

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// bundle makes a file system; names that end in * are executable.
func bundle(files ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		name, executable := strings.CutSuffix(files[i], "*")
		mode := fs.FileMode(0o644)
		if executable {
			mode = 0o755
		}
		out[name] = &fstest.MapFile{Data: []byte(files[i+1]), Mode: mode}
	}
	return out
}

func TestReadLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text, says string
		want             []Process
	}{
		{"one", "web: node app.js", "", []Process{{"web", "node app.js"}}},
		{"order, comments, empty lines", "# all\n\nweb: a b \r\nworker_1:c\n", "", []Process{{"web", "a b"}, {"worker_1", "c"}}},
		{"byte order mark", "\ufeffweb: a", "", []Process{{"web", "a"}}},
		{"colons", "web: a -b http://c:80", "", []Process{{"web", "a -b http://c:80"}}},
		{"empty", "", "", nil},
		{"no command", "web: a\nworker:\n", "Line 2 of Procfile is not of the form", nil},
		{"no colon", "web a", "Line 1", nil},
		{"bad name", "web app: a", "Line 1", nil},
		{"indented", "  web: a", "Line 1", nil},
		{"twice", "web: a\nweb: b", "names web a second time", nil},
		{"long", "web: " + strings.Repeat("a", 2049), "2049 bytes; the limit is 2048", nil},
		{"many", manyLines(11), "limit of 10", nil},
		{"large", strings.Repeat("#\n", 40000), "larger than 65536 bytes", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadLines(bundle("Procfile", tc.text), "Procfile")
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
			if diff := cmp.Diff(tc.want, got); tc.says == "" && diff != "" {
				t.Error(diff)
			}
		})
	}
	if got, err := ReadLines(bundle("procfile", "web: a"), "Procfile"); got != nil || err != nil {
		t.Errorf("the name is case-sensitive: %v, %v", got, err)
	}
	if _, err := ReadLines(bundle("Procfile/x", ""), "Procfile"); err == nil {
		t.Error("a folder passed for a Procfile")
	}
}

func manyLines(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "p%d: x\n", i)
	}
	return out.String()
}

func TestHooks(t *testing.T) {
	t.Parallel()
	b := bundle(
		".platform/hooks/prebuild/20_b.sh*", "", ".platform/hooks/prebuild/10_a*", "", ".platform/hooks/prebuild/30.sh", "", ".platform/hooks/prebuild/sub/x*", "",
		".platform/hooks/postdeploy/p.sh*", "", ".platform/hooks/other/o.sh*", "",
		".platform/confighooks/prebuild/c.sh*", "", ".platform/confighooks/postdeploy/c.sh*", "", ".platform/nginx/nginx.conf", "", ".platform/other", "",
	)
	run, warnings := Hooks(b, Prebuild)
	if diff := cmp.Diff([]string{".platform/hooks/prebuild/10_a", ".platform/hooks/prebuild/20_b.sh"}, run); diff != "" || len(warnings) != 2 {
		t.Errorf("%v\n%s", warnings, diff)
	}
	if run, _ := Hooks(b, Postdeploy); !slices.Equal(run, []string{".platform/hooks/postdeploy/p.sh"}) {
		t.Errorf("after the deployment run %v", run)
	}
	want := []string{".platform/hooks/other/o.sh", ".platform/confighooks/postdeploy/c.sh", ".platform/confighooks/prebuild/c.sh", ".platform/nginx/nginx.conf", ".platform/other"}
	if diff := cmp.Diff(want, PlatformExtras(b)); diff != "" {
		t.Error(diff)
	}
	if run, warnings := Hooks(bundle(), Predeploy); run != nil || warnings != nil || PlatformExtras(bundle()) != nil {
		t.Error("something in nothing")
	}
}

func TestReadExtensions(t *testing.T) {
	t.Parallel()
	b := bundle(
		".ebextensions/02.config", "{\"option_settings\": [{\"option_name\": \"DEBUG\", \"value\": true}, {\"namespace\": \"aws:x\", \"option_name\": \"N\", \"value\": 3, \"resource_name\": \"R\"}, {\"namespace\": \"aws:autoscaling:scheduledaction\", \"option_name\": \"StartTime\", \"value\": \"2026-11-27T08:00:00Z\", \"resource_name\": \"sale\"}]}",
		".ebextensions/01.config", `
option_settings:
  aws:elasticbeanstalk:application:environment:
    B: "2"
    A: 1
  PLAIN: yes
  aws:autoscaling:asg:
    MinSize: !Ref Size
    MaxSize: '`+"`"+`{"Ref": "Size"}`+"`"+`'
    Cooldown: {"Fn::GetOptionSetting": {OptionName: x}}
container_commands:
  b: {command: two, env: {PORT: 5}, cwd: sub, test: t, ignoreErrors: true}
  a: {command: [one, "1"], leader_only: true}
files: {/etc/x: {content: y}}
services: {}
`,
		".ebextensions/03.config", "option_settings: {A: b}\noption_settings: {C: d}\n",
		".ebextensions/04.config", "container_commands: {x: {cwd: y}}\noption_settings: {LOST: x}\n",
		".ebextensions/05.config", "\tno yaml",
		".ebextensions/nginx/x.conf", "", ".ebextensions/readme.txt", "",
	)
	want := Extensions{
		Options: []report.Option{
			{Namespace: applicationEnvironment, Name: "PLAIN", Value: "yes"},
			{Namespace: applicationEnvironment, Name: "A", Value: "1"}, {Namespace: applicationEnvironment, Name: "B", Value: "2"},
			{Namespace: applicationEnvironment, Name: "DEBUG", Value: "true"},
			{Namespace: "sale.aws:autoscaling:scheduledaction", Name: "StartTime", Value: "2026-11-27T08:00:00Z"},
		},
		Commands: []Command{
			{File: ".ebextensions/01.config", Name: "a", Args: []string{"one", "1"}, LeaderOnly: true},
			{File: ".ebextensions/01.config", Name: "b", Shell: "two", Test: "t", Cwd: "sub", Env: map[string]string{"PORT": "5"}, IgnoreErrors: true},
		},
		Unsupported: []string{
			".ebextensions/01.config: files", ".ebextensions/01.config: option aws:autoscaling:asg Cooldown", ".ebextensions/01.config: option aws:autoscaling:asg MaxSize",
			".ebextensions/01.config: option aws:autoscaling:asg MinSize", ".ebextensions/01.config: services", ".ebextensions/02.config: option aws:x N R",
			".ebextensions/nginx/x.conf", ".ebextensions/readme.txt",
		},
	}
	got := ReadExtensions(b)
	warnings := got.Warnings
	got.Warnings = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(warnings) != 3 {
		t.Errorf("skipped %q, want 03, 04 and 05", warnings)
	}
}

func TestCron(t *testing.T) {
	t.Parallel()
	if err := CheckCron(bundle("cron.yaml", "version: 1\ncron:\n- {name: a, url: /a, schedule: '* * * * *'}\n")); err != nil {
		t.Error(err)
	}
	if err := CheckCron(bundle()); err != nil {
		t.Error(err)
	}
	err := CheckCron(bundle("cron.yaml", "version: 1\ncron:\n- {name: a, url: /a, schedule: daily}\n"))
	if err == nil || !strings.Contains(err.Error(), "cron.yaml cannot be used") || !strings.Contains(err.Error(), "daily") {
		t.Errorf("a bad schedule: %v", err)
	}
}

func FuzzReadLines(f *testing.F) {
	for _, seed := range []string{"web: a\n", "a:b\nc: d", "\ufeffweb: x", ":\n", "web: a\nweb: b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadLines(bundle("Procfile", text), "Procfile")
		for _, p := range got {
			if p.Name == "" || strings.TrimSpace(p.Command) == "" || report.Argv(p.Command) == nil || err != nil {
				t.Errorf("%q gave %q, %v", text, got, err)
			}
		}
	})
}

func FuzzReadExtensions(f *testing.F) {
	for _, seed := range []string{
		"option_settings: {a: {b: c}}", "option_settings: [{option_name: a, value: b}]", "container_commands: {a: {command: b}}", "a: &a [*a]", "{", "- x", "1: 2",
		"x: &x [1]\ny: &y [*x,*x,*x]\noption_settings: {a: {b: *y}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := ReadExtensions(bundle(".ebextensions/x.config", text))
		for _, c := range got.Commands {
			if strings.TrimSpace(c.Shell) == "" && len(c.Args) == 0 {
				t.Errorf("%q gave an empty command", text)
			}
		}
	})
}
