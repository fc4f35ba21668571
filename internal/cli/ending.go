// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/cli/verdict"
)

// What is told of the logs of a failed deployment.
const (
	evidenceKey   = "summary.txt"
	evidenceLines = 15
	evidencePause = 5 * time.Second
)

// The results of -o json that no verdict has.
const (
	resultError    = "Error"
	resultTimedOut = "TimedOut"
	resultDetached = "Detached"
)

// finish tells how a deployment ended, and turns that into an exit code.
func (d *deployment) finish(end *ending, err error) error {
	if err != nil {
		if d.out.json {
			n := code(err)
			d.out.tell(event{Event: eventResult, Result: resultError, ExitCode: &n, Environment: d.target.Name, Message: explain(err)})
		}
		return err
	}
	n, text := d.sentence(end)
	failed := end.verdict.State == verdict.Failed
	if failed && !d.out.json {
		d.tellFailure(end)
	}
	if d.out.json {
		d.out.tell(d.result(end, n, text))
		return silentUnless(n)
	}
	if n == 0 {
		d.out.step("%s", text)
		return nil
	}
	d.out.clear()
	return exit(n, "%s", text)
}

func silentUnless(n int) error {
	if n == 0 {
		return nil
	}
	return silent(n)
}

// sentence is the last line, with its exit code.
func (d *deployment) sentence(end *ending) (int, string) {
	name, version, v := d.target.Name, end.version, end.verdict
	resume := d.hint("deploy %s --version %s --wait %s", name, version, d.wait)
	switch {
	case end.detached:
		return exitDetached, fmt.Sprintf("no longer waiting; the deployment of %s to %s goes on. %s waits again, %s undoes it", version, name, resume, d.hint("abort %s", name))
	case end.timedOut:
		return exitTimeout, fmt.Sprintf("not over after %s: %s. The deployment goes on; %s waits again, %s undoes it", end.limit, v.Message, resume, d.hint("abort %s", name))
	}
	switch v.State {
	case verdict.Succeeded:
		return 0, d.success(end)
	case verdict.Failed:
		return exitFailed, fmt.Sprintf("%s is not deployed to %s: %s: %s", version, name, v.Reason, v.Message)
	case verdict.Stuck:
		return exitFailed, fmt.Sprintf("%s cannot be deployed to %s: %s: %s. It goes on by itself once that is solved", version, name, v.Reason, v.Message)
	case verdict.Paused:
		return exitTimeout, fmt.Sprintf("%s is not deployed to %s yet: %s", version, name, v.Message)
	case verdict.Superseded:
		return exitFailed, fmt.Sprintf("%s is not deployed to %s: %s", version, name, v.Message)
	}
	return 0, v.Message
}

func (d *deployment) success(end *ending) string {
	if end.verdict.Reason == v1alpha1.ReasonDeploying {
		return fmt.Sprintf("accepted: the deployment of %s to %s has begun; %s shows it", end.version, d.target.Name, d.hint("status %s", d.target.Name))
	}
	out := fmt.Sprintf("deployed %s to %s in %s", end.version, d.target.Name, end.took.Truncate(time.Second))
	if hs := end.env.Status.Health; hs != nil {
		out += fmt.Sprintf(", health %s (%s)", hs.Status, hs.Color)
	}
	if url := end.env.Status.URL; url != "" {
		out += ", " + url
	}
	return out
}

// tellFailure says what failed and why, what runs now, and where the logs are.
func (d *deployment) tellFailure(end *ending) {
	st := end.env.Status
	if now := st.Deployment; now != nil {
		d.out.step("deployment %d of %s: %s, %s: %s", now.ID, end.version, now.State, orDash(now.Reason), now.Message)
	}
	if st.DeployedVersion != nil {
		d.out.step("running now: %s", st.DeployedVersion.Name)
	}
	for _, cause := range end.causes {
		d.out.step("cause: %s", causeLine(cause))
	}
	name := evidence(end)
	if name == "" {
		return
	}
	d.out.step("logs: ConfigMap %s (kubectl -n %s get configmap %s -o yaml)", name, d.namespace, name)
	// Ctrl-C or a time-out may have ended the other context; a person still wants to read why.
	ctx, cancel := context.WithTimeout(context.Background(), evidencePause)
	defer cancel()
	kept := &corev1.ConfigMap{}
	if err := d.Get(ctx, client.ObjectKey{Namespace: d.namespace, Name: name}, kept); err != nil {
		d.out.warn("reading the logs: %v", err)
		return
	}
	lines := strings.Split(strings.TrimSpace(kept.Data[evidenceKey]), "\n")
	for _, line := range lines[:min(len(lines), evidenceLines)] {
		d.out.step("  | %s", line)
	}
	if more := len(lines) - evidenceLines; more > 0 {
		d.out.step("  | ... %d more lines", more)
	}
}

func (d *deployment) result(end *ending, n int, text string) event {
	st := end.env.Status
	out := event{
		Event: eventResult, Result: string(end.verdict.State), Reason: end.verdict.Reason, ExitCode: &n, Message: text, Environment: d.target.Name,
		Version: end.version, URL: st.URL, Logs: evidence(end),
	}
	switch {
	case end.detached:
		out.Result = resultDetached
	case end.timedOut:
		out.Result = resultTimedOut
	}
	if st.Deployment != nil {
		out.Deployment = st.Deployment.ID
	}
	if st.DeployedVersion != nil {
		out.Running = st.DeployedVersion.Name
	}
	if st.Health != nil {
		out.Health = string(st.Health.Status)
	}
	if end.verdict.State == verdict.Failed {
		for _, cause := range end.causes {
			out.Causes = append(out.Causes, causeLine(cause))
		}
	}
	return out
}

// evidence names the ConfigMap of a failed deployment; empty when there is none, or the deployment did not fail.
func evidence(end *ending) string {
	if now := end.env.Status.Deployment; end.verdict.State == verdict.Failed && now != nil && now.LogsRef != nil {
		return now.LogsRef.Name
	}
	return ""
}

func causeLine(cause v1alpha1.HealthCause) string {
	count := ""
	if cause.Count > 0 {
		count = fmt.Sprintf(" (%d)", cause.Count)
	}
	return fmt.Sprintf("%s %s%s: %s", cause.Severity, cause.Code, count, cause.Message)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
