// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/beanpod-dev/beanpod/internal/bundle/beanstalk"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Instructions are what the operator says about a build, in the API's words.
type Instructions struct {
	Build     *Command          `json:"build,omitempty"`
	Start     *Start            `json:"start,omitempty"`
	Port      int               `json:"port,omitempty"`
	Processes map[string]string `json:"processes,omitempty"`
}

// Command is the platform's build command.
type Command struct {
	Command        []string `json:"command"`
	When           *When    `json:"when,omitempty"`
	TimeoutSeconds int      `json:"timeoutSeconds,omitempty"`
}

// When is a condition on the bundle.
type When struct {
	FileExists string `json:"fileExists,omitempty"`
}

// Start says how applications of a platform start that do not say so themselves.
type Start struct {
	Rules   []Rule `json:"rules,omitempty"`
	Default string `json:"default,omitempty"`
}

// Rule is a start command for bundles that fit.
type Rule struct {
	When    When   `json:"when"`
	Command string `json:"command"`
}

const defaultPort = 8080

// ParseInstructions reads the variable BEANPOD_BUILD.
func ParseInstructions(text string) (Instructions, error) {
	in := Instructions{Port: defaultPort}
	if text == "" {
		return in, nil
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return in, report.Fail(report.Internal, "The operator's build instructions are not valid: %v.", err)
	}
	if in.Port == 0 {
		in.Port = defaultPort
	}
	return in, nil
}

// holds judges a condition; none always holds.
func (w *When) holds(bundle fs.FS) bool {
	if w == nil || w.FileExists == "" {
		return true
	}
	_, err := fs.Stat(bundle, path.Clean(w.FileExists))
	return err == nil
}

// processes decides what runs: the version's processes, then the Procfile's, then for web alone the platform's rules and default.
func (in Instructions) processes(bundle fs.FS) (map[string]string, []string, error) {
	lines, err := beanstalk.ReadLines(bundle, "Procfile")
	if err != nil {
		return nil, nil, err
	}
	var warnings []string
	if len(lines) > 0 && lines[0].Name != "web" {
		warnings = append(warnings, "The first process of the Procfile is "+lines[0].Name+"; Beanstalk wants web there.")
	}
	out := map[string]string{}
	for _, l := range lines {
		out[l.Name] = l.Command
	}
	maps.Copy(out, in.Processes)
	if out["web"] == "" {
		out["web"] = in.Start.command(bundle)
	}
	if out["web"] == "" {
		return nil, nil, noStart(in, lines)
	}
	return out, warnings, nil
}

func (s *Start) command(bundle fs.FS) string {
	if s == nil {
		return ""
	}
	for _, r := range s.Rules {
		if r.When.holds(bundle) {
			return r.Command
		}
	}
	return s.Default
}

// noStart says what was looked for.
func noStart(in Instructions, lines []beanstalk.Process) error {
	found := "it has no Procfile"
	if len(lines) > 0 {
		found = "its Procfile names no process web"
	}
	var tried []string
	if in.Start != nil {
		for _, r := range in.Start.Rules {
			tried = append(tried, r.When.FileExists)
		}
	}
	if tried = slices.Compact(tried); len(tried) > 0 {
		found += ", and none of the platform's rules fits (they look for " + strings.Join(tried, ", ") + ")"
	}
	return report.Fail(report.NoStartCommand, "Nothing says how the bundle is started: %s. Add a Procfile with a line such as \"web: ./start\", or set spec.processes.web.", found)
}
