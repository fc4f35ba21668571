// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func (e *env) versionCommand() *cobra.Command {
	var own bool
	out := &cobra.Command{
		Use:               "version",
		Short:             "Print the versions of this program, the operator and its API",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows := [][]string{{"Client:", e.Version}}
			if !own {
				c, err := e.connect()
				if err != nil {
					return err
				}
				rows = append(rows, []string{"API:", servedAPI(c)}, []string{"Operator:", operators(cmd.Context(), c, e.operatorNamespace)})
			}
			return table(e.Streams.Out, rows)
		},
	}
	out.Flags().BoolVar(&own, "client", false, "Ask no cluster")
	return out
}

// servedAPI says which of our versions the API server has.
func servedAPI(c *cluster) string {
	kind := schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: "Environment"}
	mappings, err := c.RESTMapper().RESTMappings(kind)
	switch {
	case meta.IsNoMatchError(err):
		return "not installed"
	case err != nil:
		return "unknown: " + err.Error()
	}
	var out []string
	for _, m := range mappings {
		out = append(out, m.GroupVersionKind.GroupVersion().String())
	}
	return strings.Join(out, ", ")
}

// operators reads the version from the operator's Deployment, which not everybody may read.
func operators(ctx context.Context, c *cluster, namespace string) string {
	var list appsv1.DeploymentList
	err := c.List(ctx, &list, client.InNamespace(namespace),
		client.MatchingLabels{"app.kubernetes.io/name": "beanpod", "app.kubernetes.io/component": "manager"})
	switch {
	case err != nil:
		return "unknown: " + err.Error()
	case len(list.Items) == 0:
		return fmt.Sprintf("none in namespace %s", namespace)
	}
	d := list.Items[0]
	out := orDash(d.Labels["app.kubernetes.io/version"])
	if containers := d.Spec.Template.Spec.Containers; len(containers) > 0 {
		out += " (" + containers[0].Image + ")"
	}
	return out
}
