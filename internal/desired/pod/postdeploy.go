// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"fmt"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/settings"
)

// postdeploySeconds is how long hooks wait for the application. The deployment's own time-out is mostly shorter.
const postdeploySeconds = 600

// listens waits until a process of the container listens on a port, given in hexadecimal and decimal digits. It asks the kernel, and
// needs nothing but a shell. State 0A is LISTEN.
const listens = `listens() { while read -r _ at _ state _; do case "$state $at" in "0A "*:%04X) return 0 ;; esac; done; return 1; }
n=0
until { listens </proc/net/tcp || listens </proc/net/tcp6; } 2>/dev/null; do
  n=$((n + 1))
  [ "$n" -le %[2]d ] || { echo "postdeploy: nothing listens on port %[1]d after %[2]d seconds, so no hook was run"; exit 1; }
  sleep 1
done
`

// hooks runs the executable files in the order of their names, and ends with the exit code of the first that fails. What they say goes
// to the log of the container, which a kubelet keeps; it keeps nothing of what it runs itself.
const hooks = `if (: >>/proc/1/fd/1) 2>/dev/null; then exec >>/proc/1/fd/1 2>&1; fi
%sfor hook in .platform/hooks/postdeploy/*; do
  [ -f "$hook" ] && [ -x "$hook" ] || continue
  echo "postdeploy: running $hook"
  "./$hook" || { code=$?; echo "postdeploy: $hook ended with exit code $code, so the instance is started again"; exit "$code"; }
done
`

// postdeploy lets the container of the main process run the bundle's hooks once it listens. Until they are done it is not ready, and
// when one fails the kubelet starts it again.
func postdeploy(c *corev1ac.ContainerApplyConfiguration, s settings.Settings) {
	if !s.Version.Artifact.Postdeploy {
		return
	}
	wait := ""
	if p := s.Processes[0].Port; p != 0 {
		wait = fmt.Sprintf(listens, p, postdeploySeconds)
	}
	if c.Lifecycle == nil {
		c.WithLifecycle(corev1ac.Lifecycle())
	}
	// Commands of handlers are taken as they are: nothing is expanded in them.
	c.Lifecycle.WithPostStart(corev1ac.LifecycleHandler().WithExec(corev1ac.ExecAction().WithCommand("sh", "-c", fmt.Sprintf(hooks, wait))))
}
