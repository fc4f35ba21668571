// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim_test

import (
	"slices"
	"strings"
	"testing"
)

// TestProtectedAgain protects a claim again at every write of its end, while the operator is down. Where the end was not recorded yet,
// the claim waits and its data are whole; where it was, all of it goes. What is recorded after the protection came is judged as in
// TestFaults.
func TestProtectedAgain(t *testing.T) {
	kept, ended := 0, 0
	for _, s := range stories() {
		if s.name != "delete" && s.name != "save" {
			continue
		}
		clean, err := s.play()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range clean.points {
			for _, m := range []mode{saved, savedAfter} {
				if m.commits() && !clean.accepted[p] {
					continue
				}
				f := fault{m, p}
				out, err := s.play(f)
				if err != nil {
					t.Fatalf("%s %v: %v", s.name, f, err)
				}
				there := 0
				for _, kind := range []string{"DatabaseClaim shop ", "StatefulSet shop-db ", "PersistentVolumeClaim data-shop-db-0 ", "Secret shop-binding ", "Secret shop-db-admin "} {
					if slices.ContainsFunc(out.end, func(line string) bool { return strings.HasPrefix(line, kind) }) {
						there++
					}
				}
				switch {
				case len(out.problems) > 0:
					t.Errorf("%s %v: %s\n%s", s.name, f, strings.Join(out.problems, "\n"), strings.Join(out.trace, "\n"))
				case there == 5 && out.destroyed == 0:
					kept++
				case there == 0:
					ended++
				default:
					t.Errorf("%s %v: %d of 5 parts are left, after %d deletions\n%s", s.name, f, there, out.destroyed, strings.Join(out.trace, "\n"))
				}
			}
		}
	}
	if kept == 0 || ended == 0 {
		t.Errorf("%d claims were kept and %d ended: both must happen", kept, ended)
	}
	t.Logf("%d kept, %d ended", kept, ended)
}
