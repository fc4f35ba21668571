// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command chart-crds copies into the chart what controller-gen made: the CRDs and
// the operator's role.
//
// Helm never upgrades what lies in a chart's crds/ folder, so ours are templates:
// the generated text, verbatim, with the chart's switches, labels and annotations
// around it. The role's rules become a helper, because the chart grants them in
// a ClusterRole or in many Roles.
//
//	go run ./hack/chart-crds           # writes
//	go run ./hack/chart-crds -check    # fails if anything would change
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	config := flag.String("config", "config", "folder of what controller-gen made")
	chart := flag.String("chart", "charts/beanpod", "folder of the chart")
	check := flag.Bool("check", false, "change nothing, fail if the chart differs")
	flag.Parse()

	if err := run(*config, *chart, *check); err != nil {
		fmt.Fprintln(os.Stderr, "chart-crds:", err)
		os.Exit(1)
	}
}

const (
	crdDir    = "templates/crds"
	rulesFile = "templates/_rules.tpl"
)

// run makes the chart hold one template for each generated CRD, no other file
// beside them, and the rules. With check it only reports what differs.
func run(config, chart string, check bool) error {
	want, err := wanted(config)
	if err != nil {
		return err
	}
	have, err := present(chart)
	if err != nil {
		return err
	}

	var stale []string
	for path, text := range want {
		if have[path] != text {
			stale = append(stale, path)
		}
	}
	for path := range have {
		if _, ok := want[path]; !ok {
			stale = append(stale, path)
		}
	}
	slices.Sort(stale)

	if check {
		if len(stale) > 0 {
			return fmt.Errorf("%s differs from %s in %s: run \"go run ./hack/chart-crds\"", chart, config, strings.Join(stale, ", "))
		}
		return nil
	}
	return write(chart, stale, want)
}

func write(chart string, stale []string, want map[string]string) error {
	if err := os.MkdirAll(filepath.Join(chart, crdDir), 0o755); err != nil {
		return err
	}
	for _, name := range stale {
		path := filepath.Join(chart, name)
		text, ok := want[name]
		if !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// wanted returns what the chart should hold, by path.
func wanted(config string) (map[string]string, error) {
	dir := filepath.Join(config, "crd", "bases")
	bases, err := yamlFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(bases) == 0 {
		return nil, fmt.Errorf("no CRDs in %s: run \"make manifests\" first", dir)
	}
	out := make(map[string]string, len(bases)+1)
	clusterScoped := map[string]bool{"namespaces.": true}
	for file, base := range bases {
		name, text, err := template(base)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, file), err)
		}
		out[filepath.Join(crdDir, name+".yaml")] = text
		if strings.Contains(base, "\n  scope: Cluster\n") {
			clusterScoped[name] = true
		}
	}

	role, err := os.ReadFile(filepath.Join(config, "rbac", "role.yaml"))
	if err != nil {
		return nil, err
	}
	rules, err := parseRole(string(role))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(config, "rbac", "role.yaml"), err)
	}
	out[rulesFile] = rulesTemplate(rules, clusterScoped)
	return out, nil
}

// present returns what the chart holds, by path.
func present(chart string) (map[string]string, error) {
	out := map[string]string{}
	crds, err := yamlFiles(filepath.Join(chart, crdDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for name, text := range crds {
		out[filepath.Join(crdDir, name)] = text
	}
	rules, err := os.ReadFile(filepath.Join(chart, rulesFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out[rulesFile] = string(rules)
	return out, nil
}

func yamlFiles(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != ".yaml" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out[e.Name()] = string(text)
	}
	return out, nil
}

const (
	header = "{{- /* Copied from config/crd/bases by hack/chart-crds. Do not edit. */ -}}\n" +
		"{{- if .Values.crds.enabled }}\n"
	annotations = "  annotations:\n" +
		"    {{- with include \"beanpod.crdAnnotations\" . }}\n" +
		"    {{- . | nindent 4 }}\n" +
		"    {{- end }}\n"
	labels = "  labels:\n" +
		"    {{- include \"beanpod.labels\" . | nindent 4 }}\n"
	footer = "{{- end }}\n"
)

// template wraps one CRD as controller-gen writes it: annotations, labels and name
// under metadata, in any order. It works on text, so that the schema reaches
// the chart byte for byte and a review sees one diff twice, not two diffs.
func template(crd string) (name, text string, err error) {
	crd = strings.TrimPrefix(crd, "---\n")
	head, rest, ok := strings.Cut(crd, "\nmetadata:\n")
	if !ok || !strings.Contains(head, "kind: CustomResourceDefinition") {
		return "", "", errors.New("not a CustomResourceDefinition")
	}
	metadata, spec, ok := strings.Cut(rest, "\nspec:\n")
	if !ok {
		return "", "", errors.New("no spec after metadata")
	}

	blocks := map[string]string{}
	key := ""
	for line := range strings.SplitSeq(metadata, "\n") {
		switch {
		case line == "  annotations:", line == "  labels:":
			key = strings.TrimSpace(line)
		case strings.HasPrefix(line, "  name: "):
			key, name = "", strings.TrimPrefix(line, "  name: ")
		case strings.HasPrefix(line, "    ") && key != "":
			blocks[key] += escape(line) + "\n"
		default:
			return "", "", fmt.Errorf("unexpected line under metadata: %q", line)
		}
	}
	if name == "" {
		return "", "", errors.New("metadata has no name")
	}

	return name, header +
		escape(head) + "\nmetadata:\n" +
		annotations + blocks["annotations:"] +
		labels + blocks["labels:"] +
		"  name: " + name + "\nspec:\n" +
		escape(strings.TrimRight(spec, "\n")) + "\n" +
		footer, nil
}

// escape keeps braces in descriptions and examples from being read as a template.
func escape(s string) string {
	return strings.ReplaceAll(s, "{{", `{{ "{{" }}`)
}
