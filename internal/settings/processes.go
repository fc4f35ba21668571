// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// processes decides what runs in each instance.
//
//   - A process with a command in the version's processes becomes a container of its own.
//   - The first process of the Environment without such a command runs the image's own command.
//   - Any other without one is a further port of the first container.
//   - A process of the version that the Environment does not list runs without a port.
//
// The commands of a bundle are those that its build decided on, and its port is the platform's unless the Environment says otherwise.
func processes(l Layers) ([]Process, []Problem) {
	env := l.Environment
	listed := env.Spec.Processes
	if len(listed) == 0 {
		listed = []v1alpha1.Process{{Name: "web"}}
	}
	var commands map[string]v1alpha1.ProcessCommand
	if l.Version != nil {
		commands = l.Version.Spec.Processes
	}
	port := int32(defaultPort)
	if a := artifact(l); a != nil {
		port = l.Platform.Port
		if len(a.Processes) > 0 {
			commands = a.Processes
		}
	}
	var out []Process
	for i, p := range listed {
		command, has := commands[p.Name]
		if i > 0 && !has {
			if p.Port != nil {
				out[0].ExtraPorts = append(out[0].ExtraPorts, Port{Name: p.Name, Port: *p.Port})
			}
			continue
		}
		out = append(out, process(p, string(command)))
	}
	if out[0].Port == 0 && env.Spec.Tier != v1alpha1.TierBackground {
		out[0].Port = port
	}
	for _, name := range sortedKeys(commands) {
		if !slices.ContainsFunc(listed, func(p v1alpha1.Process) bool { return p.Name == name }) {
			out = append(out, process(v1alpha1.Process{Name: name}, string(commands[name])))
		}
	}
	if env.Spec.Tier == v1alpha1.TierWorker {
		// Nobody routes requests to it, and the daemon ends before it: there is nothing to wait for.
		for i := range out {
			out[i].DrainSeconds = 0
		}
	}
	return out, portClashes(out)
}

func process(p v1alpha1.Process, command string) Process {
	var hc v1alpha1.HealthCheck
	if p.HealthCheck != nil {
		hc = *p.HealthCheck
	}
	return Process{
		Name: p.Name, Command: argv(command), Port: or(p.Port, 0), DrainSeconds: or(p.DrainSeconds, defaultDrain),
		Health: Health{
			Path:               hc.Path,
			IntervalSeconds:    or(hc.IntervalSeconds, defaultInterval),
			TimeoutSeconds:     or(hc.TimeoutSeconds, defaultTimeout),
			HealthyThreshold:   or(hc.HealthyThreshold, defaultHealthyThreshold),
			UnhealthyThreshold: or(hc.UnhealthyThreshold, defaultUnhealthyThreshold),
		},
	}
}

// argv splits a command line. One without shell syntax runs directly, so that images without a shell work; any other goes
// to the shell as it is, as in a Procfile.
func argv(command string) []string {
	if command == "" {
		return nil
	}
	if strings.ContainsAny(command, "|&;<>()$`\\\"'*?[]#~=%{}!\n") {
		return []string{"/bin/sh", "-c", command}
	}
	return strings.Fields(command)
}

// portClashes finds ports that two processes would share: the default port, and ports of single containers, are not visible
// to the schema's own rule.
func portClashes(list []Process) []Problem {
	seen := map[int32]string{}
	var out []Problem
	claim := func(name string, port int32) {
		if port == 0 {
			return
		}
		if other, taken := seen[port]; taken {
			out = append(out, Problem{
				Field:   "spec.processes",
				Message: fmt.Sprintf("processes %q and %q both listen on port %d; give one of them another port", other, name, port),
			})
		}
		seen[port] = name
	}
	for _, p := range list {
		claim(p.Name, p.Port)
		for _, e := range p.ExtraPorts {
			claim(e.Name, e.Port)
		}
	}
	return out
}

func sortedKeys(m map[string]v1alpha1.ProcessCommand) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
