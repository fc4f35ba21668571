// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package scaling_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/scaling"
)

var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func wanted(least, most, target int32, window time.Duration) scaling.Wanted {
	return scaling.Wanted{Min: least, Max: most, Target: target, Stabilization: window, Connections: 50}
}

func TestNext(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration, n int32) scaling.Recommendation {
		return scaling.Recommendation{At: start.Add(-d), Replicas: n}
	}
	minutes := 5 * time.Minute
	for _, tc := range []struct {
		name     string
		observed scaling.Observed
		wanted   scaling.Wanted
		want     int32
		reason   string
	}{
		{"up at once", scaling.Observed{Waiting: 95, InFlight: 6, Current: 2}, wanted(1, 20, 10, minutes), 11, "95 messages wait and 6 are in flight"},
		{"from zero at once", scaling.Observed{Waiting: 1, Current: 0}, wanted(0, 20, 100, minutes), 1, "1 instance"},
		{"from zero to what is needed", scaling.Observed{Waiting: 1000, Current: 0}, wanted(0, 8, 100, minutes), 8, "1000 messages wait"},
		{"never above max", scaling.Observed{Waiting: math.MaxInt64 / 2, Current: 2}, wanted(1, 4, 1, minutes), 4, ""},
		{"never below min", scaling.Observed{Current: 0}, wanted(2, 4, 1, minutes), 2, ""},
		{"max was lowered", scaling.Observed{Waiting: 100, Current: 9}, wanted(1, 4, 1, minutes), 4, ""},
		{"a new operator waits before it scales in", scaling.Observed{Current: 7}, wanted(1, 10, 10, minutes), 7, "7 instances stay"},
		{"in after the window", scaling.Observed{Current: 7, History: []scaling.Recommendation{ago(minutes, 7), ago(time.Second, 3)}}, wanted(1, 10, 10, minutes), 3, ""},
		{"not a moment earlier", scaling.Observed{Current: 7, History: []scaling.Recommendation{ago(minutes-1, 7), ago(time.Second, 3)}}, wanted(1, 10, 10, minutes), 7, ""},
		{"to zero after the window", scaling.Observed{Current: 1, History: []scaling.Recommendation{ago(minutes, 1), ago(time.Second, 0)}}, wanted(0, 10, 10, minutes), 0, ""},
		{"not to zero while one is in flight", scaling.Observed{InFlight: 1, Current: 1, History: []scaling.Recommendation{ago(minutes, 1)}}, wanted(0, 10, 10, minutes), 1, ""},
		{"not to zero while nobody counts what is in flight", scaling.Observed{InFlight: scaling.Unknown, Current: 3, History: []scaling.Recommendation{ago(minutes, 3)}}, wanted(0, 10, 10, minutes), 1, ""},
		{"at zero nothing is in flight", scaling.Observed{InFlight: scaling.Unknown, Current: 0}, wanted(0, 10, 10, minutes), 0, ""},
		{"no window", scaling.Observed{Current: 7, History: []scaling.Recommendation{ago(1, 7)}}, wanted(0, 10, 10, 0), 0, ""},
		{"as many stay as hold what is in flight", scaling.Observed{InFlight: 200, Current: 9, History: []scaling.Recommendation{ago(minutes, 9)}}, wanted(1, 10, 1000, minutes), 4, ""},
		{"the past does not bring instances back", scaling.Observed{Current: 2, History: []scaling.Recommendation{ago(time.Minute, 9)}}, wanted(1, 10, 10, minutes), 2, ""},
		{"unknown keeps", scaling.Observed{Waiting: scaling.Unknown, InFlight: 3, Current: 5}, wanted(0, 10, 10, minutes), 5, "not known"},
		{"unknown keeps within the limits", scaling.Observed{Waiting: scaling.Unknown, Current: 5}, wanted(0, 3, 10, minutes), 3, "not known"},
		{"target of nothing is one", scaling.Observed{Waiting: 3, Current: 1}, scaling.Wanted{Min: 1, Max: 9}, 3, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := scaling.Next(start, tc.observed, tc.wanted)
			if got.Replicas != tc.want || !strings.Contains(got.Reason, tc.reason) {
				t.Errorf("Next() = %d, %q; want %d and a reason with %q", got.Replicas, got.Reason, tc.want, tc.reason)
			}
		})
	}
}

