// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rds_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/internal/database"
)

// served is a DBInstance that takes connections, in which nobody has made the application's user yet.
var served = strings.NewReplacer("STATE", "available", `, annotations: {beanpod.dev/login-made: "true"}`, "").Replace(available)

// TestLogin is the way of a database from the first connection that it takes to the first that the application can make.
func TestLogin(t *testing.T) {
	t.Parallel()
	job := func(status string) string {
		return "metadata: {name: shop-db-db-login}\nstatus: {conditions: [{type: " + status + `, status: "True", message: too often}]}`
	}
	for name, tc := range map[string]struct {
		instance, job, pod string
		ready, failed      bool
		asked, noted       bool
		says               string
	}{
		"not in AWS yet":     {instance: "spec: {engine: postgres}", says: "has not said anything"},
		"it serves":          {instance: served, asked: true, says: "makes the user ebroot in it"},
		"the Job runs":       {instance: served, job: "metadata: {name: j}", asked: true, says: "makes the user ebroot in it"},
		"the Job fails once": {instance: served, job: "metadata: {name: j}", pod: retried, asked: true, says: "tried again: The administrator cannot log in"},
		"the Job gave up":    {instance: served, job: job("Failed"), failed: true, asked: true, says: "delete job shop-db-db-login-"},
		"the Job is done":    {instance: served, job: job("Complete"), ready: true, noted: true, says: "takes connections"},
		"and is gone":        {instance: strings.ReplaceAll(available, "STATE", "available"), ready: true, noted: true, says: "takes connections"},
		"it serves no more":  {instance: strings.ReplaceAll(available, "STATE", "stopped"), failed: true, noted: true, says: "start it"},
		"another's master":   {instance: strings.Replace(served, "engine: postgres", "engine: postgres\n  masterUsername: ebroot", 1), ready: true, says: "takes connections"},
	} {
		w := wanted()
		have := instance(t, w, tc.instance)
		for ref, text := range map[database.Ref]string{provider.Refs(w)[2]: tc.job, provider.Refs(w)[3]: tc.pod} {
			if text != "" {
				have[ref] = object(t, ref.Kind, text)
			}
		}
		facts := provider.Read(w, have)
		if facts.Ready != tc.ready || facts.Failed != tc.failed || !strings.Contains(facts.Message, tc.says) {
			t.Errorf("%s: %+v", name, facts)
		}
		var kinds []string
		objects := provider.Objects(w, have)
		for _, o := range objects {
			kinds = append(kinds, o.Kind)
		}
		want := []string{"DBInstance", "ConfigMap", "Job"}
		switch {
		case name == "another's master":
			want = want[:1]
		case !tc.asked:
			want = want[:2]
		}
		if diff := cmp.Diff(want, kinds); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		noted := (&unstructured.Unstructured{Object: objects[0].Intent}).GetAnnotations()["beanpod.dev/login-made"] != ""
		if noted != tc.noted {
			t.Errorf("%s: noted is %t", name, noted)
		}
		if got := provider.Release(w, have); len(got) != 1 || got[0].Kind != "DBInstance" {
			t.Errorf("%s: released: %v", name, got)
		}
	}
}

const retried = `
metadata: {name: p}
status: {containerStatuses: [{name: login, lastState: {terminated: {exitCode: 1, message: "The administrator cannot log in: no route"}}, state: {waiting: {reason: CrashLoopBackOff}}}]}
`

func TestUnrotatable(t *testing.T) {
	t.Parallel()
	engine := func(name string) database.Wanted { return wanted(func(w *database.Wanted) { w.Engine = name }) }
	for name, tc := range map[string]struct {
		w        database.Wanted
		instance string
		says     string
	}{
		"postgres":         {wanted(), "spec: {masterUsername: beanpod}", ""},
		"oracle":           {engine("oracle-se2"), "spec: {masterUsername: ebroot}", "The engine oracle-se2 on RDS"},
		"mysql":            {engine("mysql"), "spec: {}", "The engine mysql on RDS"},
		"another's master": {wanted(), "spec: {masterUsername: ebroot}", "The user ebroot is the master user"},
	} {
		got := provider.Unrotatable(tc.w, instance(t, tc.w, tc.instance))
		if (got == "") != (tc.says == "") || !strings.Contains(got, tc.says) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if a, b := provider.AdminSecret(wanted()), provider.AdminSecret(engine("mysql")); a != "shop-db-db-admin" || b != "" {
		t.Errorf("the Secrets of administrators: %q, %q", a, b)
	}
}
