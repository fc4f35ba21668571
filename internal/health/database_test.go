// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"strings"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

func TestDatabaseUnreachable(t *testing.T) {
	t.Parallel()
	down := func(name string, ago time.Duration) snapshot.Database {
		return snapshot.Database{Claim: name, DownSince: at.Add(-ago)}
	}
	for _, tc := range []struct {
		name   string
		counts v1alpha1.HealthStatus
		down   []snapshot.Database
		want   v1alpha1.HealthStatus
		// parts of the message; none: there is no cause.
		parts []string
		next  time.Duration
	}{
		{name: "all run", counts: "Warning", want: "Ok"},
		{name: "a moment", counts: "Warning", down: []snapshot.Database{down("a", 59*time.Second)}, want: "Ok", next: time.Second},
		{name: "a minute", counts: "Warning", down: []snapshot.Database{down("a", time.Minute)}, want: "Warning", parts: []string{"Database a:", "kubectl describe databaseclaim a`"}},
		{name: "all of them", counts: "Warning", down: []snapshot.Database{down("a", time.Hour), down("b", time.Second), down("c", time.Hour)}, want: "Warning",
			parts: []string{"Databases a, c:"}, next: 59 * time.Second},
		{name: "by wish", counts: "Degraded", down: []snapshot.Database{down("a", time.Hour)}, want: "Degraded", parts: []string{"Database a"}},
		{name: "ignored", counts: "", down: []snapshot.Database{down("a", time.Hour)}, want: "Ok"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in := makeInput(2, wanted(func(w *Wanted) { w.Databases = tc.counts }), func(in *Input) { in.Now.Databases = tc.down })
			got := Assess(in)
			if got.Status != tc.want || len(got.Causes) != min(len(tc.parts), 1) {
				t.Fatalf("health is %s with %+v, want %s", got.Status, got.Causes, tc.want)
			}
			for _, part := range tc.parts {
				if c := got.Causes[0]; c.Code != CauseDatabaseUnreachable || !strings.Contains(c.Message, part) {
					t.Errorf("cause %+v does not say %s", c, part)
				}
			}
			if next := Next(in); tc.next > 0 && !next.Equal(at.Add(tc.next)) {
				t.Errorf("look again at %v, want after %v", next, tc.next)
			}
			// No deployment fails because of a database.
			if status, _ := Judge(in, snapshot.SlotA, "r1"); status != v1alpha1.HealthOk {
				t.Errorf("the instances are judged %s", status)
			}
		})
	}
}
