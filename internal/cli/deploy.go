// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/cli/upload"
	"github.com/beanpod-dev/beanpod/internal/cli/verdict"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// waitNone is --wait=none: nothing is waited for.
const waitNone = "none"

type deployFlags struct {
	archive, image, version    string
	label, name, message       string
	staged, dryRun             bool
	wait, format               string
	timeout                    time.Duration
	storeURL, uploadServiceAcc string
}

func (e *env) deployCommand() *cobra.Command {
	var f deployFlags
	out := &cobra.Command{
		Use:   "deploy [ENVIRONMENT]",
		Short: "Deploy the working directory, an archive, an image or an older version",
		Long: `Deploy what git has of the working directory at HEAD, or an archive, an image or a version that exists, and wait for the rollout.

A file .ebignore switches git off: then all files are deployed but those that it names, with the rules of .gitignore.
Ctrl-C ends the waiting, never the deployment.

` + exitCodes,
		Example: `  beanpod deploy shop
  beanpod deploy shop --archive target/shop.war --label 42
  beanpod deploy shop --image registry.example/shop:42
  beanpod deploy shop --version shop-41`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completeEnvironment,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.deploy(cmd.Context(), f, args) },
	}
	flags := out.Flags()
	flags.StringVar(&f.archive, "archive", "", "Deploy this ZIP, WAR, JAR or tar.gz")
	flags.StringVar(&f.image, "image", "", "Deploy this image")
	flags.StringVar(&f.version, "version", "", "Deploy this ApplicationVersion, which exists")
	flags.BoolVar(&f.staged, "staged", false, "Deploy the git index instead of HEAD")
	flags.StringVar(&f.label, "label", "", "Label of the new version (default: the commit, the image's tag, or the bundle's digest)")
	flags.StringVar(&f.name, "name", "", "Name of the new ApplicationVersion (default: application and label)")
	flags.StringVarP(&f.message, "message", "m", "", "What this version changes (default: the commit's subject)")
	flags.StringVar(&f.wait, "wait", string(verdict.RolledOut), "Wait until accepted, rolled-out, healthy, or none")
	flags.DurationVar(&f.timeout, "timeout", 0, "How long to wait (default: what the deployment's batches may take)")
	flags.StringVarP(&f.format, "output", "o", "", "json: a line for each event, the result last")
	flags.BoolVar(&f.dryRun, "dry-run", false, "Pack and let the API server check everything, but change nothing")
	flags.StringVar(&f.storeURL, "store-url", "", "Address of the operator's store (default: through the API server)")
	flags.StringVar(&f.uploadServiceAcc, "upload-service-account", "", "Upload with a short-lived token of this ServiceAccount (default: your own token, or else "+upload.DefaultServiceAccount+")")
	out.MarkFlagsMutuallyExclusive("archive", "image", "version", "staged")
	for _, made := range []string{"label", "name", "message"} {
		out.MarkFlagsMutuallyExclusive("version", made)
	}
	complete(out, "wait", string(verdict.Accepted), string(verdict.RolledOut), string(verdict.Healthy), waitNone)
	complete(out, "output", "json")
	_ = out.RegisterFlagCompletionFunc("version", e.completeVersion) // fails only for a flag that is not there
	return out
}

func complete(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that is not there
}

// deployment is one run of deploy.
type deployment struct {
	*env
	deployFlags
	*cluster
	out    *output
	target *v1alpha1.Environment
}

func (e *env) deploy(ctx context.Context, f deployFlags, args []string) error {
	switch {
	case f.format != "" && f.format != "json":
		return exit(exitError, "-o %s is not known; use json, or nothing", f.format)
	case f.wait != string(verdict.Accepted) && f.wait != string(verdict.RolledOut) && f.wait != string(verdict.Healthy) && f.wait != waitNone:
		return exit(exitError, "--wait=%s is not known; use accepted, rolled-out, healthy or none", f.wait)
	}
	c, err := e.connect()
	if err != nil {
		return err
	}
	target, err := c.environment(ctx, args)
	if err != nil {
		return err
	}
	d := &deployment{env: e, deployFlags: f, cluster: c, out: e.output(f.format == "json"), target: target}
	return d.finish(d.run(ctx))
}

// run does everything; what it returns without an error is the end of a deployment.
func (d *deployment) run(ctx context.Context) (*ending, error) {
	started := d.Now()
	v, err := d.provide(ctx)
	if err == nil {
		err = d.point(ctx, v)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, exit(exitDetached, "interrupted; environment %s was not changed", d.target.Name)
	case err != nil:
		return nil, err
	case d.dryRun:
		return &ending{env: d.target, version: v.Name, verdict: verdict.Verdict{State: "DryRun", Message: "dry run: nothing was changed"}}, nil
	case d.wait == waitNone:
		return &ending{env: d.target, version: v.Name, verdict: verdict.Verdict{State: "Requested", Message: "the operator was asked to deploy " + v.Name}}, nil
	}
	goal := verdict.Goal{Version: v.Name, Generation: d.target.Generation, Until: verdict.Until(d.wait)}
	limit := d.timeout
	if limit <= 0 {
		limit = verdict.Budget(d.target, v)
	}
	d.out.step("waiting until %s, at most %s; Ctrl-C stops the waiting, not the deployment (%s undoes it)", d.wait, limit, d.hint("abort %s", d.target.Name))
	w := &watcher{env: d.env, cluster: d.cluster, out: d.out, key: client.ObjectKeyFromObject(d.target), limit: limit}
	end, err := w.follow(ctx, goal)
	if end != nil {
		end.took = d.Now().Sub(started)
	}
	return end, err
}

// point makes the environment name the version. A version that it names already is not written again.
func (d *deployment) point(ctx context.Context, v *v1alpha1.ApplicationVersion) error {
	from := "nothing"
	if ref := d.target.Spec.VersionRef; ref != nil {
		from = ref.Name
	}
	if from == v.Name {
		d.out.step("Environment/%s names %s already", d.target.Name, v.Name)
		return nil
	}
	if manager := verdict.Reconciler(d.target, fieldManager); manager != "" {
		d.out.warn("%s owns spec.versionRef of Environment %s and may set it back to %s; change it there as well, or tell it to ignore this field", manager, d.target.Name, from)
	}
	if d.target.Spec.Paused {
		d.out.warn("Environment %s is paused; nothing is deployed until spec.paused is false", d.target.Name)
	}
	// The UID makes sure that it is still the environment that was looked at.
	patch := fmt.Sprintf(`{"metadata":{"uid":%q},"spec":{"versionRef":{"name":%q}}}`, d.target.UID, v.Name)
	options := []client.PatchOption{client.FieldOwner(fieldManager)}
	if d.dryRun {
		options = append(options, client.DryRunAll)
	}
	if err := d.Patch(ctx, d.target, client.RawPatch(types.MergePatchType, []byte(patch)), options...); err != nil {
		return fmt.Errorf("changing spec.versionRef of Environment %s: %w", d.target.Name, err)
	}
	cfg, _ := settings.Resolve(settings.Layers{Environment: d.target, Version: v})
	d.out.step("Environment/%s: %s -> %s, policy %s", d.target.Name, from, v.Name, cfg.VersionRollout.Policy)
	return nil
}

// hint is a command line for people, as they would have to type it here.
func (d *deployment) hint(format string, args ...any) string {
	return d.env.hint(d.namespace, format, args...)
}

func (e *env) hint(namespace, format string, args ...any) string {
	return fmt.Sprintf("`%s -n %s "+format+"`", append([]any{e.Name, namespace}, args...)...)
}
