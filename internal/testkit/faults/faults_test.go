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

	"github.com/beanpod-dev/beanpod/internal/testkit/faults"
)

var (
	only = flag.String("scenario", "", "play scenarios whose names begin with this")
	with = flag.String("faults", "", "play these faults only, as a failing run prints them")
	some = flag.Int("some", 0, "play so many singles, chosen by -seed; 0: all")
	seed = flag.Int64("seed", 0, "chooses what is played when not all is; 0: the day")
	most = flag.Int("divergences", 20, "how many divergences are told in full")
)

// TestMain trades memory for time: a run leaves much garbage and keeps little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
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

func TestSingles(t *testing.T) {
	plays := chosen()
	prepare(t, plays)
	var jobs []job
	points := 0
	for _, p := range plays {
		list, err := p.Singles()
		if err != nil {
			t.Fatal(err)
		}
		clean, _ := p.Clean()
		points += clean.Points()
		for _, f := range list {
			jobs = append(jobs, job{p, []faults.Fault{f}})
		}
	}
	chance := rand.New(rand.NewPCG(uint64(*seed), 0))
	chance.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	if *some > 0 {
		jobs = jobs[:min(*some, len(jobs))]
	}
	if *with != "" {
		list, err := faults.ParseFaults(*with)
		if err != nil {
			t.Fatal(err)
		}
		jobs = []job{{plays[0], list}}
	}
	began, bad := time.Now(), 0
	modes := map[faults.Mode]int{}
	var names []string
	sweep(jobs, func(j job, out *faults.Outcome, err error) {
		if err != nil {
			t.Errorf("%v: %v", j, err)
			return
		}
		if len(out.Problems) == 0 {
			return
		}
		bad++
		modes[j.faults[0].Mode]++
		names = append(names, j.String()+"  "+firstLine(out.Problems[0]))
		if bad <= *most {
			t.Errorf("%v\n%s\n%s", j, strings.Join(out.Problems, "\n"), strings.Join(out.Trace, "\n"))
		}
	})
	slices.Sort(names)
	for _, n := range names {
		t.Error(n)
	}
	t.Logf("scenarios %d, points %d, singles %d, divergences %d %v, %s", len(plays), points, len(jobs), bad, modes, time.Since(began).Round(time.Second))
}

func firstLine(s string) string { return s[:min(len(s), 160)] }
