// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// environment returns the Environment that the arguments name, or the only one there is.
func (c *cluster) environment(ctx context.Context, args []string) (*v1alpha1.Environment, error) {
	if len(args) == 1 {
		out := &v1alpha1.Environment{}
		err := c.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: args[0]}, out)
		if !apierrors.IsNotFound(err) {
			return out, err
		}
	}
	var list v1alpha1.EnvironmentList
	if err := c.List(ctx, &list, client.InNamespace(c.namespace)); err != nil {
		return nil, err
	}
	names := namesOf(list)
	switch {
	case len(args) == 1:
		return nil, unknown(args[0], c.namespace, names)
	case len(names) == 1:
		return &list.Items[0], nil
	case len(names) == 0:
		return nil, fmt.Errorf("namespace %s has no Environment; make one first (docs/spec/environment.md), or choose a namespace with -n", c.namespace)
	}
	return nil, fmt.Errorf("namespace %s has %d environments; name one: %s", c.namespace, len(names), strings.Join(names, ", "))
}

func namesOf(list v1alpha1.EnvironmentList) []string {
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return out
}

func unknown(name, namespace string, known []string) error {
	text := fmt.Sprintf("namespace %s has no Environment %s", namespace, name)
	switch near := nearest(name, known); {
	case near != "":
		text += fmt.Sprintf("; did you mean %s?", near)
	case len(known) == 0:
		text += ", nor any other; choose a namespace with -n"
	default:
		text += "; there are: " + strings.Join(known[:min(len(known), 10)], ", ")
	}
	return fmt.Errorf("%s", text)
}

// nearest is the name with the fewest differences, if they are few.
func nearest(name string, known []string) string {
	best, out := 1+max(1, len(name)/3), ""
	for _, k := range known {
		if d := distance(name, k); d < best {
			best, out = d, k
		}
	}
	return out
}

// distance counts how many letters must be put in, left out, changed or exchanged with the next one (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// completeEnvironment offers names of environments. A shell that waits is worse than one that offers nothing.
func (e *env) completeEnvironment(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list v1alpha1.EnvironmentList
	err := e.listQuickly(cmd.Context(), &list)
	names := slices.DeleteFunc(namesOf(list), func(name string) bool { return !strings.HasPrefix(name, begin) })
	return names, directive(err)
}

// completeVersion offers names of versions.
func (e *env) completeVersion(cmd *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
	var list v1alpha1.ApplicationVersionList
	err := e.listQuickly(cmd.Context(), &list)
	var names []string
	for i := range list.Items {
		if v := &list.Items[i]; strings.HasPrefix(v.Name, begin) {
			names = append(names, v.Name+"\t"+v.Spec.Label)
		}
	}
	return names, directive(err)
}

func (e *env) listQuickly(ctx context.Context, list client.ObjectList) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return c.List(ctx, list, client.InNamespace(c.namespace))
}

func directive(err error) cobra.ShellCompDirective {
	if err != nil {
		return cobra.ShellCompDirectiveError
	}
	return cobra.ShellCompDirectiveNoFileComp
}
