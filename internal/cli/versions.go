// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

func (e *env) versionsCommand() *cobra.Command {
	var format, application string
	out := &cobra.Command{
		Use:               "versions",
		Short:             "List versions, the newest first",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.versions(cmd.Context(), application, format)
		},
	}
	out.Flags().StringVarP(&format, "output", "o", "", "json or yaml: the objects themselves")
	out.Flags().StringVar(&application, "application", "", "List versions of this Application only")
	complete(out, "output", "json", "yaml")
	return out
}

func (e *env) versions(ctx context.Context, application, format string) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	list := &v1alpha1.ApplicationVersionList{}
	if err := c.List(ctx, list, client.InNamespace(c.namespace)); err != nil {
		return err
	}
	list.Items = slices.DeleteFunc(list.Items, func(v v1alpha1.ApplicationVersion) bool {
		return application != "" && v.Spec.ApplicationRef.Name != application
	})
	slices.SortStableFunc(list.Items, func(a, b v1alpha1.ApplicationVersion) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(b.Name, a.Name))
	})
	switch {
	case format != "":
		return e.object(list, format)
	case len(list.Items) == 0:
		fmt.Fprintf(e.Streams.ErrOut, "Namespace %s has no ApplicationVersion; `%s -n %s deploy` makes one.\n", c.namespace, e.Name, c.namespace)
		return nil
	}
	rows := [][]string{{"NAME", "LABEL", "STATUS", "USED BY", "AGE", "MESSAGE"}}
	for i := range list.Items {
		v := &list.Items[i]
		status := ""
		if ready := condition.Find(v.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			status = ready.Reason
		}
		rows = append(rows, []string{v.Name, orDash(v.Spec.Label), orDash(status), orDash(users(v)), e.age(&v.CreationTimestamp), oneLine(v.Annotations[v1alpha1.AnnotationMessage])})
	}
	return table(e.Streams.Out, rows)
}

func users(v *v1alpha1.ApplicationVersion) string {
	var out []string
	for _, use := range v.Status.UsedBy {
		out = append(out, use.Environment)
	}
	return strings.Join(out, ", ")
}