// TestScaleDownNotBefore says when instances go, and they do go then.
func TestScaleDownNotBefore(t *testing.T) {
	t.Parallel()
	w := wanted(0, 10, 10, 5*time.Minute)
	d := scaling.Next(start, scaling.Observed{Waiting: 50, Current: 0}, w)
	if d.Replicas != 5 || !d.ScaleDownNotBefore.IsZero() {
		t.Fatalf("Next() = %+v, want 5 and no pause", d)
	}
	at := start.Add(10 * time.Second)
	d = scaling.Next(at, scaling.Observed{Current: 5, History: d.History}, w)
	if want := start.Add(5 * time.Minute); d.Replicas != 5 || !d.ScaleDownNotBefore.Equal(want) {
		t.Fatalf("Next() = %+v, want 5 until %s", d, want)
	}
	before := scaling.Next(d.ScaleDownNotBefore.Add(-1), scaling.Observed{Current: 5, History: d.History}, w)
	if after := scaling.Next(d.ScaleDownNotBefore, scaling.Observed{Current: 5, History: d.History}, w); before.Replicas != 5 || after.Replicas != 0 {
		t.Errorf("%d instances just before that moment and %d at it, want 5 and 0", before.Replicas, after.Replicas)
	}
}

// world plays a queue whose load jumps about.
type world struct {
	random  *rand.Rand
	wanted  scaling.Wanted
	now     time.Time
	current int32
	history []scaling.Recommendation
}

func newWorld(seed uint64) *world {
	random := rand.New(rand.NewPCG(seed, 1))
	least := random.Int32N(4)
	return &world{random: random, now: start, wanted: scaling.Wanted{
		Min: least, Max: least + 1 + random.Int32N(20), Target: 1 + random.Int32N(50), Connections: 1 + random.Int32N(50),
		Stabilization: time.Duration(random.Int32N(300)) * time.Second,
	}}
}

func (w *world) observed() scaling.Observed {
	o := scaling.Observed{Current: w.current, History: w.history}
	if w.random.IntN(3) > 0 {
		o.Waiting = w.random.Int64N(1 << w.random.IntN(12))
		o.InFlight = w.random.Int64N(1<<w.random.IntN(8)) - 1
	}
	if w.random.IntN(20) == 0 {
		o.Waiting = scaling.Unknown
	}
	return o
}

// TestProperties plays 400 worlds of 300 looks each.
func TestProperties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		w := newWorld(seed)
		var up, busy time.Time
		for range 300 {
			w.now = w.now.Add(time.Duration(1+w.random.Int64N(20_000)) * time.Millisecond)
			o := w.observed()
			d := scaling.Next(w.now, o, w.wanted)
			more := o
			more.Waiting = max(0, o.Waiting) + w.random.Int64N(1000)
			switch {
			case d.Replicas < w.wanted.Min || d.Replicas > w.wanted.Max:
				t.Fatalf("seed %d: %d is outside of %d to %d", seed, d.Replicas, w.wanted.Min, w.wanted.Max)
			case o.Waiting >= 0 && scaling.Next(w.now, more, w.wanted).Replicas < d.Replicas:
				t.Fatalf("seed %d: more messages, fewer instances: %+v", seed, more)
			case d.Replicas < w.current && w.current <= w.wanted.Max && w.now.Sub(up) < w.wanted.Stabilization && !up.IsZero():
				t.Fatalf("seed %d: in %s after out: flapping", seed, w.now.Sub(up))
			case d.Replicas == 0 && w.current > 0 && !busy.IsZero() && w.now.Sub(busy) < w.wanted.Stabilization:
				t.Fatalf("seed %d: zero %s after there was work", seed, w.now.Sub(busy))
			case d.Replicas == 0 && (o.Waiting > 0 || o.Waiting == 0 && o.InFlight > 0):
				t.Fatalf("seed %d: zero with work: %+v", seed, o)
			case len(d.History) > int(w.wanted.Max-w.wanted.Min)+2:
				t.Fatalf("seed %d: %d recommendations are kept", seed, len(d.History))
			}
			if d.Replicas > w.current {
				up = w.now
			}
			if o.Waiting != 0 || o.InFlight > 0 {
				busy = w.now
			}
			w.current, w.history = d.Replicas, d.History
		}
	}
}

// TestConstantLoadSettles gives every constant load one number after the window, and then never another one.
func TestConstantLoadSettles(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		w := newWorld(seed)
		w.current = w.random.Int32N(30)
		o := scaling.Observed{Waiting: w.random.Int64N(500), InFlight: w.random.Int64N(200)}
		changes := 0
		for range 700 {
			w.now = w.now.Add(time.Second)
			o.Current, o.History = w.current, w.history
			d := scaling.Next(w.now, o, w.wanted)
			if d.Replicas != w.current {
				changes++
			}
			w.current, w.history = d.Replicas, d.History
		}
		if changes > 2 {
			t.Errorf("seed %d: %d changes under a constant load", seed, changes)
		}
	}
}
