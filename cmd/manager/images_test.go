// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"strings"
	"testing"
)

func TestImageFlags(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                             "",
		"--artifact-registry-insecure": "",
		"--store=dir:///x --store-url=http://s --bundle-image=b --artifact-registry=registry.example.com/team":                                         "",
		"--store=dir:///x --store-url=http://s --bundle-image=b --artifact-registry=registry.example.com/team --artifact-registry-pull-secret=regcred": "",
		"--artifact-registry=registry.example.com/team":                                                                               "needs --store",
		"--store=dir:///x --store-url=http://s --bundle-image=b --artifact-registry=https://registry.example.com":                     "not the beginning of a repository",
		"--store=dir:///x --store-url=http://s --bundle-image=b --artifact-registry=localhost:5000 --artifact-registry-pull-secret=A": "not the name of a Secret",
	} {
		var f flags
		set := flag.NewFlagSet("manager", flag.ContinueOnError)
		f.bind(set)
		if err := set.Parse(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		options, err := f.options()
		if (want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q gives %v, want %q", line, err, want)
		}
		if err == nil && (options.Operator.Registry.Prefix != "") != (options.Images != nil) {
			t.Errorf("%q gives prefix %q and images %v", line, options.Operator.Registry.Prefix, options.Images)
		}
	}
}
