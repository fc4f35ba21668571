// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command chart-crds copies the generated CRDs into the chart's templates.
//
// Helm never upgrades what lies in a chart's crds/ folder, so ours are templates:
// the generated text, verbatim, with the chart's switches, labels and annotations
// around it.
//
//	go run ./hack/chart-crds           # writes
//	go run ./hack/chart-crds -check    # fails if anything would change
package main

import (
	"bytes"
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
	from := flag.String("from", "config/crd/bases", "folder of the generated CRDs")
	to := flag.String("to", "charts/beanpod/templates/crds", "folder of the chart's CRD templates")
	check := flag.Bool("check", false, "change nothing, fail if the folders differ")
	flag.Parse()

	if err := run(*from, *to, *check); err != nil {
		fmt.Fprintln(os.Stderr, "chart-crds:", err)
		os.Exit(1)
	}
}

// run makes the folder to hold one template for each CRD in the folder from, and
// no other YAML file. With check it only reports what differs.
func run(from, to string, check bool) error {
	want, err := templates(from)
	if err != nil {
		return err
	}
	have, err := yamlFiles(to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	var stale []string
	for name, text := range want {
		if !bytes.Equal(have[name], text) {
			stale = append(stale, name)
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			stale = append(stale, name)
		}
	}
	slices.Sort(stale)

	if check {
		if len(stale) > 0 {
			return fmt.Errorf("%s differs from %s in %s: run \"go run ./hack/chart-crds\"", to, from, strings.Join(stale, ", "))
		}
		return nil
	}
	return write(to, stale, want)
}

func write(to string, stale []string, want map[string][]byte) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, name := range stale {
		path := filepath.Join(to, name)
		text, ok := want[name]
		if !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// templates returns the text of each template by file name.
func templates(from string) (map[string][]byte, error) {
	bases, err := yamlFiles(from)
	if err != nil {
		return nil, err
	}
	if len(bases) == 0 {
		return nil, fmt.Errorf("no CRDs in %s: run \"make manifests\" first", from)
	}
	out := make(map[string][]byte, len(bases))
	for file, base := range bases {
		name, text, err := template(string(base))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(from, file), err)
		}
		out[name+".yaml"] = []byte(text)
	}
	return out, nil
}

func yamlFiles(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != ".yaml" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out[e.Name()] = text
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
