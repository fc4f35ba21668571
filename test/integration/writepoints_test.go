// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit"
)

var (
	shard = flag.String("shard", "1/48", "which part of the faults at write points is played: as in 2/40; day/16: another one every day; 1/1: all")
	plotN = flag.String("plot", "", "play plots whose names begin with this")
	fault = flag.String("fault", "", "play faults whose names begin with this only, as in 'C2 PATCH deployments'")
)

// side is how many plots are played side by side: most of their time they wait.
const side = 6

// A little less than the 110 points and 1450 singles that were measured: how often something is written depends on the clock, too. A change
// that makes a number smaller loses coverage: it must say so here.
const (
	leastWritePoints  = 105
	leastWriteSingles = 1380
)

// deed is one run of a plot.
type deed struct {
	plot  *plot
	fault testkit.Fault
}

// lesson is what clean runs of a plot teach.
type lesson struct {
	points []testkit.Learned
	// end is how it ends, edited how it does when the user names v3 on the way.
	end, edited string
}

// TestWritePoints learns the writes of every plot, and plays a part of all faults at them against the real API server. Each run must come to
// the end of the clean one, and be silent then.
func TestWritePoints(t *testing.T) {
	newWorld(t).sweep()
	list := slices.DeleteFunc(plots(), func(p plot) bool { return !strings.HasPrefix(p.name, *plotN) })
	lessons := make([]lesson, len(list))
	began := time.Now()
	which, n := shardOf(t)
	beside(len(list), func(i int) {
		t.Run("learn/"+list[i].name, func(t *testing.T) { lessons[i] = learn(t, &list[i], which, n) })
	})
	if t.Failed() {
		return
	}
	learned := time.Since(began)
	points, all, played, missed := 0, 0, []deed{}, 0
	for i := range list {
		points += len(lessons[i].points)
		for _, f := range singles(&list[i], lessons[i].points) {
			all++
			if f.Part(list[i].name, n) == which && strings.HasPrefix(f.String(), *fault) {
				played = append(played, deed{&list[i], f})
			}
		}
	}
	if *plotN == "" && (points < leastWritePoints || all < leastWriteSingles) {
		t.Errorf("there are %d write points and %d singles; %d and %d were measured: a part of the test was lost", points, all, leastWritePoints, leastWriteSingles)
	}
	var mu sync.Mutex
	diverged := 0
	beside(len(played), func(k int) {
		d := played[k]
		hit := true
		ok := t.Run(strings.ReplaceAll(d.plot.name+" "+d.fault.String(), " ", "_"), func(t *testing.T) {
			i := slices.IndexFunc(list, func(p plot) bool { return p.name == d.plot.name })
			hit = play(t, d, lessons[i])
		})
		mu.Lock()
		defer mu.Unlock()
		if !ok {
			diverged++
		} else if !hit {
			missed++
			t.Logf("not reached: %s %s", d.plot.name, d.fault)
		}
	})
	if missed*10 > len(played) {
		t.Errorf("%d of %d faults did not happen", missed, len(played))
	}
	t.Logf("write points: plots %d, points %d, singles %d of %d (part %d of %d), not reached %d, divergences %d, %s of which learning %s",
		len(list), points, len(played), all, which, n, missed, diverged, time.Since(began).Round(time.Second), learned.Round(time.Second))
}

// beside does things side by side.
func beside(n int, do func(i int)) {
	turns := make(chan struct{}, side)
	var group sync.WaitGroup
	for i := range n {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			do(i)
		})
	}
	group.Wait()
}

// shardOf is what -shard says.
func shardOf(t *testing.T) (which, n int) {
	t.Helper()
	text := *shard
	if rest, ok := strings.CutPrefix(text, "day/"); ok {
		if _, err := fmt.Sscan(rest, &n); err != nil || n < 1 {
			t.Fatalf("-shard=%s is not like day/16", text)
		}
		return int(time.Now().Unix()/86400)%n + 1, n
	}
	if _, err := fmt.Sscanf(text, "%d/%d", &which, &n); err != nil || which < 1 || n < which {
		t.Fatalf("-shard=%s is not like 2/40", text)
	}
	return which, n
}

// singles are all faults that make sense in a plot.
func singles(p *plot, points []testkit.Learned) []testkit.Fault {
	var out []testkit.Fault
	for _, l := range points {
		for _, m := range testkit.Modes {
			after := m.Crashes() && m != testkit.CrashBefore && m != testkit.Stranger || m == testkit.LostAnswer
			if m == testkit.Stranger && !l.Creates || after && !l.Accepted || m == testkit.Edited && p.done == nil {
				continue
			}
			out = append(out, testkit.Fault{Mode: m, Point: l.Point})
		}
	}
	return out
}
