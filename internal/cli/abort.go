// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/cli/verdict"
)

func (e *env) abortCommand() *cobra.Command {
	wait, timeout := true, time.Duration(0)
	out := &cobra.Command{
		Use:               "abort [ENVIRONMENT]",
		Short:             "End the running deployment; what ran before comes back",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completeEnvironment,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.abort(cmd.Context(), args, wait, timeout)
		},
	}
	out.Flags().BoolVar(&wait, "wait", true, "Wait until what ran before is back")
	out.Flags().DurationVar(&timeout, "timeout", 0, "How long to wait (default: what the deployment's batches may take)")
	return out
}

func (e *env) abort(ctx context.Context, args []string, wait bool, timeout time.Duration) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	target, err := c.environment(ctx, args)
	if err != nil {
		return err
	}
	out := e.output(false)
	now := target.Status.Deployment
	if now == nil || now.State != v1alpha1.DeploymentInProgress {
		out.step("no deployment of Environment %s is running; nothing to abort", target.Name)
		return nil
	}
	token := e.Now().UTC().Format(time.RFC3339Nano)
	patch := fmt.Sprintf(`{"metadata":{"uid":%q,"annotations":{%q:%q}}}`, target.UID, v1alpha1.AnnotationAbortRequested, token)
	if err := c.Patch(ctx, target, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("asking for the end of deployment %d of Environment %s: %w", now.ID, target.Name, err)
	}
	out.step("asked for the end of deployment %d of Environment %s", now.ID, target.Name)
	if !wait {
		return nil
	}
	if timeout <= 0 {
		timeout = verdict.Budget(target, nil)
	}
	w := &watcher{env: e, cluster: c, out: out, key: client.ObjectKeyFromObject(target), limit: timeout}
	return w.followAbort(ctx, token)
}

// followAbort waits until the operator says that the abort with this token is done.
func (w *watcher) followAbort(ctx context.Context, token string) error {
	message := "the operator has not answered"
	err := w.until(ctx, func(_ context.Context, env *v1alpha1.Environment) bool {
		ops := env.Status.Operations
		if ops == nil || ops.Abort == nil || ops.Abort.Token != token {
			return false
		}
		message = ops.Abort.Message
		if !ops.Abort.Completed {
			w.out.progress(event{Message: message})
		}
		return ops.Abort.Completed
	})
	w.out.clear()
	status := w.hint(w.namespace, "status %s", w.key.Name)
	switch {
	case errors.Is(err, errTimeout):
		return exit(exitTimeout, "not over after %s: %s; %s shows it", w.limit, message, status)
	case errors.Is(err, context.Canceled):
		return exit(exitDetached, "no longer waiting; the abort goes on, %s shows it", status)
	case err != nil:
		return err
	}
	w.out.step("%s", message)
	return nil
}
