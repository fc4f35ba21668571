// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// databasePatience is how long a database may be away before it is worth a word: a failover, a restart.
const databasePatience = time.Minute

// databaseDown tells of bound databases that do not run, by what their claims say. What they say beyond that may move, so people read it
// there.
func databaseDown(all census) *v1alpha1.HealthCause {
	if all.in.Wanted.Databases == "" {
		return nil
	}
	var names []string
	for _, d := range all.in.Now.Databases {
		if down(d, all.in.At) {
			names = append(names, d.Claim)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return &v1alpha1.HealthCause{
		Code: CauseDatabaseUnreachable, Severity: all.in.Wanted.Databases,
		Message: fmt.Sprintf("%s: its provider says that it does not run. See why with `kubectl describe databaseclaim %s`.", listed(names), names[0]),
	}
}

// databaseUnreachable tells of bound databases that a probe cannot reach, in the probe's words, which stay the same as long as the trouble
// does. Those that do not run are told of already.
func databaseUnreachable(all census) *v1alpha1.HealthCause {
	if all.in.Wanted.Unreachable == "" {
		return nil
	}
	var names []string
	says := ""
	for _, d := range all.in.Now.Databases {
		if d.Unreachable == "" || down(d, all.in.At) {
			continue
		}
		if names = append(names, d.Claim); says == "" {
			says = d.Unreachable
		}
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		says = "a probe from inside the cluster cannot use it. " + says
	default:
		says = "probes from inside the cluster cannot use them. Of " + names[0] + ": " + says
	}
	return &v1alpha1.HealthCause{Code: CauseDatabaseUnreachable, Severity: all.in.Wanted.Unreachable, Message: fmt.Sprintf("%s: %s", listed(names), says)}
}

func down(d snapshot.Database, at time.Time) bool {
	return !d.DownSince.IsZero() && !at.Before(d.DownSince.Add(databasePatience))
}

func listed(names []string) string {
	return number(len(names), "Database", "Databases") + " " + strings.Join(names[:min(len(names), maxNames)], ", ")
}
