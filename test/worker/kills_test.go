// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
)

const (
	// between is the mean pause between two faults.
	between = 500 * time.Millisecond
	// slowly: among so many faults there is one start of a broker that starts slowly, and one more.
	slowly = 50
	// empty is how soon after the last fault the queue must be empty, for so many messages.
	empty, emptyPer = 30 * time.Second, 10_000
)

// run sends messages while faults happen, waits for the end, and says what it saw.
func run(w *world, messages, kills int, faults []fault) figures {
	w.t.Helper()
	began, hurry, sent := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		w.produce(messages, time.Duration(kills)*2*between/time.Duration(messages), hurry)
	}()
	happened, starts := map[string]int{}, 0
	for n := 0; n < kills; {
		f := faults[w.random.IntN(len(faults))]
		if f.broker {
			if starts++; w.broker.slow && starts > 1+kills/slowly {
				continue
			}
		}
		n++
		happened[f.name]++
		time.Sleep(time.Duration(w.random.Int64N(int64(2 * between))))
		f.do(w)
	}
	close(hurry)
	if w.broker.counts {
		w.returns = kills
	}
	<-sent
	took := w.finish(empty * time.Duration(1+messages/emptyPer))
	f := w.check()
	fmt.Fprintf(os.Stderr, "worker: %s: %d messages acknowledged of %d, %d processed, %d dead letters; %d faults %v; lost %d, invented %d, duplicates %d (bound %d); empty after %v, all in %v\n",
		w.t.Name(), f.acknowledged, len(w.sent), f.processed, f.poison, kills, happened, f.lost, f.invented, f.duplicates, w.bound, took.Round(10*time.Millisecond), time.Since(began).Round(time.Second))
	return f
}

func complain(t *testing.T, w *world, f figures) {
	t.Helper()
	if len(f.problems) == 0 {
		return
	}
	for _, p := range w.pods {
		t.Logf("the end of the log of %s:\n%s", p.daemon.Name, p.daemon.Tail())
	}
	t.Error(strings.Join(f.problems, "\n"))
}

// TestKills kills everything, and loses nothing.
func TestKills(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind, daemonProgram)
			complain(t, w, run(w, count("WORKER_MESSAGES", 10_000), count("WORKER_KILLS", 20), slices.Concat(graceful, processes, broken, network)))
		})
	}
}

// TestGraceful stops as a rolling update does, and nothing is processed twice.
func TestGraceful(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind, daemonProgram)
			complain(t, w, run(w, count("WORKER_MESSAGES", 10_000)/2, count("WORKER_KILLS", 20)/2, graceful))
		})
	}
}

// TestCareless must find that a daemon loses what it deleted before the POST.
func TestCareless(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, kinds["nats"], self, envCareless+"=1")
	all := func(do func(p *servers.Process)) {
		for _, p := range w.pods {
			do(p.daemon)
		}
	}
	all((*servers.Process).Kill)
	w.produce(poisonEvery-1, 0, nil) // no poison: it does not know what to do with it
	for range 3 {
		all(func(p *servers.Process) { w.must(p.Start()) })
		time.Sleep(200 * time.Millisecond)
		w.explain(daemons * slots)
		all((*servers.Process).Kill)
	}
	all(func(p *servers.Process) { w.must(p.Start()) })
	w.finish(empty)
	if f := w.check(); f.lost == 0 {
		t.Error("the check found no loss")
	} else {
		t.Logf("lost %d of %d", f.lost, f.acknowledged)
	}
}
