// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func full() Report {
	return Report{
		Error: "The build command ended with exit code 1.", Reason: BuildFailed, Retry: true,
		Bundle:    &Object{SHA256: strings.Repeat("a", 64), SizeBytes: 1, Files: 2},
		Artifact:  &Object{SHA256: strings.Repeat("b", 64), SizeBytes: 3},
		Processes: map[string]string{"web": "node app.js", "worker": "node worker.js"},
		Release:   []string{"sh", "-c", "migrate"}, Warnings: []string{"w"},
		Unsupported: []string{".ebextensions/x.config: packages"}, Options: []Option{{"ns", "n", "v"}}, Seconds: 1.5,
	}
}

func TestEncodeKeepsEverythingThatFits(t *testing.T) {
	t.Parallel()
	got, err := Decode(Encode(full()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), got); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeCuts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä\x00<", 3000)
	many := make([]string, 3000)
	for i := range many {
		many[i] = fmt.Sprint("entry ", i)
	}
	for name, change := range map[string]func(*Report){
		"warnings":    func(r *Report) { r.Warnings = many },
		"long ones":   func(r *Report) { r.Warnings = []string{long, long} },
		"unsupported": func(r *Report) { r.Unsupported = many },
		"options":     func(r *Report) { r.Options = make([]Option, 3000) },
		"error":       func(r *Report) { r.Error = long },
		"release":     func(r *Report) { r.Release = []string{"sh", "-c", long} },
		"process":     func(r *Report) { r.Processes = map[string]string{"web": "x", "worker": long} },
		"everything": func(r *Report) {
			*r = Report{
				Error: long, Release: many, Warnings: []string{long}, Unsupported: many, Options: make([]Option, 9),
				Processes: map[string]string{"web": "x", "a": long, "b": long},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := full()
			change(&r)
			text := Encode(r)
			got, err := Decode(text)
			if err != nil || len(text) > Limit || !got.Cut {
				t.Fatalf("%d bytes, cut %v, %v", len(text), got.Cut, err)
			}
			if got.Processes["web"] == "" {
				t.Error("the web process was lost")
			}
		})
	}
}

func TestEncodeLeavesTheReportAsItWas(t *testing.T) {
	t.Parallel()
	r := full()
	r.Warnings, r.Processes["worker"] = []string{strings.Repeat("x", 5000)}, strings.Repeat("y", 5000)
	Encode(r)
	if len(r.Warnings[0]) != 5000 || len(r.Processes["worker"]) != 5000 {
		t.Error("Encode changed its argument")
	}
}
