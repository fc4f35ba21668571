// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/beanpod-dev/beanpod/internal/testkit/faults"
)

var (
	only  = flag.String("scenario", "", "play scenarios whose names begin with this")
	with  = flag.String("faults", "", "play these faults only, as a failing run prints them")
	pairs = flag.Int("pairs", 400, "play so many pairs")
	some  = flag.Int("some", 1000, "play so many singles, chosen by -seed; 0: all")
	seed  = flag.Int64("seed", 7, "chooses what is played when not all is; 0: the day")
	most  = flag.Int("divergences", 20, "how many divergences are told in full")
)

// TestMain trades memory for time: a run leaves much garbage and keeps little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	ctrl.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

func chosen() []*faults.Play {
	var out []*faults.Play
	for _, s := range faults.Catalog() {
		if strings.HasPrefix(s.Name, *only) {
			out = append(out, &faults.Play{Scenario: s, Resyncs: 2})
		}
	}
	return out
}

// job is one run.
type job struct {
	play   *faults.Play
	faults []faults.Fault
}

// sweep runs jobs on all processors.
func sweep(jobs []job, each func(job, *faults.Outcome, error)) {
	queue := make(chan job)
	var group sync.WaitGroup
	var mu sync.Mutex
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for j := range queue {
				out, err := j.play.Run(j.faults...)
				mu.Lock()
				each(j, out, err)
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	group.Wait()
}

func (j job) String() string {
	names := make([]string, 0, len(j.faults))
	for _, f := range j.faults {
		names = append(names, f.String())
	}
	return fmt.Sprintf("-scenario=%s -faults='%s'", j.play.Scenario.Name, strings.Join(names, ", "))
}

// prepare plays every scenario clean.
func prepare(t *testing.T, plays []*faults.Play) {
	t.Helper()
	var group sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, p := range plays {
		group.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if _, err := p.Clean(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// TestFaults plays singles and then pairs. Without flags it plays a part of them, the same every time; make test-faults plays all singles, and
// 20,000 pairs that are others every day.
func TestFaults(t *testing.T) {
	plays := chosen()
	prepare(t, plays)
	singles, points := enumerate(t, plays)
	if *only == "" && (len(plays) < leastScenarios || points < leastPoints || len(singles) < leastSingles) {
		t.Errorf("there are %d scenarios, %d points and %d singles; %d, %d and %d were measured: a part of the harness was lost",
			len(plays), points, len(singles), leastScenarios, leastPoints, leastSingles)
	}
	if *with != "" {
		list, err := faults.ParseFaults(*with)
		if err != nil {
			t.Fatal(err)
		}
		singles = []job{{plays[0], list}}
	}
	all := len(singles)
	singles, err := part(singles)
	if err != nil {
		t.Fatal(err)
	}
	day := *seed
	if day == 0 {
		day = time.Now().Unix() / 86400
	}
	chance := rand.New(rand.NewPCG(uint64(day), 0))
	chance.Shuffle(len(singles), func(i, j int) { singles[i], singles[j] = singles[j], singles[i] })
	if *some > 0 {
		singles = singles[:min(*some, len(singles))]
	}
	began := time.Now()
	book, err := openLedger()
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{T: t, book: book, alone: map[string]bool{}, tolerated: map[string]int{}}
	h.play(singles)
	played := len(singles)
	couples := h.couples(chance)
	h.play(couples)
	if *only+*with+*shard+*modes+*log == "" {
		if least := leastPairs(played, all); len(couples) < *pairs || len(h.seconds) < least {
			t.Errorf("of %d singles there are %d pairs to play, not %d and at least %d: a part of the harness was lost", played, len(h.seconds), *pairs, least)
		}
	}
	for why, n := range h.tolerated {
		t.Logf("tolerated %d times: %s", n, why)
	}
	t.Logf("faults: scenarios %d, points %d, singles %d of %d, pairs %d of %d, divergences %d %v, seed %d, %s",
		len(plays), points, played, all, len(couples), len(h.seconds), h.bad, h.modes, day, time.Since(began).Round(time.Second))
}

// What was measured. A change that makes a number smaller loses coverage: it must say so here.
const (
	leastScenarios = 136
	leastPoints    = 2121
	leastSingles   = 27838
	// A pair is one of four modes at a write that follows on a single of such a mode. 311,728 were measured.
	pairsOfAll = 307000
)

// leastPairs is how many pairs there are on so many of all singles. Which singles are played matters, so half of the measured is enough for a
// part.
func leastPairs(played, all int) int {
	if played == all {
		return pairsOfAll
	}
	return pairsOfAll / 2 * played / all
}

func enumerate(t *testing.T, plays []*faults.Play) (singles []job, points int) {
	t.Helper()
	for _, p := range plays {
		list, err := p.Singles()
		if err != nil {
			t.Fatal(err)
		}
		clean, err := p.Clean()
		if err != nil {
			t.Fatal(err)
		}
		points += clean.Points()
		for _, f := range list {
			singles = append(singles, job{p, []faults.Fault{f}})
		}
	}
	return singles, points
}

// harness keeps the books of all runs.
type harness struct {
	*testing.T
	book *ledger
	// tolerated counts the runs by what had to be tolerated.
	tolerated map[string]int
	bad       int
	modes     map[faults.Mode]int
	// alone are the singles that diverge, seconds what may follow on each of the others.
	alone   map[string]bool
	seconds []job
}

func (h *harness) play(jobs []job) {
	if h.modes == nil {
		h.modes = map[faults.Mode]int{}
	}
	jobs = h.book.rest(jobs)
	began, done := time.Now(), 0
	sweep(jobs, func(j job, out *faults.Outcome, err error) {
		h.book.note(j, out, err)
		if done++; done%1000 == 0 {
			h.Logf("%d of %d after %s", done, len(jobs), time.Since(began).Round(time.Second))
		}
		if err != nil {
			h.Errorf("%v: %v", j, err)
			return
		}
		for _, why := range out.Tolerated {
			h.tolerated[why]++
		}
		first := j.faults[0]
		if len(out.Problems) > 0 {
			h.diverged(j, out)
			return
		}
		if len(j.faults) == 1 && slices.Contains(faults.PairModes, first.Mode) {
			for _, point := range out.Second() {
				for _, m := range faults.PairModes {
					h.seconds = append(h.seconds, job{j.play, []faults.Fault{first, {Mode: m, Point: point}}})
				}
			}
		}
	})
}

// diverged tells of a run. A pair with a part that diverges by itself tells nothing new.
func (h *harness) diverged(j job, out *faults.Outcome) {
	if len(j.faults) == 1 {
		h.alone[j.String()] = true
	} else if last := (job{j.play, j.faults[1:]}); h.alone[last.String()] {
		return
	}
	h.bad++
	h.modes[j.faults[len(j.faults)-1].Mode]++
	if h.bad > *most {
		h.Errorf("%v  %s", j, firstLine(out.Problems[0]))
		return
	}
	h.Errorf("go test ./internal/testkit/faults -run TestFaults %v\n%s\n%s", j, strings.Join(out.Problems, "\n"), strings.Join(out.Trace(), "\n"))
}

// couples are the pairs to play.
func (h *harness) couples(chance *rand.Rand) []job {
	if *with != "" {
		return nil
	}
	// The order in which runs ended is not the same twice.
	slices.SortFunc(h.seconds, func(a, b job) int { return strings.Compare(a.String(), b.String()) })
	chance.Shuffle(len(h.seconds), func(i, j int) { h.seconds[i], h.seconds[j] = h.seconds[j], h.seconds[i] })
	return h.seconds[:min(*pairs, len(h.seconds))]
}

func firstLine(s string) string { return s[:min(len(s), 260)] }
