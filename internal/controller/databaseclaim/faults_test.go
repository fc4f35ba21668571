// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

var (
	only      = flag.String("story", "", "play stories whose names begin with this")
	somePairs = flag.Int("pairs", 200, "play so many pairs of crashes, chosen by -seed; 0: all, and pairs of more kinds")
	seed      = flag.Int64("seed", 7, "chooses the pairs; 0: the day")
)

// outcome is what came of one play.
type outcome struct {
	problems  []string
	end       []string
	made      map[string]int
	points    []point
	accepted  map[point]bool
	first     int
	destroyed int
	hit       bool
	trace     []string
}

// play plays a story with faults.
func (s *story) play(faults ...fault) (*outcome, error) {
	b, err := s.base()
	if err != nil {
		return nil, err
	}
	store, err := b.store.Fork()
	if err != nil {
		return nil, err
	}
	u := &universe{story: s, user: store.Client("user")}
	u.World = &simapi.World{Store: store, Cluster: b.cluster.Fork(store), Restart: u.restart}
	u.inject = &injector{u: u, faults: faults, hits: make([]int, len(faults)), counts: map[string]int{}, accepted: map[point]bool{}}
	p, err := u.start()
	if err != nil {
		return nil, err
	}
	u.Processes = []*simapi.Process{p}
	defer u.end()
	if err := u.rest(0); err != nil {
		return nil, err
	}
	store.Intercept = u.inject.intercept
	if err := u.play(s.steps); err != nil && !(u.spared && errors.Is(err, errNever)) {
		u.problem("%v; failing: %v", err, u.Processes[0].Failing())
	}
	store.Intercept = nil
	u.settled()
	j := u.judge(b)
	out := &outcome{end: u.golden(), made: j.made, points: u.inject.points, accepted: u.inject.accepted, first: u.inject.first, destroyed: j.destroyed, hit: true}
	for _, n := range u.inject.hits {
		out.hit = out.hit && n > 0
	}
	for _, c := range store.Trace() {
		out.trace = append(out.trace, fmt.Sprintf("%6s %s %s", c.At.Sub(simapi.Begin).Round(time.Second), c.Write.Process, c.Write))
	}
	out.problems = u.problems
	return out, nil
}

// settled demands that nothing fails at rest, and that looking at everything again writes nothing.
func (u *universe) settled() {
	if failing := u.Processes[0].Failing(); len(failing) > 0 {
		u.problem("at rest, passes fail: %v", failing)
	}
	written := len(u.Store.Trace())
	for range 2 {
		u.Processes[0].Resync()
		u.must(u.rest(5 * time.Second))
	}
	if more := u.Store.Trace()[written:]; len(more) > 0 {
		u.problem("at rest, %d more writes: %s", len(more), more[0].Write)
	}
}

// compare says how an outcome differs from the one without faults.
func (o *outcome) compare(clean *outcome) []string {
	out := o.problems
	if d := differ(clean.end, o.end); d != "" {
		out = append(out, "it ends differently:\n"+d)
	}
	if fmt.Sprint(o.made) != fmt.Sprint(clean.made) {
		out = append(out, fmt.Sprintf("copies of data: %v were made instead of %v", o.made, clean.made))
	}
	return out
}

// job is one play.
type job struct {
	story  *story
	clean  *outcome
	faults []fault
}

func (j job) String() string { return fmt.Sprint(j.story.name, " ", j.faults) }

// books are what all plays came to.
type books struct {
	*testing.T
	mu                              sync.Mutex
	plays, notHit, bad, destroyed   int
	seconds                         []job
	writes, singles, pairs, stories int
}

