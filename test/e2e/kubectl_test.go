// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKubectlShowsWhatMatters(t *testing.T) {
	t.Parallel()
	e := start(t, environment("shown", instances(1)))
	url := "http://" + e.host(t)
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"list", []string{"get", "benv", e.name}, []string{"TIER", "VERSION", "STATUS", "HEALTH", "READY", "URL", "WebServer", "v1", "Ready", "True", url}},
		{"health", []string{"get", "benv", e.name, "-o", "jsonpath={.status.health.status}/{.status.health.color}"}, []string{"Ok/Green"}},
		{"wide", []string{"get", "benv", e.name, "-o", "wide"}, []string{"INSTANCES", "DEPLOYMENT", "MESSAGE", "Succeeded"}},
		{"category", []string{"get", "beanpod"}, []string{"application.beanpod.dev/shop", "applicationversion.beanpod.dev/v1", "environment.beanpod.dev/shown"}},
		{"versions", []string{"get", "bver", "v1"}, []string{"APPLICATION", "shop", "Processed", "True"}},
		{"explain", []string{"explain", "benv.spec.deployment.version.policy"}, []string{"RollingWithAdditionalBatch", "AllAtOnce", "(the default)"}},
		{"describe", []string{"describe", "benv", e.name}, []string{"Events:", "Ready", "Deployed"}},
	}
	for _, test := range tests {
		out, err := kubectl(append(test.args, "-n", e.namespace)...)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for _, w := range test.want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: kubectl %s does not show %q:\n%s", test.name, strings.Join(test.args, " "), w, out)
			}
		}
	}
}

func TestMistakesGetHelpfulErrors(t *testing.T) {
	t.Parallel()
	e := start(t, environment("mistakes", instances(1)))
	tests := []struct{ name, patch, want string }{
		{"unknown value", `{"spec":{"deployment":{"version":{"policy":"rolling"}}}}`, `supported values: "AllAtOnce", "Rolling", "RollingWithAdditionalBatch"`},
		{"batch size", `{"spec":{"deployment":{"version":{"batchSize":"0%"}}}}`, "batchSize is a count from 1 to 10000 or a percentage from 1% to 100%"},
		{"contradiction", `{"spec":{"capacity":{"min":5}}}`, "capacity.min must not be larger than capacity.max"},
		{"PORT", `{"spec":{"environmentProperties":[{"name":"PORT","value":"1"}]}}`, "PORT is set by Beanpod from processes[].port"},
		{"tier", `{"spec":{"tier":"Background"}}`, "tier cannot be changed; make another Environment"},
	}
	for _, test := range tests {
		_, err := kubectl("patch", "benv", "-n", e.namespace, e.name, "--type=merge", "-p", test.patch)
		switch {
		case err == nil:
			t.Errorf("%s was accepted", test.name)
		case !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(test.want)):
			t.Errorf("%s: the error is\n%v\nwant %q", test.name, err, test.want)
		}
	}

	// kubectl apply is strict about names of fields without being told.
	file := filepath.Join(t.TempDir(), "environment.yaml")
	typo := `apiVersion: beanpod.dev/v1alpha1
kind: Environment
metadata: {name: typo}
spec:
  applicationRef: {name: shop}
  tier: WebServer
  deployment: {version: {polcy: Rolling}}
`
	if err := os.WriteFile(file, []byte(typo), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := kubectl("apply", "-n", e.namespace, "-f", file)
	if want := `unknown field "spec.deployment.version.polcy"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a misspelt field: %v, want %q", err, want)
	}
}
