// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"syscall"
	"time"
)

// fault is something bad. Each says how many duplicates it explains.
type fault struct {
	name string
	do   func(w *world)
}

func (w *world) anyPod() *pod { return w.pods[w.random.IntN(len(w.pods))] }

// graceful faults are those of a rolling update: nothing may be processed twice.
var graceful = []fault{
	{"daemon restarted", func(w *world) { w.restart(w.anyPod().daemon) }},
	{"application restarted", func(w *world) { w.restart(w.anyPod().application) }},
	{"pod restarted", func(w *world) {
		p := w.anyPod()
		w.must(p.daemon.stop()) // the kubelet's order
		w.restart(p.application)
		w.must(p.daemon.start())
	}},
}

func (w *world) restart(p *process) {
	w.must(p.stop())
	w.must(p.start())
}

// hard faults of processes. A daemon that dies leaves what it holds to others, whether it was processed or not: its slots at
// most. An application that dies may have processed what it did not answer: the slots of its daemon at most. Who is frozen for
// longer than the window is as good as dead for the broker, and works on when it wakes up.
var hard = []fault{
	{"daemon killed", func(w *world) {
		p := w.anyPod()
		w.explain(slots)
		p.daemon.kill()
		w.must(p.daemon.start())
	}},
	{"application killed", func(w *world) {
		p := w.anyPod()
		w.explain(slots)
		p.application.kill()
		w.must(p.application.start())
	}},
	{"daemon frozen", func(w *world) {
		w.explain(slots)
		freeze(w.anyPod().daemon, window+window/4)
	}},
	// Shorter than the inactivity time-out: no attempt fails.
	{"application frozen", func(w *world) { freeze(w.anyPod().application, time.Second) }},
}

func freeze(p *process, d time.Duration) {
	p.signal(syscall.SIGSTOP)
	time.Sleep(d)
	p.signal(syscall.SIGCONT)
}