func (b *books) run(jobs []job, each func(job, *outcome)) {
	queue := make(chan job)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for j := range queue {
				out, err := j.story.play(j.faults...)
				b.mu.Lock()
				b.note(j, out, err)
				if err == nil && each != nil {
					each(j, out)
				}
				b.mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	group.Wait()
}

func (b *books) note(j job, out *outcome, err error) {
	b.plays++
	if err != nil {
		b.Errorf("%v: %v", j, err)
		return
	}
	b.destroyed += out.destroyed
	if !out.hit {
		b.notHit++
		if len(j.faults) == 1 {
			b.Errorf("%v: the fault did not happen", j)
		}
	}
	if problems := out.compare(j.clean); len(problems) > 0 {
		if b.bad++; b.bad <= 10 {
			b.Errorf("%v\n%s\n%s", j, strings.Join(problems, "\n"), strings.Join(out.trace, "\n"))
		}
	}
}

// What was measured. A change that makes a number smaller loses coverage: it must say so here.
const (
	leastStories = 14
	leastWrites  = 149
	leastSingles = 1466
	leastPairs   = 8383
)

// TestFaults plays every story of a database with every fault at every write of the operator, and with pairs of crashes: at one write,
// and at any write of what the next process does. Each must end as the play without faults, with not one copy of the data more, and
// with no deletion that was not permitted when it was recorded.
func TestFaults(t *testing.T) {
	began := time.Now()
	b := &books{T: t}
	var singles []job
	for _, s := range stories() {
		if !strings.HasPrefix(s.name, *only) {
			continue
		}
		b.stories++
		clean, err := s.play()
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.play()
		if err != nil {
			t.Fatal(err)
		}
		if problems := again.compare(clean); len(problems) > 0 || fmt.Sprint(again.points) != fmt.Sprint(clean.points) {
			t.Fatalf("%s: without faults: %s\n%v\n%v\n%s", s.name, strings.Join(problems, "\n"), clean.points, again.points, strings.Join(clean.trace, "\n"))
		}
		t.Logf("%s: %d writes", s.name, len(clean.points))
		if len(clean.points) < s.least {
			t.Errorf("%s has %d writes, at least %d were measured: %v", s.name, len(clean.points), s.least, clean.points)
		}
		b.writes += len(clean.points)
		for _, p := range clean.points {
			for _, m := range singleModes {
				if m.commits() && !clean.accepted[p] {
					continue // nothing is written
				}
				singles = append(singles, job{s, clean, []fault{{m, p}}})
			}
		}
	}
	b.singles = len(singles)
	kinds := pairModes
	if *somePairs == 0 {
		kinds = morePairs
	}
	b.run(singles, func(j job, out *outcome) {
		if !slices.Contains(kinds, j.faults[0].mode) || out.first == 0 || len(out.compare(j.clean)) > 0 {
			return
		}
		for _, p := range out.points[out.first:] {
			for _, m := range kinds {
				if m.commits() && !out.accepted[p] {
					continue
				}
				b.seconds = append(b.seconds, job{j.story, j.clean, []fault{j.faults[0], {m, p}}})
			}
		}
	})
	b.pairs = len(b.seconds)
	couples := b.couples()
	b.run(couples, nil)
	if *only == "" && (b.stories < leastStories || b.writes < leastWrites || b.singles < leastSingles || b.pairs < leastPairs) {
		t.Errorf("%d stories, %d writes, %d singles, %d pairs; at least %d, %d, %d and %d were measured: a part of the test was lost",
			b.stories, b.writes, b.singles, b.pairs, leastStories, leastWrites, leastSingles, leastPairs)
	}
	if len(couples) < min(*somePairs, b.pairs) || b.notHit > 0 {
		t.Errorf("%d pairs were played, %d faults did not happen", len(couples), b.notHit)
	}
	t.Logf("stories %d, writes %d, singles %d, pairs %d of %d, deletions %d, divergences %d, %s",
		b.stories, b.writes, b.singles, len(couples), b.pairs, b.destroyed, b.bad, time.Since(began).Round(time.Second))
}

// couples are the pairs to play. The order in which plays ended is not the same twice.
func (b *books) couples() []job {
	slices.SortFunc(b.seconds, func(a, c job) int { return strings.Compare(a.String(), c.String()) })
	if *somePairs == 0 {
		return b.seconds
	}
	day := *seed
	if day == 0 {
		day = time.Now().Unix() / 86400
	}
	chance := rand.New(rand.NewPCG(uint64(day), 0)) //nolint:gosec // repeatable
	chance.Shuffle(len(b.seconds), func(i, j int) { b.seconds[i], b.seconds[j] = b.seconds[j], b.seconds[i] })
	return b.seconds[:min(*somePairs, len(b.seconds))]
}
