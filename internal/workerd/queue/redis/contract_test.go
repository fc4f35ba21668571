// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"testing"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/queuetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	open := func(t *testing.T, o queue.Options) queue.Queue {
		t.Helper()
		return s.open(t, s.coordinates(queuetest.Name(t)), o)
	}
	queuetest.Run(t, open, queuetest.Capabilities{
		UncountedRelease: true, Deduplicates: true, FirstReceived: true, VisibilityEnds: true, ReleaseDelay: true,
		EmptyBodies: true, BinaryBodies: true, InFlight: true, Oldest: true,
		DeadLetters: func(t *testing.T, q queue.Queue) []*queue.Message {
			t.Helper()
			own := q.(*Queue)
			entries, err := own.db.XRange(t.Context(), own.dead(), "-", "+").Result()
			if err != nil {
				t.Fatal(err)
			}
			var out []*queue.Message
			for _, e := range entries {
				var h handle
				for name, value := range e.Values {
					h.fields = append(h.fields, name, value.(string))
				}
				out = append(out, message(h, 1, "0"))
			}
			return out
		},
	})
}
