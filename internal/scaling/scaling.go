// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scaling decides how many instances a queue needs: up at once, down only after a pause. Pure; internal/queues asks it after
// every look at a queue.
package scaling

import (
	"fmt"
	"time"
)

// Unknown is a figure that the broker could not give.
const Unknown = -1

// Observed is what is known of a queue and of those who work on it.
type Observed struct {
	// Waiting and InFlight messages; Unknown when nobody could say.
	Waiting, InFlight int64
	// Oldest is the age of the oldest waiting message; 0 or less when it is not known or none waits.
	Oldest time.Duration
	// Current is how many instances are asked for now.
	Current int32
	// History is what the previous Decision returned; nil at first.
	History []Recommendation
}

// Recommendation is how many instances were needed at a moment.
type Recommendation struct {
	At       time.Time
	Replicas int32
}

// Wanted is what the settings say.
type Wanted struct {
	Min, Max int32
	// Target is how many messages an instance should have before it, those that it works on included.
	Target int32
	// Stabilization is how long fewer instances must have been enough before instances go.
	Stabilization time.Duration
	// Connections is how many messages an instance can hold. As many instances stay as hold what is in flight.
	Connections int32
}

// Decision is how many instances there should be.
type Decision struct {
	Replicas int32
	// Reason is a sentence for people.
	Reason string
	// ScaleDownNotBefore is when the number may next fall if nothing changes; zero: it already is what is needed.
	ScaleDownNotBefore time.Time
	// History is to be handed to the next call.
	History []Recommendation
}

// Next decides. It never leaves [Min, Max], never falls while what was needed within the stabilisation was more, and keeps what there
// is while the queue cannot be asked.
func Next(now time.Time, o Observed, w Wanted) Decision {
	current := w.clamp(int64(o.Current))
	if o.Waiting < 0 {
		return Decision{
			Replicas: current, History: remember(now, o, w, current),
			Reason: fmt.Sprintf("how many messages wait is not known; keeping %s", instances(current)),
		}
	}
	needed := need(o, w)
	history := remember(now, o, w, needed)
	highest := history[0] // they fall, so the first is the highest
	d := Decision{Replicas: w.clamp(int64(max(highest.Replicas, needed))), History: history}
	if d.Replicas > current {
		// Recommendations of the past keep instances; they do not bring them back.
		d.Replicas = max(current, needed)
	}
	if d.Replicas > needed {
		d.ScaleDownNotBefore = falls(history, d.Replicas).Add(w.Stabilization)
	}
	d.Reason = reason(o, w, needed, d)
	return d
}

// need is how many instances the present load asks for.
func need(o Observed, w Wanted) int32 {
	load := o.Waiting + max(0, o.InFlight)
	n := max(ceil(load, w.Target), ceil(max(0, o.InFlight), w.Connections))
	if n == 0 && o.InFlight < 0 && o.Current > 0 {
		n = 1 // the last instance may hold messages that nobody counts
	}
	return w.clamp(n)
}

// remember adds a recommendation to those that are young enough. Of these only the ones count that no later one reaches, so the list
// falls and stays short. What there is now counts as the first one: an operator that just started knows nothing of the load before.
func remember(now time.Time, o Observed, w Wanted, needed int32) []Recommendation {
	history := o.History
	if len(history) == 0 {
		history = []Recommendation{{At: now, Replicas: w.clamp(int64(o.Current))}}
	}
	out := make([]Recommendation, 0, len(history)+1)
	for _, r := range history {
		if now.Sub(r.At) < w.Stabilization && r.Replicas > needed {
			out = append(out, r)
		}
	}
	return append(out, Recommendation{At: now, Replicas: needed})
}

// falls is when the number was last needed.
func falls(history []Recommendation, replicas int32) time.Time {
	last := history[0].At
	for _, r := range history {
		if r.Replicas >= replicas {
			last = r.At
		}
	}
	return last
}

func (w Wanted) clamp(n int64) int32 {
	return int32(max(int64(w.Min), min(int64(w.Max), n)))
}

// ceil is how many shares of a size there are; a size below 1 is 1.
func ceil(n int64, size int32) int64 {
	by := int64(max(1, size))
	return n/by + min(1, n%by)
}

func reason(o Observed, w Wanted, needed int32, d Decision) string {
	load := fmt.Sprintf("%d messages wait", o.Waiting)
	if o.InFlight >= 0 {
		load += fmt.Sprintf(" and %d are in flight", o.InFlight)
	}
	if o.Waiting > 0 && o.Oldest > 0 {
		load += fmt.Sprintf(", the oldest for %s", o.Oldest.Round(time.Second))
	}
	text := fmt.Sprintf("%s; at %d for each instance that takes %s", load, max(1, w.Target), instances(needed))
	if d.Replicas > needed {
		text += fmt.Sprintf(", and %s stay because they were needed within the last %s", instances(d.Replicas), w.Stabilization)
	}
	return text
}

func instances(n int32) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}
