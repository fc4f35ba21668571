// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"
)

// table prints columns as wide as their widest cell, the last one as it is.
func table(to io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var out strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell
			if i < len(row)-1 {
				line += strings.Repeat(" ", widths[i]-len([]rune(cell))+3)
			}
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(to, out.String())
	return err
}

// object prints an object, or a list of them, as the API server has it; the field managers are noise for people.
func (e *env) object(o runtime.Object, format string) error {
	if format != "json" && format != "yaml" {
		return exit(exitError, "-o %s is not known; use json or yaml, or nothing", format)
	}
	if err := tidy(o); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	text, err := json.MarshalIndent(o, "", "  ")
	if err == nil && format == "yaml" {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	_, err = fmt.Fprintln(e.Streams.Out, strings.TrimRight(string(text), "\n"))
	return err
}

// tidy names the kind, which clients leave out, and drops the field managers.
func tidy(o runtime.Object) error {
	kinds, err := scheme()
	if err != nil {
		return err
	}
	return errors.Join(name(o, kinds), meta.EachListItem(asList(o), func(item runtime.Object) error { return name(item, kinds) }))
}

// asList is the list itself, or an empty one.
func asList(o runtime.Object) runtime.Object {
	if meta.IsListType(o) {
		return o
	}
	return &metav1.List{}
}

func name(o runtime.Object, kinds *runtime.Scheme) error {
	kind, err := apiutil.GVKForObject(o, kinds)
	if err != nil {
		return err
	}
	o.GetObjectKind().SetGroupVersionKind(kind)
	if accessor, err := meta.Accessor(o); err == nil {
		accessor.SetManagedFields(nil)
	}
	return nil
}
