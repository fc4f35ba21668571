// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

var (
	histories = flag.Int("histories", 30000, "play so many histories")
	first     = flag.Uint64("seed", 1, "seed of the first one; the next has the next seed")
)

// everything may happen in a history; what is there twice happens twice as often. Retain is rare, because it ends the history.
var everything = slices.Concat(policies, policies[1:], policies[1:], protects, protects[1:], protects[1:], confirms, confirms[:1], confirms[:1], mistakes, uses, uses, classes, classes, brakes, brakes, providers, providers, databases, strangers,
	marks, marks, snaps, snaps, snaps[:1], snaps[:1], snaps[:1], losses, backups, restarts, caches, caches, clocks)

// tally is what happened in histories.
type tally struct {
	steps, crashes, behind, begun, destroys, refused, lost, kept, letGo int
}

func (t *tally) add(o tally) {
	t.steps += o.steps
	t.crashes += o.crashes
	t.behind += o.behind
	t.begun += o.begun
	t.destroys += o.destroys
	t.refused += o.refused
	t.lost += o.lost
	t.kept += o.kept
	t.letGo += o.letGo
}

// history is one walk through the world.
type history struct {
	w      world
	op     *operator
	chance *rand.Rand
	story  []string
	wrong  string
	tally
}

func play(seed uint64, op *operator) *history {
	h := &history{op: op, chance: rand.New(rand.NewPCG(seed, 6))}
	h.w = beginnings()[h.chance.IntN(8)/7]
	h.w.live.policy = code(h.chance.IntN(len(policyWords)))
	h.w.live.confirm = code(h.chance.IntN(2))
	h.w.live.protected = h.chance.IntN(4) == 0
	eager := h.chance.IntN(5) // out of ten choices: how quiet the world is
	for n := 10 + h.chance.IntN(120); n > 0 && h.wrong == "" && !h.w.ended; n-- {
		switch choice := h.chance.IntN(10 + eager*4); {
		case choice < 4:
			h.happen(everything[h.chance.IntN(len(everything))])
		case choice < 6:
			h.pass(true, false)
		case choice < 7:
			h.pass(true, true)
		case choice < 9:
			h.time(1 + h.chance.Int32N(int32(op.delay)))
		case choice < 10:
			h.time(1)
		default:
			h.pass(false, false)
		}
	}
	if h.wrong == "" && !h.w.ended {
		h.calm()
	}
	return h
}

func (h *history) happen(e event) {
	next := h.w
	if !e.do(&next, h.op) {
		return
	}
	if e.name == losses[0].name {
		h.lost++
	}
	h.w = next
	h.w.normal()
	h.story = append(h.story, e.name)
}

func (h *history) time(units int32) {
	h.w.tick(h.op, int16(units))
	h.story = append(h.story, fmt.Sprintf("%d units pass", units))
}

// pass is one of the operator; noted says that it is worth its place in the story.
func (h *history) pass(noted, crash bool) Action {
	h.steps++
	if crash {
		h.crashes++
	}
	if h.w.frozen && h.w.moved {
		h.behind++
	}
	begun := h.w.begun
	did, wrong := h.w.pass(h.op, crash)
	h.wrong = wrong
	switch {
	case did == Destroy:
		h.destroys++
	case did == KeepRecord:
		h.kept++
	case did == LetGo:
		h.letGo++
	}
	if !begun && h.w.begun {
		h.begun++
	}
	if h.w.live.phase == codeOf(phaseWords, v1alpha1.DeletionRefused) {
		h.refused++
	}
	if noted || did != Nothing {
		h.story = append(h.story, map[bool]string{false: "pass ", true: "crash after "}[crash]+string(did)+" "+string(phaseWords[h.w.live.phase]))
	}
	if !h.w.ended {
		h.w.normal()
	}
	return did
}

// calm is a world in which everybody agrees and everything works. The claim must end, and the database of policy Delete and Snapshot with it.
func (h *history) calm() {
	w := &h.w
	w.frozen, w.users, w.brake, w.ask, w.class = false, false, false, answers, allows
	w.live.protected, w.live.edited, w.safe = false, true, 0
	if w.live.policy == remove {
		w.live.confirm = confirmed
	}
	if w.found == ours {
		w.marked = true
	}
	if w.found == others || w.found == parts {
		w.live.policy = retain // nobody can know whose it is: people look, and let go of it
		if w.live.phase == destroying {
			w.found, w.marked = nothing, false
		}
	}
	if w.found == nothing && w.live.policy == withSnapshot {
		w.live.policy = remove // nothing to take a snapshot of, as the message says
	}
	h.story = append(h.story, "calm")
	had := w.found == ours && w.live.policy != retain
	for range 40 {
		did := h.pass(true, false)
		switch {
		case h.wrong != "":
			return
		case w.ended && had && did != LetGo:
			h.wrong = "a permitted deletion ended in " + string(did)
			return
		case w.ended:
			return
		case did == Destroy && w.found != nothing:
			w.found, w.marked = nothing, false
		}
		h.resolve()
		h.time(int32(h.op.delay)/8 + 1)
	}
	h.wrong = "the claim does not end in a calm world"
}

// resolve is what a working provider, and somebody who reads messages, do meanwhile.
func (h *history) resolve() {
	switch s := &h.w.snaps[h.w.live.snapshot]; {
	case h.w.live.snapshot == 0 || h.w.live.phase == destroying:
	case s.state == running:
		s.state = usable
	case s.state == failed:
		h.w.live.edited, h.w.safe = true, 0 // protection on and off
	}
}

// TestHistories plays random histories with the real pause of 72 hours. A failing one prints its seed; play it alone with
// go test -run TestHistories -args -seed=N -histories=1.
func TestHistories(t *testing.T) {
	t.Parallel()
	op := &operator{next: Next, delay: int16(DefaultDelay / AbsentPause)}
	var all tally
	for seed := *first; seed < *first+uint64(*histories); seed++ {
		h := play(seed, op)
		if h.wrong != "" {
			t.Fatalf("seed %d: %s\nafter %s\nin %+v", seed, h.wrong, strings.Join(h.story, "; "), h.w)
		}
		all.add(h.tally)
	}
	t.Logf("seeds %d to %d: %d histories, %d passes (%d crashed, %d with a claim that was behind), %d losses of status; %d deletions begun, %d destroys, none against the rules; "+
		"%d passes refused; %d claims let go, %d with a record; every calm world ended its claim",
		*first, *first+uint64(*histories)-1, *histories, all.steps, all.crashes, all.behind, all.lost, all.begun, all.destroys, all.refused, all.letGo, all.kept)
	if *histories >= 10000 && (all.begun < *histories/5 || all.behind < *histories/2 || all.crashes < *histories || all.refused < *histories) {
		t.Error("the histories do not visit what they are meant to prove")
	}
}

// TestMutantsInHistories takes one guard away at a time. So many histories must notice each, too.
func TestMutantsInHistories(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			if m.rare {
				t.Skip("only TestMutants finds it")
			}
			op := m.operator(int16(DefaultDelay / AbsentPause))
			for seed := uint64(1); seed <= 30000; seed++ {
				if h := play(seed, op); h.wrong != "" {
					t.Logf("seed %d: %s", seed, h.wrong)
					return
				}
			}
			t.Fatal("no history noticed")
		})
	}
}
