// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package shell

import "testing"

func TestNames(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"":                 nil,
		"a":                {"a"},
		"a, b":             {"a", "b"},
		"a, b and 1 more":  {"a", "b", "c"},
		"a, b and 2 more":  {"a", "b", "c", "d"},
		"aa, b and 3 more": {"aa", "b", "c", "d", "e"},
	} {
		if got := Names(names, 2); got != want {
			t.Errorf("Names(%v) = %q, want %q", names, got, want)
		}
	}
}
