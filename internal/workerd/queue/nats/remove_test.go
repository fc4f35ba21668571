// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"slices"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/queuetest"
)

// TestRemove leaves nothing of a queue, leaves others alone, and may be repeated.
func TestRemove(t *testing.T) {
	t.Parallel()
	s := servers.Start(t, contract.NATS)
	var kept *natsQueue
	t.Run("another", func(t *testing.T) { kept = opener(s)(t, queue.Options{}).(*natsQueue) })
	gone := opener(s)(t, queue.Options{}).(*natsQueue)
	t.Cleanup(func() { _, _ = kept.Close(), gone.Close() })
	if err := gone.Send(t.Context(), "", []byte("a message"), nil); err != nil {
		t.Fatal(err)
	}
	if left, err := gone.Remains(t.Context()); err != nil || left.Waiting != 1 || left.InFlight != 0 || left.Dead != 0 {
		t.Errorf("Remains: %+v, %v, want one that waits", left, err)
	}
	for range 2 {
		if err := gone.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var left []string
	for name := range kept.js.StreamNames(t.Context()).Name() {
		left = append(left, name)
	}
	slices.Sort(left)
	want := []string{"KV_" + kept.bucket(), kept.at.Name, kept.dead()}
	slices.Sort(want)
	if !slices.Equal(left, want) || slices.Contains(left, queuetest.Name(t)) {
		t.Errorf("streams %q are left, want %q", left, want)
	}
}
