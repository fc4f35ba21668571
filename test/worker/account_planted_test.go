// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"strings"
	"testing"
)

// TestPlanted feeds the check with one of each thing that it must find.
func TestPlanted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		plant func(a *account)
		want  string
	}{
		"nothing":       {func(*account) {}, ""},
		"unknown":       {func(a *account) { a.sent[3] = false }, ""},
		"explained":     {func(a *account) { a.done[1]++; a.bound = 1 }, ""},
		"loss":          {func(a *account) { delete(a.done, 1) }, "message 1 is lost"},
		"lost poison":   {func(a *account) { delete(a.dead, poisonEvery) }, "message 400 is lost"},
		"invention":     {func(a *account) { a.posts[9]++ }, "message 9 was never sent"},
		"duplicate":     {func(a *account) { a.done[1]++ }, "1 duplicates, 0 are explained"},
		"two letters":   {func(a *account) { a.dead[poisonEvery]++ }, "message 400 is 2 dead letters"},
		"healthy dead":  {func(a *account) { delete(a.done, 1); a.dead[1]++ }, "message 1 is a dead letter and no poison"},
		"both ends":     {func(a *account) { a.done[poisonEvery]++ }, "message 400 is processed and a dead letter"},
		"few attempts":  {func(a *account) { a.posts[poisonEvery]-- }, "was posted 9 times"},
		"many attempts": {func(a *account) { a.hard = 2; a.posts[poisonEvery] += 3 }, "was posted 13 times"},
		"backlog":       {func(a *account) { a.notGone = "the queue is not empty" }, "not empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := account{
				sent: map[int]bool{1: true, 2: true, poisonEvery: true}, posts: map[int]int{1: 1, 2: 1, poisonEvery: maxRetries},
				done: map[int]int{1: 1, 2: 1}, dead: map[int]int{poisonEvery: 1},
			}
			test.plant(&a)
			got := strings.Join(a.check().problems, "; ")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("problems: %q, want %q", got, test.want)
			}
		})
	}
}
