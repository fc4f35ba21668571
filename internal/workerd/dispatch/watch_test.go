// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestWatch ends an attempt that is quiet, and one that never ends although bytes come.
func TestWatch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limit, endless time.Duration
		want           error
	}{
		"quiet":   {30 * time.Millisecond, time.Hour, errQuiet},
		"endless": {time.Hour, 30 * time.Millisecond, errEndless},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			w := newWatch(test.limit, cancel)
			defer w.stop()
			w.endless = time.Now().Add(test.endless)
			began := time.Now()
			for range 5 { // heard of within the limit
				w.heard()
				time.Sleep(2 * time.Millisecond)
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			if got := context.Cause(ctx); !errors.Is(got, test.want) || time.Since(began) < 30*time.Millisecond {
				t.Errorf("after %v it ended with %v, want %v", time.Since(began), got, test.want)
			}
		})
	}
}
