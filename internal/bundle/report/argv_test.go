// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArgv(t *testing.T) {
	t.Parallel()
	for command, want := range map[string][]string{
		"":                           nil,
		"  ":                         nil,
		"./server":                   {"./server"},
		"java -jar application.jar":  {"java", "-jar", "application.jar"},
		"node  app.js --port=80 a=b": {"node", "app.js", "--port=80", "a=b"},
		"gunicorn -b :$PORT app":     {"sh", "-c", "exec gunicorn -b :$PORT app"},
		"node 'my app.js'":           {"sh", "-c", "exec node 'my app.js'"},
		"java -jar *.jar":            {"sh", "-c", "exec java -jar *.jar"},
		"RAILS_ENV=x puma":           {"sh", "-c", "exec env RAILS_ENV=x puma"},
		"cd app && node x":           {"sh", "-c", "cd app && node x"},
		"exec node x":                {"sh", "-c", "exec node x"},
		"migrate; serve":             {"sh", "-c", "migrate; serve"},
		"serve | log":                {"sh", "-c", "serve | log"},
		"serve $(cat options)":       {"sh", "-c", "serve $(cat options)"},
		"export A=b":                 {"sh", "-c", "export A=b"},
	} {
		if diff := cmp.Diff(want, Argv(command)); diff != "" {
			t.Errorf("%q: %s", command, diff)
		}
	}
}
