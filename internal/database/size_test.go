// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package database_test

import (
	"testing"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for size, want := range map[v1alpha1.StorageSize]v1alpha1.StorageSize{"512Mi": "512Mi", "1024Mi": "1Gi", "1536Mi": "1536Mi", "20Gi": "20Gi", "2048Gi": "2Ti", "3Ti": "3Ti"} {
		if got := database.Size(database.Mebibytes(size)); got != want {
			t.Errorf("%s is said as %q, not as %q", size, got, want)
		}
	}
	if got := database.Size(0); got != "" {
		t.Errorf("nothing is said as %q", got)
	}
}
