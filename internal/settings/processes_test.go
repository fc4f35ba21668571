// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func TestProcesses(t *testing.T) {
	t.Parallel()
	made := func(name string, port int32, command ...string) Process {
		return Process{Name: name, Port: port, Command: command, DrainSeconds: 20,
			Health: Health{IntervalSeconds: 10, TimeoutSeconds: 5, HealthyThreshold: 3, UnhealthyThreshold: 5}}
	}
	extra := func(p Process, name string, port int32) Process {
		p.ExtraPorts = append(p.ExtraPorts, Port{Name: name, Port: port})
		return p
	}
	listed := func(name string, port int32) v1alpha1.Process {
		if port == 0 {
			return v1alpha1.Process{Name: name}
		}
		return v1alpha1.Process{Name: name, Port: &port}
	}
	for _, tc := range []struct {
		name     string
		tier     v1alpha1.Tier
		listed   []v1alpha1.Process
		commands map[string]v1alpha1.ProcessCommand
		want     []Process
	}{
		{"unset, web", v1alpha1.TierWebServer, nil, nil, []Process{made("web", 8080)}},
		{"unset, background", v1alpha1.TierBackground, nil, nil, []Process{made("web", 0)}},
		{"a port", v1alpha1.TierWebServer, []v1alpha1.Process{listed("main", 3000)}, nil, []Process{made("main", 3000)}},
		{"a background process may listen", v1alpha1.TierBackground, []v1alpha1.Process{listed("main", 3000)}, nil, []Process{made("main", 3000)}},
		{"the first has a command", v1alpha1.TierWebServer, nil, map[string]v1alpha1.ProcessCommand{"web": "node server.js"}, []Process{made("web", 8080, "node", "server.js")}},
		{"a further one without a command is a port", v1alpha1.TierWebServer, []v1alpha1.Process{listed("web", 0), listed("admin", 9000)}, nil,
			[]Process{extra(made("web", 8080), "admin", 9000)}},
		{"a further one with neither is nothing", v1alpha1.TierWebServer, []v1alpha1.Process{listed("web", 0), listed("admin", 0)}, nil, []Process{made("web", 8080)}},
		{"a further one with a command is a container", v1alpha1.TierWebServer, []v1alpha1.Process{listed("web", 0), listed("api", 9000)},
			map[string]v1alpha1.ProcessCommand{"api": "api"}, []Process{made("web", 8080), made("api", 9000, "api")}},
		{"what only the version lists has no port, and is ordered by name", v1alpha1.TierWebServer, nil,
			map[string]v1alpha1.ProcessCommand{"web": "web", "mailer": "mailer", "clock": "clock"},
			[]Process{made("web", 8080, "web"), made("clock", 0, "clock"), made("mailer", 0, "mailer")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, problems := Resolve(layers(func(l *Layers) {
				l.Environment.Spec.Tier, l.Environment.Spec.Processes, l.Version.Spec.Processes = tc.tier, tc.listed, tc.commands
			}))
			if diff := cmp.Diff(tc.want, got.Processes); diff != "" || len(problems) > 0 {
				t.Errorf("processes (-want +got):\n%s\nproblems: %v", diff, problems)
			}
		})
	}
}

func TestProcessFields(t *testing.T) {
	t.Parallel()
	s := resolve(environment(func(e *v1alpha1.EnvironmentSpec) {
		e.Processes = []v1alpha1.Process{{Name: "web", Port: ptr.To[int32](1), DrainSeconds: ptr.To[int32](0), HealthCheck: &v1alpha1.HealthCheck{
			Path: "/h", IntervalSeconds: ptr.To[int32](2), TimeoutSeconds: ptr.To[int32](3), HealthyThreshold: ptr.To[int32](4), UnhealthyThreshold: ptr.To[int32](6),
		}}}
	}))
	want := []Process{{Name: "web", Port: 1, Health: Health{Path: "/h", IntervalSeconds: 2, TimeoutSeconds: 3, HealthyThreshold: 4, UnhealthyThreshold: 6}}}
	if diff := cmp.Diff(want, s.Processes); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
}

func TestArgv(t *testing.T) {
	t.Parallel()
	shell := func(line string) []string { return []string{"/bin/sh", "-c", line} }
	for _, tc := range []struct {
		name, line string
		want       []string
	}{
		{"the image's own", "", nil},
		{"words", "  node   server.js\t--port 80 ", []string{"node", "server.js", "--port", "80"}},
		{"a path and a flag with a dash", "/usr/bin/java -jar app.jar", []string{"/usr/bin/java", "-jar", "app.jar"}},
		{"a variable", "node server.js --port $PORT", shell("node server.js --port $PORT")},
		{"a pipe", "a | b", shell("a | b")},
		{"two commands", "migrate && serve", shell("migrate && serve")},
		{"quotes", `sh -c "x y"`, shell(`sh -c "x y"`)},
		{"an assignment before the command", "A=1 node x", shell("A=1 node x")},
		{"a glob", "cat *.txt", shell("cat *.txt")},
		{"a home directory", "~/run", shell("~/run")},
		{"two lines", "a\nb", shell("a\nb")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, argv(tc.line)); diff != "" {
				t.Errorf("argv(%q) (-want +got):\n%s", tc.line, diff)
			}
		})
	}
}

func TestPortClashes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		list []Process
		want int
	}{
		{"none", []Process{{Name: "a", Port: 1}, {Name: "b", Port: 2}}, 0},
		{"without ports", []Process{{Name: "a"}, {Name: "b"}}, 0},
		{"two containers", []Process{{Name: "a", Port: 1}, {Name: "b", Port: 1}}, 1},
		{"a further port", []Process{{Name: "a", Port: 1, ExtraPorts: []Port{{"x", 1}}}}, 1},
		{"a further port and another container", []Process{{Name: "a", Port: 1, ExtraPorts: []Port{{"x", 2}}}, {Name: "b", Port: 2}}, 1},
		{"three", []Process{{Name: "a", Port: 1}, {Name: "b", Port: 1}, {Name: "c", Port: 1}}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := portClashes(tc.list); len(got) != tc.want {
				t.Errorf("clashes = %v, want %d", got, tc.want)
			}
		})
	}
}
