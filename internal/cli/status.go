// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

// historyShown is how many past deployments the screen has.
const historyShown = 5

func (e *env) statusCommand() *cobra.Command {
	var format string
	var everywhere bool
	out := &cobra.Command{
		Use:               "status [ENVIRONMENT]",
		Short:             "Show how an environment is, or list all",
		Example:           "  beanpod status shop\n  beanpod status -A",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completeEnvironment,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := e.connect()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return e.statusOfAll(cmd.Context(), c, everywhere, format)
			}
			if everywhere {
				return exit(exitError, "-A lists all environments; leave out either it or %s", args[0])
			}
			return e.statusOf(cmd.Context(), c, args, format)
		},
	}
	out.Flags().StringVarP(&format, "output", "o", "", "json or yaml: the objects themselves")
	out.Flags().BoolVarP(&everywhere, "all-namespaces", "A", false, "List the environments of all namespaces")
	complete(out, "output", "json", "yaml")
	return out
}

func (e *env) statusOfAll(ctx context.Context, c *cluster, everywhere bool, format string) error {
	list := &v1alpha1.EnvironmentList{}
	var where []client.ListOption
	if !everywhere {
		where = append(where, client.InNamespace(c.namespace))
	}
	if err := c.List(ctx, list, where...); err != nil {
		return err
	}
	if format != "" {
		return e.object(list, format)
	}
	if len(list.Items) == 0 {
		fmt.Fprintln(e.Streams.ErrOut, "There is no Environment here.")
		return nil
	}
	head := []string{"NAME", "TIER", "VERSION", "STATUS", "HEALTH", "OK", "DEPLOYMENT", "URL", "AGE"}
	if everywhere {
		head = append([]string{"NAMESPACE"}, head...)
	}
	rows := [][]string{head}
	for i := range list.Items {
		env := &list.Items[i]
		row := []string{
			env.Name, string(env.Spec.Tier), orDash(running(env)), orDash(word(env)), healthWord(env), instances(env), deploymentWord(env), orDash(env.Status.URL),
			e.age(&env.CreationTimestamp),
		}
		if everywhere {
			row = append([]string{env.Namespace}, row...)
		}
		rows = append(rows, row)
	}
	return table(e.Streams.Out, rows)
}

func (e *env) statusOf(ctx context.Context, c *cluster, args []string, format string) error {
	env, err := c.environment(ctx, args)
	if err != nil {
		return err
	}
	if format != "" {
		return e.object(env, format)
	}
	ready := condition.Find(env.Status.Conditions, v1alpha1.ConditionReady)
	rows := [][]string{
		{"Environment:", fmt.Sprintf("%s, tier %s, application %s, namespace %s", env.Name, env.Spec.Tier, env.Spec.ApplicationRef.Name, env.Namespace)},
		{"Status:", orDash(word(env))},
		{"Version:", versionLine(env)},
	}
	if ready != nil && ready.Message != "" {
		rows[1][1] += ": " + ready.Message
	}
	if p := env.Status.Platform; p != nil {
		rows = append(rows, []string{"Platform:", platformLine(env, p)})
	}
	rows = append(rows, []string{"Health:", e.healthLine(env)})
	if hs := env.Status.Health; hs != nil {
		for _, cause := range hs.Causes {
			rows = append(rows, []string{"", causeLine(cause)})
		}
	}
	rows = append(rows, []string{"Deployment:", e.deploymentLine(env)}, []string{"URL:", orDash(env.Status.URL)})
	if err := table(e.Streams.Out, rows); err != nil {
		return err
	}
	return e.history(e.Streams.Out, env)
}

func versionLine(env *v1alpha1.Environment) string {
	out, wanted := orDash(running(env)), ""
	if env.Spec.VersionRef != nil {
		wanted = env.Spec.VersionRef.Name
	}
	if wanted != running(env) {
		out += ", spec.versionRef names " + orDash(wanted)
	}
	return out
}

func platformLine(env *v1alpha1.Environment, p *v1alpha1.PlatformStatusSummary) string {
	out := p.Branch
	if env.Spec.PlatformRef != nil {
		out = env.Spec.PlatformRef.Name + " " + out
	}
	if p.Version != "" {
		out += ", version " + p.Version
	}
	if p.State != "" {
		out += ", " + p.State
	}
	if p.UpdateAvailable != "" {
		out += "; " + p.UpdateAvailable + " is available"
	}
	return out
}

func (e *env) healthLine(env *v1alpha1.Environment) string {
	hs := env.Status.Health
	if hs == nil {
		return "-"
	}
	out := fmt.Sprintf("%s (%s)", hs.Status, hs.Color)
	if hs.Since != nil {
		out += " for " + e.age(hs.Since)
	}
	return out + ", " + instances(env) + " instances ok"
}

func (e *env) deploymentLine(env *v1alpha1.Environment) string {
	d := env.Status.Deployment
	if d == nil {
		return "-"
	}
	out := fmt.Sprintf("%d, %s, %s: %s", d.ID, d.Type, d.Policy, d.State)
	if d.Reason != "" {
		out += " (" + d.Reason + ")"
	}
	if d.Message != "" {
		out += ", " + d.Message
	}
	switch {
	case d.FinishedAt != nil:
		out += ", " + e.age(d.FinishedAt) + " ago"
	case d.StartedAt != nil:
		out += ", since " + e.age(d.StartedAt)
	}
	if d.LogsRef != nil {
		out += ", logs in ConfigMap " + d.LogsRef.Name
	}
	return out
}

func (e *env) history(to io.Writer, env *v1alpha1.Environment) error {
	list := env.Status.History
	if len(list) == 0 {
		return nil
	}
	fmt.Fprintln(to)
	rows := [][]string{{"DEPLOYMENT", "TYPE", "VERSION", "RESULT", "REASON", "TOOK", "ENDED", "LOGS"}}
	for _, r := range list[:min(len(list), historyShown)] {
		logs := ""
		if r.LogsRef != nil {
			logs = r.LogsRef.Name
		}
		rows = append(rows, []string{
			fmt.Sprint(r.ID), string(r.Type), orDash(r.Version), string(r.Result), orDash(r.Reason),
			duration.HumanDuration(time.Duration(r.DurationSeconds) * time.Second), e.age(r.FinishedAt), orDash(logs),
		})
	}
	return table(to, rows)
}
