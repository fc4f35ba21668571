// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

func TestDatabaseProbeFails(t *testing.T) {
	t.Parallel()
	const says = "PostgreSQL at db.example:5432 refuses user \"app\" (SQLSTATE 28P01). Correct the password."
	lost := func(name string) snapshot.Database { return snapshot.Database{Claim: name, Unreachable: says} }
	gone := func(name string, ago time.Duration) snapshot.Database {
		return snapshot.Database{Claim: name, Unreachable: says, DownSince: at.Add(-ago)}
	}
	for _, tc := range []struct {
		name   string
		counts v1alpha1.HealthStatus
		have   []snapshot.Database
		want   v1alpha1.HealthStatus
		// messages of the causes, whole.
		messages []string
	}{
		{name: "by default the environment stays green", counts: "Info", have: []snapshot.Database{lost("a")}, want: "Info",
			messages: []string{"Database a: a probe from inside the cluster cannot use it. " + says}},
		{name: "two of them", counts: "Info", have: []snapshot.Database{lost("a"), lost("b")}, want: "Info",
			messages: []string{"Databases a, b: probes from inside the cluster cannot use them. Of a: " + says}},
		{name: "by wish", counts: "Degraded", have: []snapshot.Database{lost("a")}, want: "Degraded", messages: []string{"Database a: a probe from inside the cluster cannot use it. " + says}},
		{name: "ignored", counts: "", have: []snapshot.Database{lost("a")}, want: "Ok"},
		{name: "one that does not run is told of once", counts: "Info", have: []snapshot.Database{gone("a", time.Hour)}, want: "Warning",
			messages: []string{"Database a: its provider says that it does not run. See why with `kubectl describe databaseclaim a`."}},
		{name: "one that does not run since a moment", counts: "Info", have: []snapshot.Database{gone("a", time.Second)}, want: "Info",
			messages: []string{"Database a: a probe from inside the cluster cannot use it. " + says}},
		{name: "both kinds", counts: "Info", have: []snapshot.Database{gone("a", time.Hour), lost("b")}, want: "Warning", messages: []string{
			"Database a: its provider says that it does not run. See why with `kubectl describe databaseclaim a`.",
			"Database b: a probe from inside the cluster cannot use it. " + says,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in := makeInput(2, wanted(func(w *Wanted) { w.Databases, w.Unreachable = "Warning", tc.counts }), func(in *Input) { in.Now.Databases = tc.have })
			got := Assess(in)
			var messages []string
			for _, c := range got.Causes {
				if c.Code != CauseDatabaseUnreachable {
					t.Errorf("there is a cause %s", c.Code)
				}
				messages = append(messages, c.Message)
			}
			if diff := cmp.Diff(tc.messages, messages); diff != "" || got.Status != tc.want {
				t.Errorf("health is %s, want %s (-want +got):\n%s", got.Status, tc.want, diff)
			}
			if tc.counts == "Info" && tc.want == "Info" && got.Color != v1alpha1.ColorGreen {
				t.Errorf("the colour is %s", got.Color)
			}
			if status, _ := Judge(in, snapshot.SlotA, "r1"); status != v1alpha1.HealthOk {
				t.Errorf("the instances are judged %s", status)
			}
		})
	}
	// Nothing is to come of itself.
	in := makeInput(2, wanted(func(w *Wanted) { w.Unreachable = "Info" }), func(in *Input) { in.Now.Databases = []snapshot.Database{lost("a")} })
	without := makeInput(2)
	if got, want := Next(in), Next(without); !got.Equal(want) {
		t.Errorf("look again at %v, without a database at %v", got, want)
	}
}
