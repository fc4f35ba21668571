// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package beanstalk

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Command is a container command.
type Command struct {
	// File and Name say where it stands.
	File, Name string
	// Shell is a command line, Args a command without a shell; one of them is set.
	Shell string
	Args  []string
	// Test is run first; the command only when it succeeds.
	Test         string
	Cwd          string
	Env          map[string]string
	IgnoreErrors bool
	LeaderOnly   bool
}

// Extensions are what the files of .ebextensions ask for.
type Extensions struct {
	Options  []report.Option
	Commands []Command
	// Unsupported names every key that nobody acts on; Warnings say which files were skipped.
	Unsupported, Warnings []string
}

// applicationEnvironment is the namespace of options that name none.
const applicationEnvironment = "aws:elasticbeanstalk:application:environment"

// ReadExtensions reads .ebextensions/*.config in the order of the names. A file that cannot be read is skipped with a warning, as
// Beanstalk does.
func ReadExtensions(bundle fs.FS) Extensions {
	var out Extensions
	entries, _ := fs.ReadDir(bundle, ".ebextensions")
	for _, entry := range entries {
		name := path.Join(".ebextensions", entry.Name())
		if path.Ext(name) != ".config" || entry.IsDir() {
			out.Unsupported = append(out.Unsupported, list(bundle, name)...)
			continue
		}
		text, err := read(bundle, name)
		if err == nil {
			err = out.add(name, text)
		}
		if err != nil {
			out.Warnings = append(out.Warnings, fmt.Sprintf("%s was skipped: %v", name, err))
		}
	}
	return out
}

// add takes the whole of a file or, after an error, nothing.
func (e *Extensions) add(file string, text []byte) error {
	var sections map[string]yaml.Node
	if err := yaml.Unmarshal(text, &sections); err != nil {
		return fmt.Errorf("it is neither YAML nor JSON: %w", err)
	}
	next := *e
	for _, section := range slices.Sorted(maps.Keys(sections)) {
		node := sections[section]
		var err error
		switch section {
		case "option_settings":
			err = next.addOptions(file, &node)
		case "container_commands":
			err = next.addCommands(file, &node)
		default:
			next.Unsupported = append(next.Unsupported, file+": "+section)
		}
		if err != nil {
			return err
		}
	}
	*e = next
	return nil
}

// addOptions reads both forms: a list of settings, and a map by namespace.
func (e *Extensions) addOptions(file string, node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		var settings []struct {
			Namespace    string    `yaml:"namespace"`
			Name         string    `yaml:"option_name"`
			ResourceName string    `yaml:"resource_name"`
			Value        yaml.Node `yaml:"value"`
		}
		if err := node.Decode(&settings); err != nil {
			return fmt.Errorf("option_settings: %w", err)
		}
		for _, s := range settings {
			e.addOption(file, cmp.Or(s.Namespace, applicationEnvironment), s.Name, s.ResourceName, &s.Value)
		}
		return nil
	}
	var settings map[string]yaml.Node
	if err := node.Decode(&settings); err != nil {
		return fmt.Errorf("option_settings: %w", err)
	}
	for _, namespace := range slices.Sorted(maps.Keys(settings)) {
		inner := settings[namespace]
		if inner.Kind != yaml.MappingNode {
			e.addOption(file, applicationEnvironment, namespace, "", &inner)
			continue
		}
		var values map[string]yaml.Node
		if err := inner.Decode(&values); err != nil {
			return fmt.Errorf("option_settings: %w", err)
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			value := values[name]
			e.addOption(file, namespace, name, "", &value)
		}
	}
	return nil
}

// scheduledAction is the namespace whose resources have names of their own. In the map form the name comes before it, with a dot.
const scheduledAction = "aws:autoscaling:scheduledaction"

// addOption takes what is a simple value; references to other resources and functions have no meaning here.
func (e *Extensions) addOption(file, namespace, name, resource string, value *yaml.Node) {
	if namespace == scheduledAction && resource != "" {
		namespace, resource = resource+"."+namespace, ""
	}
	plain := value.Kind == yaml.ScalarNode && strings.HasPrefix(value.ShortTag(), "!!") && !strings.HasPrefix(value.Value, "`")
	if name == "" || resource != "" || !plain {
		e.Unsupported = append(e.Unsupported, strings.TrimSpace(fmt.Sprintf("%s: option %s %s %s", file, namespace, name, resource)))
		return
	}
	e.Options = append(e.Options, report.Option{Namespace: namespace, Name: name, Value: value.Value})
}

func (e *Extensions) addCommands(file string, node *yaml.Node) error {
	var commands map[string]struct {
		Command      yaml.Node         `yaml:"command"`
		Test         string            `yaml:"test"`
		Cwd          string            `yaml:"cwd"`
		Env          map[string]string `yaml:"env"`
		IgnoreErrors bool              `yaml:"ignoreErrors"`
		LeaderOnly   bool              `yaml:"leader_only"`
	}
	if err := node.Decode(&commands); err != nil {
		return fmt.Errorf("container_commands: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		c := commands[name]
		out := Command{File: file, Name: name, Test: c.Test, Cwd: c.Cwd, Env: c.Env, IgnoreErrors: c.IgnoreErrors, LeaderOnly: c.LeaderOnly}
		var err error
		if c.Command.Kind == yaml.SequenceNode {
			err = c.Command.Decode(&out.Args)
		} else {
			err = c.Command.Decode(&out.Shell)
		}
		if err != nil || strings.TrimSpace(out.Shell) == "" && len(out.Args) == 0 {
			return fmt.Errorf("container command %s has no command", name)
		}
		e.Commands = append(e.Commands, out)
	}
	return nil
}
