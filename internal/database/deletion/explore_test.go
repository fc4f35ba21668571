// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// beginnings are claims at the moment when somebody deletes them: a database that runs, and one that was never made.
func beginnings() []world {
	c := claim{policy: remove, edited: true, recorded: ours}
	lived := world{live: c, class: allows, found: ours, marked: true, made: true, absent: never}
	fresh := lived
	fresh.found, fresh.marked, fresh.made, fresh.live.recorded = nothing, false, false, 0
	return []world{lived, fresh}
}

// region is the part of the world that some events can reach.
type region struct {
	name   string
	events []event
	// states that it has; the exploration must find as many.
	states int
	deep   bool
}

var deep = flag.Bool("deep", false, "explore also what has more than a million states")

var regions = []region{
	{"people", slices.Concat(policies, protects, confirms, mistakes, uses, classes, brakes, snaps, losses, backups, ticks), 54541, false},
	{"providers", slices.Concat(policies, protects, confirms, providers, databases, strangers, marks, snaps, losses, restarts, clocks, ticks), 124259, false},
	{"caches", slices.Concat(policies, protects, confirms, uses, caches, marks, losses, snaps, ticks), 456857, false},
	{"everything but caches", slices.Concat(policies, protects, confirms, mistakes, uses, classes, providers, databases, strangers, marks, snaps, losses, backups, restarts, clocks, ticks), 2508355, true},
	{"caches and providers", slices.Concat(policies, protects, confirms, uses, caches, providers, databases, marks, losses, snaps, ticks), 6510009, true},
}

// explored is what an exploration found.
type explored struct {
	states, steps, destroys int
	wrong                   string
}

// way is how a state was first reached: from which one, by what.
type way struct {
	from int32
	by   string
}

func story(ways []way, i int) string {
	var steps []string
	for ; i >= 0; i = int(ways[i].from) {
		steps = append(steps, ways[i].by)
	}
	slices.Reverse(steps)
	return strings.Join(steps, "; ")
}

// explore visits every state that the events reach from the beginnings, with a pass and a crash in each, breadth first, until there
// are no new ones, or something is wrong.
func explore(r region, op *operator, also func(w world) string) explored {
	var out explored
	seen := map[world]struct{}{}
	var queue []world
	var ways []way
	visit := func(from int, by string, w world) {
		w.normal()
		if _, known := seen[w]; !known {
			seen[w] = struct{}{}
			queue, ways = append(queue, w), append(ways, way{int32(from), by})
		}
	}
	for _, w := range beginnings() {
		visit(-1, "deleted", w)
	}
	for i := 0; i < len(queue); i++ {
		w := queue[i]
		if w.ended {
			continue
		}
		for _, e := range r.events {
			if n := w; e.do(&n, op) {
				visit(i, e.name, n)
			}
		}
		for _, crash := range []bool{false, true} {
			n := w
			did, wrong := n.pass(op, crash)
			out.steps++
			if did == Destroy {
				out.destroys++
			}
			if wrong != "" {
				out.wrong = fmt.Sprintf("%s\nafter %s\nin %+v", wrong, story(ways, i), w)
				return out
			}
			visit(i, map[bool]string{false: "pass: ", true: "crash after: "}[crash]+string(did), n)
		}
		if wrong := also(w); wrong != "" {
			out.wrong = wrong + "\nafter " + story(ways, i)
			return out
		}
	}
	out.states = len(seen)
	return out
}

// wayBack asks that in every state an edit towards safety ends the claim with its data, unless Destroying has begun; then, a provider that
// works ends it.
func wayBack(op *operator) func(w world) string {
	return func(w world) string {
		from := w
		w.frozen, w.ask, w.live.protected, w.live.policy, w.live.edited = false, answers, false, retain, true
		if w.class == missing {
			w.class = forbids
		}
		begun := w.live.phase == destroying && !w.live.old
		for range 8 {
			did, wrong := w.pass(op, false)
			switch {
			case wrong != "" || did == Destroy && !begun:
				return fmt.Sprintf("a safe edit ended in %s, %s\nfrom %+v", did, wrong, from)
			case w.ended:
				return ""
			case did == Destroy:
				w.found, w.marked = nothing, false
			}
			w.normal()
			w.tick(op, 1)
		}
		return fmt.Sprintf("a safe edit does not end the claim\nfrom %+v", from)
	}
}

// TestExplore visits all states of each region. The numbers of states are asserted, so that the world does not shrink unseen.
func TestExplore(t *testing.T) {
	t.Parallel()
	for _, r := range regions {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if r.deep && !*deep {
				t.Skip("for -deep: it takes minutes and a gigabyte")
			}
			op := &operator{next: Next, delay: 2}
			out := explore(r, op, wayBack(op))
			if out.wrong != "" {
				t.Fatal(out.wrong)
			}
			t.Logf("%s: %d states, %d steps, %d of them destroy, none wrong", r.name, out.states, out.steps, out.destroys)
			if out.states != r.states || out.destroys == 0 {
				t.Errorf("found %d states and %d destroys, want %d states", out.states, out.destroys, r.states)
			}
		})
	}
}
