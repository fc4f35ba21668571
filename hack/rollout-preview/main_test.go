// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestPreview(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, args string }{
		{"default", ""},
		{"rolling_fails", "-policy Rolling -instances 4 -batch 25% -gate 15 -timeout 120 -fail 2"},
		{"back", "-policy AllAtOnce -instances 2 -gate 0 -start 5 -back 60"},
		{"immutable", "-policy Immutable -release 20 -scaled"},
		{"splitting_crash", "-policy TrafficSplitting -weighted -percent 25 -crash 90"},
		{"splitting_abort", "-policy TrafficSplitting -evaluation 60 -hold 0 -abort-after 50 -onfailure Pause"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if err := run(strings.Fields(tc.args), &out, io.Discard); err != nil {
				t.Fatal(err)
			}
			got := "$ rollout-preview " + tc.args + "\n" + out.String()
			file := filepath.Join("testdata", tc.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; make it with: go test ./hack/rollout-preview -update", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the output changed; if that is right, run with -update (-want +got):\n%s", diff)
			}
			if strings.Contains(got, "BROKEN") {
				t.Error("a promise is broken")
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, args, want string }{
		{"a policy that does not exist", "-policy Sometimes", "-policy is AllAtOnce"},
		{"no way to fail", "-onfailure Panic", "-onfailure is Rollback"},
		{"too large a share", "-percent 101", "-percent is a number from 1"},
		{"no batch", "-batch 0", "-batch is a count"},
		{"too large a percentage", "-batch 101%", "-batch is a count"},
		{"no instance", "-instances 0", "-instances is a number from 1"},
		{"a negative gate", "-gate -1", "-gate is a number from 0"},
		{"an argument", "Rolling", `what is "Rolling"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := run(strings.Fields(tc.args), io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want one with %q", err, tc.want)
			}
		})
	}
}
