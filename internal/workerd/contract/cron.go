// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxCron is how many bytes cron.yaml may have; it may hold maxTasks tasks.
const (
	MaxCron  = 64 << 10
	maxTasks = 100
)

const versionOne = "write version: 1"

var (
	taskName = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)
	taskPath = regexp.MustCompile(`^/[!-~]*$`)
)

// ParseCron reads a bundle's cron.yaml by Beanstalk's rules. What it refuses it names by line and task, and says what to write.
func ParseCron(text []byte) ([]Task, error) {
	if len(text) > MaxCron {
		return nil, fmt.Errorf("cron.yaml has %d bytes, the limit is %d; make it shorter", len(text), MaxCron)
	}
	root, err := document(text)
	if err != nil {
		return nil, err
	}
	top, err := mapping(root, "cron.yaml", "version", "cron")
	if err != nil {
		return nil, err
	}
	if err := checkVersion(top["version"]); err != nil {
		return nil, err
	}
	list := top["cron"]
	switch {
	case list == nil || list.ShortTag() == "!!null":
		return nil, nil
	case list.Kind != yaml.SequenceNode:
		return nil, at(list, "cron is not a list; write a line with - name: for each task")
	case len(list.Content) > maxTasks:
		return nil, at(list, "cron has %d tasks, the limit is %d; let one task do what several did", len(list.Content), maxTasks)
	}
	return tasks(list)
}

// Validate says what is wrong with a task, and what to write.
func Validate(t Task) error {
	switch {
	case len(t.Name) > 100 || !taskName.MatchString(t.Name):
		return fmt.Errorf("name %.120q is not of 1 to 100 printable ASCII characters without spaces at the ends; it goes into a header", t.Name)
	case len(t.Path) > 1024 || !taskPath.MatchString(t.Path):
		return badPath(t.Path)
	}
	if _, err := url.ParseRequestURI(t.Path); err != nil {
		return badPath(t.Path)
	}
	_, err := ParseSchedule(t.Schedule, t.TimeZone)
	return err
}

func badPath(path string) error {
	return fmt.Errorf("url %.120q is not a path; write up to 1024 characters that begin with /, such as /backup, without a host", path)
}

// document is the one YAML document of the file.
func document(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	err := decoder.Decode(&first)
	switch {
	case errors.Is(err, io.EOF), err == nil && len(first.Content) == 1 && first.Content[0].ShortTag() == "!!null":
		return nil, errors.New("cron.yaml is empty; write version: 1 and a list named cron, or leave the file out of the bundle")
	case err != nil:
		return nil, fmt.Errorf("cron.yaml is not YAML: %s; mend that line", strings.TrimPrefix(err.Error(), "yaml: "))
	case !errors.Is(decoder.Decode(&second), io.EOF):
		return nil, errors.New("cron.yaml holds more than one document; keep one, and remove the line ---")
	}
	return first.Content[0], nil
}

func checkVersion(version *yaml.Node) error {
	switch {
	case version == nil:
		return errors.New("cron.yaml has no version; " + versionOne + " as its first line")
	case version.ShortTag() != "!!int" || version.Value != "1":
		return at(version, "version is %.40q, and only 1 is known; %s", version.Value, versionOne)
	}
	return nil
}

func tasks(list *yaml.Node) ([]Task, error) {
	var out []Task
	seen := map[string]int{}
	for i, node := range list.Content {
		node = follow(node)
		t, err := readTask(node, fmt.Sprintf("task %d", i+1))
		if err != nil {
			return nil, err
		}
		if before := seen[t.Name]; before > 0 {
			return nil, at(node, "task %s has the name of the task in line %d; give each a name of its own", t.Name, before)
		}
		seen[t.Name] = node.Line
		out = append(out, t)
	}
	return out, nil
}

func readTask(node *yaml.Node, what string) (Task, error) {
	keys, err := mapping(node, what, "name", "url", "schedule")
	if err != nil {
		return Task{}, err
	}
	var t Task
	for _, key := range []struct {
		name string
		into *string
	}{{"name", &t.Name}, {"url", &t.Path}, {"schedule", &t.Schedule}} {
		value := keys[key.name]
		if value == nil || value.Kind != yaml.ScalarNode || value.ShortTag() == "!!null" {
			return t, at(node, "%s has no %s; write name, url and schedule, each with one value in quotes", what, key.name)
		}
		*key.into = value.Value
		if key.name == "name" {
			what = fmt.Sprintf("task %.120s", value.Value)
		}
	}
	if err := Validate(t); err != nil {
		return t, at(node, "%s: %w", what, err)
	}
	return t, nil
}

// mapping reads the keys of a node, each once and none but those that are known.
func mapping(node *yaml.Node, what string, known ...string) (map[string]*yaml.Node, error) {
	if node.Kind != yaml.MappingNode {
		return nil, at(node, "%s does not consist of keys and values; write %s", what, strings.Join(known, ", "))
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		for _, name := range known {
			if key.Value == name && out[name] == nil {
				out[name] = follow(node.Content[i+1])
				key = nil
				break
			}
		}
		if key != nil {
			return nil, at(key, "%s has a key %.40q that is unknown or there already; the keys are %s, each once", what, key.Value, strings.Join(known, ", "))
		}
	}
	return out, nil
}

// follow takes an alias for what it stands for.
func follow(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func at(node *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d of cron.yaml: "+format, append([]any{node.Line}, args...)...)
}
