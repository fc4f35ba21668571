// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
)

// fault is something bad. Each says how many duplicates it explains.
type fault struct {
	name string
	do   func(w *world)
	// broker: it needs the broker to start anew, which takes some of them long.
	broker bool
}

func (w *world) anyPod() *pod { return w.pods[w.random.IntN(len(w.pods))] }

func (w *world) restart(p *servers.Process) {
	w.must(p.Stop())
	w.must(p.Start())
}

// graceful faults are those of a rolling update: nothing may be processed twice.
var graceful = []fault{
	{name: "daemon restarted", do: func(w *world) { w.restart(w.anyPod().daemon) }},
	{name: "application restarted", do: func(w *world) {
		p := w.anyPod()
		p.toApplication.down()
		w.restart(p.application)
		w.must(p.toApplication.up())
	}},
	{name: "pod restarted", do: func(w *world) {
		p := w.anyPod()
		w.must(p.daemon.Stop()) // the kubelet's order
		w.restart(p.application)
		w.must(p.daemon.Start())
	}},
}

// processes die. A daemon that does leaves what it holds to others, whether it was processed or not: its slots at most. An
// application that dies may have processed what it did not answer: the slots of its daemon at most. Who is frozen for longer
// than the window is as good as dead for the broker, and works on when it wakes up.
var processes = []fault{
	{name: "daemon killed", do: func(w *world) {
		p := w.anyPod()
		w.explain(slots)
		p.daemon.Kill()
		w.must(p.daemon.Start())
	}},
	{name: "application killed", do: func(w *world) {
		p := w.anyPod()
		w.explain(slots)
		p.toApplication.down()
		p.application.Kill()
		w.must(p.application.Start())
		w.must(p.toApplication.up())
	}},
	{name: "daemon frozen", do: func(w *world) {
		w.explain(slots)
		w.anyPod().daemon.Freeze(window + window/4)
	}},
	// Shorter than the inactivity time-out: no attempt fails.
	{name: "application frozen", do: func(w *world) { w.anyPod().application.Freeze(time.Second) }},
}

// broken brokers may not know of the last deletes, or give to others what was held: all slots of all daemons at most.
var broken = []fault{
	{name: "broker killed", broker: true, do: func(w *world) {
		w.explain(daemons * slots)
		w.broker.Kill()
		w.must(w.broker.Start())
	}},
	{name: "broker restarted", broker: true, do: func(w *world) {
		w.explain(daemons * slots)
		w.must(w.broker.Halt())
		w.must(w.broker.Start())
	}},
	{name: "broker frozen", do: func(w *world) {
		w.explain(daemons * slots)
		w.broker.Freeze(window / 2)
	}},
}

// network faults. Each connection to an application carries one message; that to the broker carries all that the daemon holds.
var network = []fault{
	{name: "broker slow", do: func(w *world) { w.anyPod().toBroker.slow(20*time.Millisecond, time.Second) }},
	{name: "broker cut", do: func(w *world) {
		w.anyPod().toBroker.cut(func(int) { w.explain(slots) })
	}},
	{name: "broker reset after request", do: func(w *world) {
		w.anyPod().toBroker.set(afterRequest, 1, time.Second, func() { w.explain(slots) })
	}},
	{name: "broker reset before answer", do: func(w *world) {
		w.anyPod().toBroker.set(beforeAnswer, 1, time.Second, func() { w.explain(slots) })
	}},
	{name: "application slow", do: func(w *world) { w.anyPod().toApplication.slow(50*time.Millisecond, time.Second) }},
	{name: "application cut", do: func(w *world) { w.anyPod().toApplication.cut(w.explain) }},
	{name: "application reset after request", do: func(w *world) {
		w.anyPod().toApplication.set(afterRequest, 5, time.Second, func() { w.explain(1) })
	}},
	{name: "application reset before answer", do: func(w *world) {
		w.anyPod().toApplication.set(beforeAnswer, 5, time.Second, func() { w.explain(1) })
	}},
}
