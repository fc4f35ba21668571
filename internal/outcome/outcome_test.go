// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package outcome_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/outcome"
)

func TestAs(t *testing.T) {
	t.Parallel()
	wait := &outcome.Wait{Reason: "Rebuilding", Message: "not gone yet"}
	stall := &outcome.Stall{Reason: "NotOwned", Message: "taken"}
	for _, tc := range []struct {
		name  string
		err   error
		wait  *outcome.Wait
		stall *outcome.Stall
	}{
		{"nothing", nil, nil, nil},
		{"a plain error", errors.New("x"), nil, nil},
		{"a wait", wait, wait, nil},
		{"a stall", stall, nil, stall},
		{"wrapped", fmt.Errorf("applying: %w", wait), wait, nil},
		{"joined", errors.Join(errors.New("x"), stall, wait), wait, stall},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := outcome.AsWait(tc.err); got != tc.wait {
				t.Errorf("AsWait = %v, want %v", got, tc.wait)
			}
			if got := outcome.AsStall(tc.err); got != tc.stall {
				t.Errorf("AsStall = %v, want %v", got, tc.stall)
			}
		})
	}
	if got := stall.Error(); got != "NotOwned: taken" {
		t.Errorf("Stall reads %q", got)
	}
	if got := wait.Error(); got != "Rebuilding: not gone yet" {
		t.Errorf("Wait reads %q", got)
	}
}
