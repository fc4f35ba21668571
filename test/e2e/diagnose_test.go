// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

var diagnosing sync.Mutex

// diagnose prints what the cluster says about a namespace and some environments in it.
func diagnose(ns string, environments ...string) {
	diagnosing.Lock()
	defer diagnosing.Unlock()
	if theCluster.kubeconfig == "" {
		return
	}
	show := func(lines int, args ...string) {
		out, err := kubectl(args...)
		if err != nil {
			out += err.Error()
		}
		all := strings.Split(strings.TrimSpace(out), "\n")
		fmt.Fprintf(os.Stderr, "--- kubectl %s\n%s\n", strings.Join(args, " "), strings.Join(all[max(0, len(all)-lines):], "\n"))
	}
	for _, e := range environments {
		show(90, "describe", "benv", "-n", ns, e)
		show(20, "get", "pods,deployments,replicasets,services,ingresses", "-n", ns, "-o", "wide", "-l", "beanpod.dev/environment="+e)
	}
	show(25, "get", "events", "-n", ns, "--sort-by=.lastTimestamp")
	show(10, "get", "pods", "-n", operatorNamespace, "-o", "wide")
	show(40, "logs", "-n", operatorNamespace, "-l", "app.kubernetes.io/component=manager", "--tail=40")
}
