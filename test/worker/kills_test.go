// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
)

const (
	// between is the mean pause between two faults of one pod, and share how long a fault takes of the whole run, all pods
	// together: as many messages are sent meanwhile.
	between, share = 500 * time.Millisecond, 600 * time.Millisecond
	// slowly: among so many faults there is one start of a broker that starts slowly, and one more.
	slowly = 50
	// empty is how soon after the last fault the queue must be empty, for so many messages.
	empty, emptyPer = 30 * time.Second, 10_000
)

// nemesis makes faults happen, in all pods at the same time.
type nemesis struct {
	faults []fault
	// broker is locked while the broker suffers.
	broker sync.Mutex

	lock sync.Mutex
	// left is how many faults are still to come, and starts how many of them may start the broker anew.
	left, starts int
	happened     map[string]int
	err          error
}

// next chooses a fault, while there are any left.
func (n *nemesis) next(random *rand.Rand) (fault, bool) {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.left == 0 || n.err != nil {
		return fault{}, false
	}
	f := n.faults[random.IntN(len(n.faults))]
	for f.starts && n.starts == 0 {
		f = n.faults[random.IntN(len(n.faults))]
	}
	if n.left--; f.starts {
		n.starts--
	}
	n.happened[f.name]++
	return f, true
}

// haunt a pod, and now and then the broker.
func (n *nemesis) haunt(w *world, p *pod, random *rand.Rand) {
	for f, more := n.next(random); more; f, more = n.next(random) {
		time.Sleep(time.Duration(random.Int64N(int64(2 * between))))
		if err := n.strike(w, p, f); err != nil {
			n.lock.Lock()
			n.err = errors.Join(n.err, fmt.Errorf("%s: %w", f.name, err))
			n.lock.Unlock()
		}
	}
}

func (n *nemesis) strike(w *world, p *pod, f fault) error {
	if f.broker {
		n.broker.Lock()
		defer n.broker.Unlock()
	}
	return f.do(w, p)
}

// run sends messages while faults happen, waits for the end, and says what it saw.
func run(w *world, messages, kills int, faults []fault) figures {
	w.t.Helper()
	began, hurry, sent := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		w.produce(messages, time.Duration(kills)*share/time.Duration(messages), hurry)
	}()
	n := &nemesis{faults: faults, left: kills, starts: kills, happened: map[string]int{}}
	if w.broker.slow {
		n.starts = 1 + kills/slowly
	}
	var haunted sync.WaitGroup
	for i, p := range w.pods {
		haunted.Go(func() { n.haunt(w, p, rand.New(rand.NewPCG(w.seed, uint64(i)))) })
	}
	haunted.Wait()
	w.must(n.err)
	struck := time.Since(began)
	close(hurry)
	if w.broker.counts {
		w.returns = kills
	}
	<-sent
	took := w.finish(empty * time.Duration(1+messages/emptyPer))
	f := w.check()
	fmt.Fprintf(os.Stderr, "worker: %s: %d messages acknowledged of %d, %d processed, %d dead letters; %d faults in %v %v; lost %d, invented %d, duplicates %d (bound %d); empty after %v, all in %v\n",
		w.t.Name(), f.acknowledged, len(w.sent), f.processed, f.poison, kills, struck.Round(time.Second), n.happened, f.lost, f.invented, f.duplicates, w.bound, took.Round(10*time.Millisecond), time.Since(began).Round(time.Second))
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

// sizes are how many messages and faults there are in one of so many parts of a whole run.
func sizes(k kind, parts int) (messages, kills int) {
	if k.brief {
		parts = max(parts, 20)
	}
	return count("WORKER_MESSAGES", 200_000) / parts, max(1, count("WORKER_KILLS", 200)/parts)
}

// TestKills kills everything, and loses nothing.
func TestKills(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind, daemonProgram)
			messages, kills := sizes(kind, 1)
			complain(t, w, run(w, messages, kills, slices.Concat(graceful, processes, broken, network)))
		})
	}
}

// TestGraceful stops as a rolling update does, and nothing is processed twice.
func TestGraceful(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind, daemonProgram)
			messages, kills := sizes(kind, 20)
			complain(t, w, run(w, messages, kills, graceful))
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
