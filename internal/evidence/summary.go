// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// summarize says what failed, then tells of each instance, the worst first, as far as there is room.
func summarize(env *v1alpha1.Environment, failure Failure, pods []snapshot.Instance, logs []containerLog, at time.Time) string {
	byKey := map[string]containerLog{}
	for _, l := range logs {
		byKey[l.key()] = l
	}
	var out strings.Builder
	writeHeader(&out, env, failure, pods, at)
	for i, pod := range pods {
		var block strings.Builder
		writePod(&block, pod, byKey)
		rest := fmt.Sprintf("\nThere was no room for %d more.\n", len(pods)-i)
		if out.Len()+block.Len()+len(rest) > maxSummary {
			out.WriteString(rest)
			break
		}
		out.WriteString(block.String())
	}
	return out.String()
}

func writeHeader(out *strings.Builder, env *v1alpha1.Environment, failure Failure, pods []snapshot.Instance, at time.Time) {
	fmt.Fprintf(out, "Deployment %d of %s/%s failed.\n\n", failure.ID, env.Namespace, env.Name)
	for _, row := range []struct{ name, value string }{
		{"Version", failure.Version}, {"Type", failure.Type}, {"Policy", failure.Policy}, {"Reason", failure.Reason},
		{"Message", failure.Message}, {"Time", at.UTC().Format(time.RFC3339)},
	} {
		if value := phrase(row.value); value != "" {
			fmt.Fprintf(out, "%-8s %s\n", row.name+":", value)
		}
	}
	unready := 0
	for _, pod := range pods {
		if !pod.Ready {
			unready++
		}
	}
	if len(pods) == 0 {
		out.WriteString("\nIt had no instances.\n")
		return
	}
	fmt.Fprintf(out, "\nNot ready: %d of %d instances. The worst come first; logs are kept of %d at most.\n", unready, len(pods), maxPods)
}

func writePod(out *strings.Builder, pod snapshot.Instance, logs map[string]containerLog) {
	fmt.Fprintf(out, "\n%s: %s\n", pod.Name, state(pod))
	fmt.Fprintf(out, "  slot %s, version %s, revision %s, created at %s\n", orNone(pod.Slot), orNone(pod.Version), orNone(pod.Revision), moment(pod.CreatedAt))
	for _, c := range pod.Containers {
		fmt.Fprintf(out, "  container %s: %s\n", c.Name, describe(c))
		if c.Message != "" {
			fmt.Fprintf(out, "    message: %s\n", phrase(c.Message))
		}
		if l, chosen := logs[logKey(pod.Name, c.Name)]; chosen {
			fmt.Fprintf(out, "    log: %s\n", tell(l))
		}
	}
}

// state is what prevents an instance most.
func state(pod snapshot.Instance) string {
	switch {
	case pod.Failed:
		return "ended" + because(pod.FailedReason, pod.FailedMessage)
	case pod.Terminating:
		return "going away"
	case pod.Unschedulable != "":
		return "no node fits" + because("", pod.Unschedulable)
	case pod.Lost:
		return "its node does not answer"
	case pod.Ready:
		return "ready"
	case pod.Started:
		return "started, not ready"
	default:
		return "not started"
	}
}

func because(reason, message string) string {
	out := ""
	if reason != "" {
		out = " (" + phrase(reason) + ")"
	}
	if message != "" {
		out += ": " + phrase(message)
	}
	return out
}

// describe is one line: what the container does, how it last ended, how often it was started again.
func describe(c snapshot.Container) string {
	out := "not running"
	switch {
	case c.Waiting != "":
		out = "waiting" + because(c.Waiting, "")
	case c.Running && c.Ready:
		out = "running, ready"
	case c.Running:
		out = "running, not ready"
	}
	if e := c.LastExit; e != nil {
		out += fmt.Sprintf("; exited with code %d%s at %s", e.Code, because(e.Reason, ""), moment(e.At))
	}
	return out + fmt.Sprintf("; restarts: %d", c.Restarts)
}

func tell(l containerLog) string {
	if l.text == "" {
		return "none: " + l.problem
	}
	out := fmt.Sprintf("%s, lines: %d", l.key(), strings.Count(l.text, "\n"))
	if l.previous {
		out += ", of the previous run"
	}
	if l.problem != "" {
		out += "; not all: " + l.problem
	}
	return out
}

func moment(at time.Time) string {
	if at.IsZero() {
		return "an unknown time"
	}
	return at.UTC().Format(time.RFC3339)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
