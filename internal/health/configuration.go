// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// configurationReasons are the kubelet's words for a container that it cannot even create.
var configurationReasons = map[string]bool{
	"CreateContainerConfigError": true,
	"CreateContainerError":       true,
	"PreCreateHookError":         true,
	"PreStartHookError":          true,
	"PostStartHookError":         true,
}

// unstartable says whether the container was created but its command could not be started. The kubelet first says so and
// then only speaks of back-off, so the last exit counts as well, and no detail is kept.
func unstartable(c snapshot.Container) bool {
	if c.Waiting == "RunContainerError" || c.Waiting == "StartError" {
		return true
	}
	return c.LastExit != nil && !c.Running && (c.LastExit.Reason == "StartError" || c.LastExit.Reason == "ContainerCannotRun")
}

func findConfiguration(_ Input, pod snapshot.Instance) finding {
	for _, c := range pod.Containers {
		if configurationReasons[c.Waiting] {
			return finding{status: v1alpha1.HealthSevere, container: c, detail: c.Message}
		}
		if unstartable(c) {
			return finding{status: v1alpha1.HealthSevere, container: c, detail: "its command cannot be started"}
		}
	}
	return finding{}
}

func tellConfiguration(g group) string {
	f := g.first()
	message := g.some("cannot be started", "cannot be started") + " as configured: container " + f.container.Name
	if detail := Clean(f.detail); detail != "" {
		message += ": " + detail
	}
	return fmt.Sprintf("%s %s", sentence(message), configurationStep(f))
}

// configurationStep recognises the usual mistakes.
func configurationStep(f finding) string {
	text := strings.ToLower(f.detail)
	switch {
	case strings.Contains(text, "runasnonroot"):
		return "Instances may not run as root: set spec.podTemplate.runAsUser to a number other than 0, or give the image a numeric USER."
	case strings.Contains(text, "secret") || strings.Contains(text, "configmap"):
		return "Create what is missing, or correct the reference in spec.environmentProperties."
	case strings.Contains(text, "command"):
		return fmt.Sprintf("Check the process's command and that the image has it; `kubectl describe pod %s` shows the error.", f.pod.Name)
	default:
		return fmt.Sprintf("Look at `kubectl describe pod %s`.", f.pod.Name)
	}
}
