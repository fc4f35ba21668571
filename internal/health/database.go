// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// databasePatience is how long a database may be away before it is worth a word: a failover, a restart.
const databasePatience = time.Minute

// databaseUnreachable tells of bound databases that do not run, by what their claims say. What they say beyond that may move, so people
// read it there.
func databaseUnreachable(all census) *v1alpha1.HealthCause {
	if all.in.Wanted.Databases == "" {
		return nil
	}
	var names []string
	for _, d := range all.in.Now.Databases {
		if !all.in.At.Before(d.DownSince.Add(databasePatience)) {
			names = append(names, d.Claim)
		}
	}
	if len(names) == 0 {
		return nil
	}
	list := strings.Join(names[:min(len(names), maxNames)], ", ")
	return &v1alpha1.HealthCause{
		Code: CauseDatabaseUnreachable, Severity: all.in.Wanted.Databases,
		Message: fmt.Sprintf("%s %s: its provider says that it does not run. See why with `kubectl describe databaseclaim %s`.",
			number(len(names), "Database", "Databases"), list, names[0]),
	}
}
