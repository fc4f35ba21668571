// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
)

func TestBatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		size string
		n    int32
		want int32
	}{
		{"a count", "3", 10, 3},
		{"a count larger than the whole", "30", 10, 10},
		{"a count of zero is one", "0", 10, 1},
		{"a negative count is one", "-4", 10, 1},
		{"a percentage", "30%", 10, 3},
		{"a percentage is rounded up", "30%", 4, 2},
		{"a percentage of little is one", "1%", 4, 1},
		{"all", "100%", 7, 7},
		{"one percent of many", "1%", 10000, 100},
		{"29 percent of 100 has no rounding error", "29%", 100, 29},
		{"one instance", "30%", 1, 1},
		{"no instance", "30%", 0, 1},
		{"no instance, a count", "5", 0, 1},
		{"not a size at all", "many", 5, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := plan.Batch(intstr.Parse(tc.size), tc.n); got != tc.want {
				t.Errorf("Batch(%s, %d) = %d, want %d", tc.size, tc.n, got, tc.want)
			}
		})
	}
}

// TestBatchIsInside proves for all sizes that a batch is neither nothing nor more than all.
func TestBatchIsInside(t *testing.T) {
	t.Parallel()
	for n := int32(1); n <= 200; n++ {
		for p := 1; p <= 100; p++ {
			size := intstr.FromString(strconv.Itoa(p) + "%")
			got := plan.Batch(size, n)
			// The exact ceiling, in whole numbers.
			if want := (n*int32(p) + 99) / 100; got != want || got < 1 || got > n {
				t.Fatalf("Batch(%d%%, %d) = %d, want %d", p, n, got, want)
			}
		}
	}
}
